"""Gradients that are not the derivatives of the outputs, in one layer among many, or where nothing runs in double precision."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import regime


class Binary(nn.Linear):
    """A layer with weights of size one, and a straight-through estimator of its gradient (Courbariaux et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight + (self.weight.sign() - self.weight).detach(), self.bias)


class Single(nn.Module):
    """Casts to single precision, so that nothing after it runs in double."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


class Tanh(torch.autograd.Function):
    """The derivative, by hand, times a factor."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.tanh()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return ctx.factor * gradient * (1 - x.tanh() ** 2), None


class Coarse(nn.Module):
    """Multiplies in half precision, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.bfloat16() * 1).to(x.dtype)


class Means(nn.Module):
    def __init__(self, of: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        return self.of(x)


def zeroed(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    return layer


def hooked(x: Tensor) -> Tensor:
    y = x * 1
    if y.requires_grad:
        y.register_hook(lambda gradient: -gradient)
    return y


def stable(x: Tensor) -> Tensor:
    """A sum that detached parts do not change: its gradients are derivatives all the same."""
    largest = x.amax(1, keepdim=True).detach()
    return x - largest + largest


def quantized(x: Tensor) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127)


def between(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 32), nn.Tanh(), *layers, nn.Tanh(), nn.Linear(32, 1))


NETWORKS = {
    "one of three layers": (lambda: between(Binary(32, 32)), True),
    "one that begins at zero": (lambda: between(zeroed(Binary(32, 32))), True),
    "the last": (lambda: nn.Sequential(nn.Linear(6, 32), nn.Tanh(), Binary(32, 1)), True),
    "one detached of many": (lambda: between(nn.Linear(32, 32), Means(lambda x: x + 0.3 * (x.detach() - x))), True),
    "detached, single precision": (lambda: between(Single(), Means(lambda x: x.detach() + 0.1 * x)), True),
    "quantized": (lambda: between(Means(quantized), nn.Linear(32, 32)), True),
    "by a hook": (lambda: between(Means(hooked)), True),
    "by hand, half": (lambda: between(nn.Linear(32, 32), Means(lambda x: Tanh.apply(x, 0.5))), True),
    "by hand": (lambda: between(nn.Linear(32, 32), Means(lambda x: Tanh.apply(x, 1.0))), False),
    "detached in vain": (lambda: between(Means(stable)), False),
    "plain, begins at zero": (lambda: between(zeroed(nn.Linear(32, 32))), False),
    "single precision": (lambda: between(Single(), nn.Linear(32, 32)), False),
    "half precision": (lambda: between(Coarse(), nn.Linear(32, 32)), False),
    "one binarized, half precision": (lambda: between(Coarse(), Binary(32, 32)), True),
    "kinks, single precision": (lambda: between(Single(), nn.Linear(32, 32), nn.ReLU()), False),
}


@pytest.mark.parametrize(("make", "cut"), NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("seed", range(2))
def test_no_gap_is_told_where_a_layer_has_other_gradients(make: Callable[[], nn.Module], cut: bool, seed: int) -> None:
    torch.manual_seed(seed)
    model, x = make(), torch.randn(16, 6)
    monitor = regime.Monitor(model, x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1e-2 * torch.randn_like(parameter)
    event = monitor.measure(1)
    assert (event.measures["taylor_gap"] is None) == cut
    assert ("not the derivatives" in event.verdict.reasons[0]) == cut

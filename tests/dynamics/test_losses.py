"""Losses, errors and activations against torch's own."""

import pytest
import torch
from torch.nn import functional

from regime.dynamics.losses import LOSSES, error, loss_named, undefined_errors
from regime.toy.activations import ACTIVATIONS
from tests.toy.plain import FUNCTIONS


def sample(outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(outputs)
    f = 3 * torch.randn(7, outputs, generator=generator, dtype=torch.float64)
    label = torch.randint(max(outputs, 2), (7,), generator=generator)
    y = 2.0 * label[:, None] - 1 if outputs == 1 else functional.one_hot(label, outputs) - 1 / outputs
    return f.requires_grad_(), y.double()


@pytest.mark.parametrize(("name", "outputs"), [("mse", 1), ("mse", 5), ("logistic", 1), ("softmax", 5)])
def test_value_gradient_and_curvature(name: str, outputs: int) -> None:
    loss, (f, y) = LOSSES[name], sample(outputs)
    want = {
        "mse": lambda: functional.mse_loss(f, y, reduction="sum") / 14,
        "logistic": lambda: functional.binary_cross_entropy_with_logits(f, (y + 1) / 2),
        "softmax": lambda: functional.cross_entropy(f, y.argmax(1)),
    }[name]()
    assert torch.allclose(loss.value(f, y), want)
    (gradient,) = torch.autograd.grad(want, f)
    assert torch.allclose(loss.gradient(f, y) / 7, gradient)
    largest = 0.0
    for scale in (1e-3, 0.3, 1.0):
        f0 = (scale * f.detach()[:1]).requires_grad_()
        hessian = torch.autograd.functional.hessian(lambda g: loss.value(g, y[:1]), f0).view(outputs, outputs)
        largest = max(largest, torch.linalg.eigvalsh(hessian)[-1].item())
    assert largest <= loss.curvature + 1e-12
    if name == "softmax":  # of two classes that share everything
        f0 = torch.tensor([[0.0, 0.0, -99.0, -99.0, -99.0]], dtype=torch.float64)
        hessian = torch.autograd.functional.hessian(lambda g: loss.value(g, y[:1]), f0).view(outputs, outputs)
        largest = torch.linalg.eigvalsh(hessian)[-1].item()
    assert largest == pytest.approx(loss.curvature, rel=0.01)


def test_losses_by_name() -> None:
    assert loss_named("mse", 10) is LOSSES["mse"]
    assert loss_named("cross-entropy", 1) is LOSSES["logistic"]
    assert loss_named("cross-entropy", 3) is LOSSES["softmax"]


def test_errors() -> None:
    y = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    f = torch.tensor([[[2.0], [1.0], [0.0], [-1.0]], [[1.0], [-1.0], [1.0], [torch.nan]]])
    assert error(f, y, 2)[0] == 0.375
    assert error(f, y, 2)[1].isnan()
    hot = torch.eye(3) - 1 / 3
    assert error(torch.eye(3).unsqueeze(0), hot, 3) == 0
    assert error(torch.eye(3).roll(1, 0).unsqueeze(0), hot, 3) == 1
    assert error(torch.full((1, 4, 1), y.mean()), y, 0) == 1, "the mean explains nothing"
    assert error(y.unsqueeze(0), y, 0) == 0
    far = torch.tensor([[1.0], [2.0], [6.0]])  # of mean 3 and sum of squares about it 14
    assert error((far + 1).unsqueeze(0), far, 0).item() == pytest.approx(3 / 14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives(name: str) -> None:
    h = torch.linspace(-4, 4, 41, dtype=torch.float64).view(1, 1, 41).requires_grad_()
    activation, g = ACTIVATIONS[name], torch.cos(torch.arange(41.0)).double().view(1, 1, 41)
    value = activation.value(h)
    assert torch.allclose(value, FUNCTIONS[name](h))
    (want,) = torch.autograd.grad((FUNCTIONS[name](h) * g).sum(), h)
    kept = (h if activation.by_argument else value).detach()
    assert torch.allclose(activation.descend(g.clone(), kept), want)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.0709, 1.1, 20.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("points", [25, 50, 128])
def test_targets_that_are_equal_have_no_variance_whatever_their_value(value: float, dtype: torch.dtype, points: int) -> None:
    y = torch.full((points, 1), value, dtype=dtype)
    assert not error((y + 1).unsqueeze(0), y, 0).isfinite().any()


def test_errors_of_equal_targets_are_undefined_and_say_so() -> None:
    y, one = torch.randn(5, 2), torch.full((4, 1), 0.1)
    why = "the targets are constant"
    assert undefined_errors({"train": y, "test": one}, 0, ("", "twin_")) == {"test_error": why, "twin_test_error": why}
    assert undefined_errors({"train": one, "test": one}, 2, ("",)) == {}

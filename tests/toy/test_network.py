"""The explicit forward and backward passes against autograd, and the toy kernel against the dense oracle."""

from functools import partial

import pytest
import torch
from torch import Tensor

from regime import ToyConfig, empirical_ntk
from regime.toy.network import Layer, Network
from tests.toy.plain import Plain, call

CONFIG = {"width": 12, "depth": 3, "weight_std": 1.3, "bias_std": 0.7}
OUTPUTS = {1: "rings", 10: "digits"}
CASES = [
    {"activation": activation, "task": task} for activation in ("relu", "tanh", "erf", "gelu", "linear") for task in ("rings",)
] + [
    {"activation": "gelu", "task": "digits"},
    {"parameterization": "standard", "bias": False},
    {"parameterization": "mup", "activation": "erf"},
    {"parameterization": "mean-field", "depth": 1},
    {"bottleneck": 3, "bottleneck_layer": 2, "parameterization": "mup"},
    {"trainable": "readout", "task": "digits"},
    {"bias_std": 0.0},
]


def build(case: dict) -> tuple[ToyConfig, Network]:
    config = ToyConfig(**CONFIG | case)
    return config, Network.of(config)


def initial(net: Network, seeds: int = 3) -> list[Layer]:
    return net.init(seeds, 5, torch.device("cpu"), torch.float64)


def points(net: Network, n: int) -> Tensor:
    return torch.randn(n, net.sizes[0], generator=torch.Generator().manual_seed(n), dtype=torch.float64)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outputs_kernels_and_products_of_every_seed(case: dict) -> None:
    config, net = build(case)
    parameters, x, z = initial(net), points(net, 6), points(net, 4)
    jacobian, other = net.jacobian(parameters, x), net.jacobian(parameters, z)
    full, traces, c = net.full_kernel(jacobian, other), net.kernels(jacobian, other), config.outputs
    moved = [initial(net)[layer] for layer in net.trained]
    product = net.product(jacobian, moved).sum(0)
    pulled = net.pullback(jacobian, torch.cos(jacobian.outputs))
    vectors = torch.stack([torch.cos(other.outputs), torch.sin(other.outputs)])
    spread = (full @ vectors.flatten(2).unsqueeze(-1)).view(2, *jacobian.outputs.shape)
    assert torch.allclose(net.kernel_product(jacobian, other, vectors), spread, rtol=1e-10)
    for seed in range(3):
        plain = Plain(net, config.activation, parameters, seed)
        assert (jacobian.outputs[seed] - plain(x)).abs().max() < 1e-13 * jacobian.outputs.abs().max()
        want = empirical_ntk(plain, x, z, outputs="full", method="dense").total
        got = full[seed].view(6, c, 4, c).transpose(1, 2)
        assert (got - want).norm() / want.norm() < 1e-12
        trace = sum(kernel[seed] for kernel in traces.values())
        assert torch.allclose(trace, torch.einsum("nmcc->nm", want) / c)
        theta = dict(plain.named_parameters())
        tangent = {name: part.detach() for name, part in theta.items()}
        _, along = torch.func.jvp(partial(call, plain, x), (theta,), (tangent,))
        assert (product[seed] - along).norm() / along.norm() < 1e-12
        gradients = torch.autograd.grad((plain(x) * torch.cos(jacobian.outputs[seed])).sum(), list(theta.values()))
        own = [part[seed] for layer in pulled for part in layer if part is not None]
        # A module lists its parameters layer by layer, weight before bias, as the pullback does.
        for got, wanted in zip(own, gradients, strict=True):
            assert (got - wanted).norm() <= 1e-12 * wanted.norm()


def test_an_initialization_depends_on_its_own_seed_alone() -> None:
    _, net = build({})
    many, one = initial(net, 3), net.init(1, 6, torch.device("cpu"), torch.float64)
    assert all(
        torch.equal(a.weight[1], b.weight[0]) and torch.equal(a.bias[1], b.bias[0]) for a, b in zip(many, one, strict=True)
    )

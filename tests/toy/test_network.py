"""The explicit forward and backward passes against autograd, and the toy kernel against the dense oracle."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from regime import ToyConfig, empirical_ntk
from regime.toy.network import Layer, Network
from regime.toy.training import Descent, Training

CONFIG = {"width": 12, "depth": 3, "weight_std": 1.3, "bias_std": 0.7}


def network(activation: str = "tanh", outputs: int = 3) -> Network:
    return Network.of(ToyConfig(activation=activation, **CONFIG), 2, outputs)


def initial(net: Network, seeds: int = 3) -> list[Layer]:
    return net.init(seeds, 5, torch.device("cpu"), torch.float64)


def points(n: int) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Plain(nn.Module):
    """One seed of the network, written as the toy convention states it."""

    def __init__(self, net: Network, parameters: list[Layer], seed: int) -> None:
        super().__init__()
        self.net = net
        self.weights = nn.ParameterList([layer.weight[seed] for layer in parameters])
        self.biases = nn.ParameterList([layer.bias[seed] for layer in parameters])

    def forward(self, a: Tensor) -> Tensor:
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = self.net.weight_std * a @ weight.T / sqrt(weight.shape[1]) + self.net.bias_std * bias
            a = self.net.activation.value(h) if k < len(self.weights) - 1 else h
        return a


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_forward_and_full_kernel_of_every_seed(activation: str, outputs: int) -> None:
    net = network(activation, outputs)
    parameters, x, z = initial(net), points(6), points(4)
    tape, other = net.tape(parameters, x), net.tape(parameters, z)
    full = net.full_kernel(tape, other)
    traces = net.kernels(tape, other)
    for seed in range(3):
        plain = Plain(net, parameters, seed)
        assert (tape.outputs[seed] - plain(x)).abs().max() < 1e-13
        want = empirical_ntk(plain, x, z, outputs="full", method="dense").total
        got = full[seed].view(6, outputs, 4, outputs).transpose(1, 2)
        assert (got - want).norm() / want.norm() < 1e-12
        trace = sum(kernel[seed] for kernel in traces.values())
        assert torch.allclose(trace, torch.einsum("nmcc->nm", want) / outputs)


def test_an_initialization_depends_on_its_own_seed_alone() -> None:
    net = network()
    many, one = initial(net, 3), net.init(1, 6, torch.device("cpu"), torch.float64)
    assert all(
        torch.equal(a.weight[1], b.weight[0]) and torch.equal(a.bias[1], b.bias[0]) for a, b in zip(many, one, strict=True)
    )


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("centered", [True, False])
def test_training_is_descent_by_autograd(momentum: float, centered: bool) -> None:
    net, alpha, rate = network("relu", 2), 0.5, 0.05
    parameters, x = initial(net), points(9)
    y = torch.randn(9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    batches = [torch.randperm(9, generator=torch.Generator().manual_seed(k))[:4] for k in range(10)]
    training = Training.start(net, parameters, x, y, alpha=alpha, centered=centered, descent=Descent(rate, momentum))
    for batch in batches:
        training.step(batch)
    for seed in range(3):
        plain = Plain(net, parameters, seed)
        offset = plain(x).detach() if centered else 0.0
        optimizer = torch.optim.SGD(plain.parameters(), lr=rate / alpha**2, momentum=momentum)
        for batch in batches:
            optimizer.zero_grad()
            ((alpha * (plain(x) - offset) - y)[batch].square().sum() / (2 * len(batch))).backward()
            optimizer.step()
        for layer, weight, bias in zip(training.parameters, plain.weights, plain.biases, strict=True):
            assert (layer.weight[seed] - weight).abs().max() < 1e-12
            assert (layer.bias[seed] - bias).abs().max() < 1e-12

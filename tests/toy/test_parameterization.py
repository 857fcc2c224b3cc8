"""The table of powers of width, and what it means: equal dynamics where parameterizations are equal."""

from math import log, sqrt

import pytest
import torch

from regime import ToyConfig
from regime.dynamics.losses import LOSSES
from regime.dynamics.optimizers import Descent
from regime.toy.network import Layer, Network
from regime.toy.parameterization import Scale, scales
from regime.toy.training import Training

# Powers of n: (m, s) of first, hidden and last layer, biases of hidden and last, and of the step. a = -power of m, b of s.
TABLE = {
    "ntk": ((0, 0), (-0.5, 0), (-0.5, 0), (0, 0), (0, 0), 0),
    "standard": ((0, 0), (0, -0.5), (0, -0.5), (0, 0), (0, 0), 0),
    "mup": ((0.5, -0.5), (0, -0.5), (-0.5, -0.5), (0.5, -0.5), (0, -0.5), 0),
    "mean-field": ((0, 0), None, (-1, 0), (0, 0), (-0.5, 0), 1),
}


def layers(name: str, width: int, **more: float | bool) -> list[Scale]:
    sizes = (3, width, 1) if name == "mean-field" else (3, width, width, 1)
    given = {"weight_std": 1.3, "bias_std": 0.7, "bias": True, "init_scale": 1.0} | more
    return scales(name, sizes, **given)


def power(name: str, pick) -> float:
    return log(pick(layers(name, 4096)) / pick(layers(name, 64))) / log(64)


@pytest.mark.parametrize("name", TABLE)
def test_powers_of_the_width(name: str) -> None:
    first, hidden, last, bias, last_bias, step = TABLE[name]
    for index, want in ((0, first), (1, hidden), (-1, last)):
        if want is not None:
            got = tuple(power(name, lambda s, f=f, k=index: getattr(s[k], f)) for f in ("weight", "weight_init"))
            assert got == pytest.approx(want, abs=1e-9)
    for index, want in ((0, bias), (-1, last_bias)):
        got = tuple(power(name, lambda s, f=f, k=index: getattr(s[k], f)) for f in ("bias", "bias_init"))
        assert got == pytest.approx(want, abs=1e-9)
    assert power(name, lambda s: s[0].step) == pytest.approx(step)


@pytest.mark.parametrize("name", TABLE)
def test_what_acts_at_initialization(name: str) -> None:
    for scale in layers(name, 256, init_scale=2.0):
        shrunk = sqrt(256) if name in ("mup", "mean-field") and scale.layer == "readout" else 1
        assert scale.weight * scale.weight_init == pytest.approx(2 * 1.3 / sqrt(scale.fan_in) / shrunk)
        assert scale.bias * scale.bias_init == pytest.approx(2 * 0.7 / shrunk)


def test_no_bias_and_more_than_one_hidden_mean_field_layer() -> None:
    assert not any(scale.has_bias for scale in layers("mup", 8, bias=False))
    network = Network.of(ToyConfig(width=8, bias=False))
    assert all(layer.bias is None for layer in network.init(1, 0, torch.device("cpu"), torch.float32))
    with pytest.raises(ValueError, match="allowed: depth = 1"):
        scales("mean-field", (2, 8, 8, 1), weight_std=1.0, bias_std=1.0, bias=True, init_scale=1.0)


@pytest.mark.parametrize("name", ["muP", "", None, ["ntk"]])
def test_a_parameterization_that_is_none_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"^parameterization = .*; allowed: 'ntk', 'standard', 'mup'"):
        scales(name, (2, 8, 1), weight_std=1.0, bias_std=1.0, bias=True, init_scale=1.0)


def trained(name: str, steps: int, rate: float, standard: list[Layer] | None = None) -> tuple[Training, list[Layer]]:
    network = Network.of(ToyConfig(width=40, depth=1, parameterization=name, weight_std=1.3, bias_std=0.7, activation="tanh"))
    initial = standard or network.init(2, 0, torch.device("cpu"), torch.float64)
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x.prod(1, keepdim=True)
    descent = Descent(rate * network.step)
    training = Training.start(network, initial, x, y, alpha=1.0, centered=False, loss=LOSSES["mse"], descent=descent)
    for _ in range(steps):
        training.step()
    return training, initial


def outputs(training: Training) -> torch.Tensor:
    return training.network.forward(training.parameters, training.x).outputs


def test_mup_and_mean_field_are_one_for_one_hidden_layer() -> None:
    one, start = trained("mup", 60, 0.05)
    other, _ = trained("mean-field", 60, 0.05)
    moved = (outputs(one) - one.network.forward(start, one.x).outputs).norm()
    assert moved > 0.1
    assert (outputs(one) - outputs(other)).norm() < 1e-7 * moved, "float32 draws, scaled"


def test_steps_convert_by_the_speeds() -> None:
    """One step in NTK parameterization is, layer by layer, a step of standard networks at eta times the ratio of speeds."""
    one, start = trained("ntk", 1, 0.05)
    scaled = [
        Layer(layer.weight * scale.weight, layer.bias * scale.bias)
        for layer, scale in zip(start, one.network.scales, strict=True)
    ]
    standard, _ = trained("standard", 0, 0.05, scaled)
    assert torch.allclose(outputs(standard), one.network.forward(start, one.x).outputs)
    parameters = [p.requires_grad_() for layer in scaled for p in layer]
    loss = (standard.network.forward(scaled, one.x).outputs - one.y).square().sum() / 18
    slopes = torch.autograd.grad(loss, parameters)
    pairs = zip(one.network.scales, standard.network.scales, strict=True)
    speeds = [ratio for a, b in pairs for ratio in (a.weight_speed / b.weight_speed, a.bias_speed / b.bias_speed)]
    moved = [(p - 0.05 * speed * g).detach() for p, speed, g in zip(parameters, speeds, slopes, strict=True)]
    after = standard.network.forward([Layer(*moved[:2]), Layer(*moved[2:])], one.x).outputs
    assert torch.allclose(after, outputs(one))
    assert (after - outputs(standard)).norm() > 1e-3

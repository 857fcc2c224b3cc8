"""What follows from the sizes at step 0: the precision, and a step size that is left open."""

import pytest
import torch

from regime import ConfigError, ToyConfig
from regime.toy.network import difference
from regime.toy.start import FLOAT32, REFERENCE, SLACK, ToyStart, _sizes, precision, shape
from regime.toy.training import Training

SMALL = {"width": 16, "samples": 16, "test_samples": 8, "probe_samples": 8, "seeds": 2}


@pytest.mark.parametrize(
    ("fields", "dtype"),
    [
        ({}, torch.float32),
        ({"alpha": 8.0}, torch.float32),
        ({"alpha": 100.0}, torch.float64),
        ({"init_scale": 30.0}, torch.float64),
        ({"init_scale": 30.0, "alpha": 1e-4}, torch.float32),
        ({"weight_std": 8.0}, torch.float64),
        (
            {"weight_std": 8.0, "bias_std": 8.0, "activation": "tanh", "alpha": 4.0},
            torch.float64,
        ),  # outputs saturate, slopes do not
        ({"alpha": 1000.0, "centered": False}, torch.float32),  # what has to be unlearned is as large
        ({"weight_std": 1e-4, "bias_std": 0.0, "depth": 4}, torch.float64),  # the kernel's square is no float32
        ({"task": "sine", "alpha": 100.0}, torch.float64),
    ],
)
def test_precision_follows_from_the_sizes_at_the_start(fields: dict, dtype: torch.dtype) -> None:
    assert precision(ToyConfig(**SMALL | fields)) == dtype
    assert ToyStart(ToyConfig(**SMALL | fields)).dtype == dtype


def test_sizes_are_those_of_a_layer_by_hand() -> None:
    """A readout alone, f = sum w a / sqrt(n) + b: its kernel is |a|^2 / n + 1, and what noise of its parameters' size does to f
    that, times their mean square."""
    config = ToyConfig(**SMALL, trainable="readout", bias_std=1.0, weight_std=1.0)
    sizes, start = _sizes(shape(config)), ToyStart(config, torch.float64)
    a, readout = start.jacobian.inputs[0][0], start.initial[-1]
    kernel = (a.square().sum(1) / 16 + 1).mean().item()
    noise = torch.cat([readout.weight[0].flatten(), readout.bias[0]]).square().mean().item()
    outputs = start.jacobian.outputs[0].square().mean().item()
    assert sizes.kernel == pytest.approx(kernel)
    assert sizes.outputs == pytest.approx(outputs**0.5)
    assert sizes.terms == pytest.approx((outputs + noise * kernel) ** 0.5)
    assert sizes.targets == 1.0
    edge = FLOAT32 / sizes.terms
    assert precision(config.model_copy(update={"alpha": 0.999 * edge})) == torch.float32
    assert precision(config.model_copy(update={"alpha": 1.001 * edge})) == torch.float64


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_an_open_step_size_is_the_same_for_every_set_of_seeds(optimizer: str) -> None:
    wide = SMALL | {"width": 256, "optimizer": optimizer}
    steps = {
        ToyStart(ToyConfig(**wide | {"seed": seed, "seeds": seeds})).learning_rate for seed, seeds in ((0, 6), (0, 1), (50, 3))
    }
    assert max(steps) == pytest.approx(min(steps), rel=1e-5)
    alone = [ToyStart(ToyConfig(**wide | {"seed": seed, "seeds": 1})) for seed in range(REFERENCE)]
    own = [start._steps(start.jacobian, start.kernel, 1.0).item() for start in alone]
    assert max(steps) == pytest.approx(min(own), rel=1e-5)


@pytest.mark.parametrize("fields", [{}, {"alpha": 1e-4}, {"task": "digits"}, {"parameterization": "mup", "task": "moons"}])
def test_adams_first_step_moves_the_outputs_by_a_fiftieth_of_their_way(fields: dict) -> None:
    """Also where the output's bias has a gradient of zero but for rounding, whose sign is no step, or many are near 1e-8."""
    config = ToyConfig(**SMALL | {"seeds": REFERENCE, "samples": 20, "optimizer": "adam"} | fields)
    start = ToyStart(config, torch.float64)
    training = Training.start(
        start.network,
        start.initial,
        *start.data.train,
        alpha=start.alpha,
        centered=True,
        loss=start.loss,
        descent=start.descent,
    )
    training.step()
    trained = [difference(now, before) for now, before in zip(training.parameters, start.initial, strict=True)]
    moved = start.alpha * start.network.product(start.jacobian, [trained[layer] for layer in start.network.trained]).sum(0)
    shares = moved.flatten(1).norm(dim=1) / start.data.train.y.norm()
    assert shares.max().item() == pytest.approx(0.02, rel=1e-6)


def test_a_seed_much_stiffer_than_those_gets_a_smaller_step() -> None:
    narrow = SMALL | {"width": 1, "seeds": 64, "activation": "tanh"}
    start = ToyStart(ToyConfig(**narrow, seed=100))
    own = start._steps(start.jacobian, start.kernel, 1.0)
    reference = ToyStart(ToyConfig(**narrow | {"seeds": REFERENCE})).learning_rate
    assert SLACK * own.min() < reference
    assert start.learning_rate == pytest.approx(SLACK * own.min().item())


def test_dead_networks_among_the_first_seeds_do_not_count() -> None:
    dead = ToyConfig(**SMALL | {"width": 1, "seeds": 1, "bias": False, "seed": 4})
    assert ToyStart(dead).learning_rate > 0
    with pytest.raises(ConfigError, match="the kernel at initialization is zero"):
        ToyStart(dead.model_copy(update={"seed": 2}))

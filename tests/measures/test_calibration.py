"""Verdicts where theory fixes the regime: each configuration at 5 seed sets, none labeled falsely, abstentions counted."""

import pytest

import regime
from regime import ToyConfig

BASE = {"samples": 32, "test_samples": 8, "probe_samples": 48, "seeds": 4, "steps": 200, "measure_every": 20}
SETS = range(0, 500, 100)

LAZY = {
    "very wide, tanh": {"width": 512, "activation": "tanh"},
    "very wide, erf": {"width": 512, "activation": "erf"},
    "very wide, gelu": {"width": 512, "activation": "gelu"},
    "very wide, one hidden layer, tanh": {"width": 2048, "depth": 1, "activation": "tanh"},
    "very wide, sine": {"width": 512, "activation": "tanh", "task": "sine"},
    "very wide, momentum": {"width": 512, "activation": "tanh", "optimizer": "momentum"},
    "very wide, sgd": {"width": 512, "activation": "tanh", "optimizer": "sgd", "batch_size": 8},
    "large alpha, tanh": {"width": 64, "alpha": 64.0, "activation": "tanh"},
    "large alpha, relu": {"width": 64, "alpha": 3000.0},
    "large alpha, muP": {"width": 128, "alpha": 300.0, "parameterization": "mup", "activation": "tanh"},
    "large alpha, standard": {"width": 64, "alpha": 100.0, "parameterization": "standard", "activation": "tanh"},
    "readout alone": {"width": 32, "trainable": "readout"},
    "readout alone, tiny alpha": {"width": 16, "trainable": "readout", "activation": "gelu", "alpha": 0.01},
}
RICH = {
    "tiny alpha, relu": {"width": 64, "alpha": 0.05},
    "tiny alpha, tanh": {"width": 64, "alpha": 0.05, "activation": "tanh"},
    "tiny alpha, wide": {"width": 512, "alpha": 0.02},
    "tiny alpha, momentum": {"width": 64, "alpha": 0.05, "optimizer": "momentum"},
    "tiny alpha, linear network": {"width": 64, "alpha": 0.05, "activation": "linear", "task": "smooth"},
    "small alpha, muP, width 64": {"width": 64, "alpha": 0.1, "parameterization": "mup"},
    "small alpha, muP, width 512": {"width": 512, "alpha": 0.1, "parameterization": "mup"},
    "small alpha, mean field": {"width": 512, "alpha": 0.1, "parameterization": "mean-field", "depth": 1},
}
NOT_LAZY = {
    "muP, width 64": {"width": 64, "parameterization": "mup"},
    "muP, width 256": {"width": 256, "parameterization": "mup"},
    "muP, width 1024": {"width": 1024, "parameterization": "mup"},
}
NO_VERDICT = {
    "zero steps": {"width": 64, "steps": 0},
    "hardly a step": {"width": 64, "steps": 2, "learning_rate": 1e-4},
    "diverging": {"width": 64, "learning_rate": 50.0},
    "diverging, muP": {"width": 256, "learning_rate": 100.0, "parameterization": "mup"},
    "hardly a step, half the labels wrong": {"width": 64, "steps": 3, "label_noise": 0.5, "learning_rate": 1e-3},
}
TOO_LITTLE = {
    "two seeds near the boundary of rich": {"width": 64, "alpha": 0.4, "seeds": 2},
    "two seeds, eight points, near the boundary of rich": {"width": 64, "alpha": 0.4, "seeds": 2, "probe_samples": 8},
    "two seeds near the boundary of lazy": {"width": 64, "alpha": 1.5, "seeds": 2, "activation": "tanh"},
}
CONFIGURATIONS = LAZY | RICH | NOT_LAZY | NO_VERDICT | TOO_LITTLE
GROUPS = [(LAZY, {"lazy"}), (RICH, {"rich"}), (NOT_LAZY, {"mixed", "rich"}), (NO_VERDICT, set()), (TOO_LITTLE, {"mixed"})]
ALLOWED = {name: labels for group, labels in GROUPS for name in group}
"""Labels that theory allows, beside no verdict."""


def labels(name: str, sets: range) -> list[str]:
    """Verdicts of a configuration, one for each set of seeds."""
    return [regime.run(ToyConfig(**BASE | CONFIGURATIONS[name] | {"seed": seed})).verdict.label for seed in sets]


def check(name: str, found: list[str]) -> None:
    """None labeled falsely, and abstentions where they belong: all, most, or none."""
    assert set(found) - {"no verdict"} <= ALLOWED[name], (name, found)
    abstained = found.count("no verdict")
    if name in NO_VERDICT:
        assert abstained == len(found), (name, found)
    elif name in TOO_LITTLE:
        assert abstained > len(found) / 2, (name, found)
    else:
        assert abstained == 0, (name, found)


def test_there_are_enough_of_them() -> None:
    assert len(CONFIGURATIONS) >= 24


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name not in TOO_LITTLE])
def test_a_known_regime_is_recognized(name: str) -> None:
    check(name, labels(name, SETS[:1]))


@pytest.mark.physics
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_known_regime_is_recognized_at_every_set_of_seeds(name: str) -> None:
    found = labels(name, SETS)
    print(f"{name}: {', '.join(found)}")  # noqa: T201 - the count that the test is for
    check(name, found)

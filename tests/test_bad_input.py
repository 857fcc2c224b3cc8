"""What is not allowed is refused by name, with its value, in every public function; NumPy's numbers are numbers in all."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import regime
from regime import ConfigError, Report, Session, SweepReport, ToyConfig
from regime.config import config_from_dict

NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
X = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
K, Y = torch.eye(4), torch.ones(4, 1)
TINY = ToyConfig(samples=8, test_samples=8, probe_samples=8, width=4, seeds=1, steps=2, measure_every=1)

NO_CONFIG = [None, "toy", 3, [], {}, ToyConfig, {"kind": "toy"}]
TAKE_CONFIGS = {
    "run": regime.run,
    "stream": lambda config: next(regime.stream(config)),
    "estimate": regime.estimate,
    "within": lambda config: regime.within(config, 3.0),
    "Session": Session,
    "stream_together": lambda config: next(regime.stream_together(config)),
}


@pytest.mark.parametrize("value", NO_CONFIG, ids=repr)
@pytest.mark.parametrize("take", TAKE_CONFIGS.values(), ids=TAKE_CONFIGS)
def test_what_is_no_configuration_is_refused(take: Callable, value: object) -> None:
    with pytest.raises(ConfigError, match=r"^configs? = .* is not allowed; allowed: "):
        take(value)


@pytest.mark.parametrize("value", [None, "toy", 3, [], {"kind": ["toy"]}, {"kind": {}}, {}, {"kind": "toy", 3: 4}], ids=repr)
def test_fields_that_are_no_configuration_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="is not allowed; allowed: "):
        config_from_dict(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "valid dictionary"),
        ([], "valid dictionary"),
        ({}, "config: Field required"),
        ({"config": 3}, "config: "),
        ({"config": {"kind": ["toy"]}}, "config: "),
        ({"config": {"kind": "toy", "width": -1}}, "config.*: width = -1 is not allowed; allowed: an integer from 1"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("cls", [Report, SweepReport])
def test_fields_that_are_no_report_are_refused(cls: type, value: object, message: str) -> None:
    if cls is SweepReport and "config" in (value or {}):
        message = "config"
    with pytest.raises(ValueError, match=f"^not a report of this version: .*{message}"):
        cls.from_dict(value)


def flow(time: object) -> object:
    return regime.gradient_flow(K, 0 * Y, Y, time)


def ridge(value: object) -> object:
    return regime.kernel_regression(K, K, Y, value)


REFUSED = {
    "time": (
        flow,
        ["a", None, [1.0, "a"], -1, 1j, True, float("nan"), torch.tensor(1j), torch.tensor([1.0, -2.0]), np.array([-1])],
    ),
    "ridge": (ridge, ["a", None, -1, 1j, True, float("inf"), [1.0]]),
    "seconds": (lambda value: regime.within(TINY, value), ["a", None, -1, float("nan"), True]),
    "measurements": (lambda value: next(Session(TINY).stream(value)), ["a", 0, -1, 1.0, True]),
    "layers": (lambda value: regime.empirical_ntk(NET, X, layers=value), ["0", 3, [3], {"0": 1}]),
    "readout": (lambda value: regime.plan_ntk(NET, X, readout=value), ["mean", 3, [1]]),
    "memory": (lambda value: regime.empirical_ntk(NET, X, memory=value), ["a", 0, 1.5, True, np.float64(1e9)]),
    "projections": (lambda value: regime.empirical_ntk(NET, X, outputs="projection", projections=value), ["a", 1, None, 2.0]),
    "seed": (lambda value: regime.empirical_ntk(NET, X, outputs="projection", seed=value), ["a", None, 1.5, -1, True]),
    "outputs": (lambda value: regime.empirical_ntk(NET, X, outputs=value), [None, 3, ["trace"], "sum"]),
    "depth": (lambda value: regime.infinite_ntk(X, depth=value), ["a", None, -1, 1.0, True, np.float64(1.0)]),
    "chunk": (lambda value: regime.Monitor(NET, X, chunk=value), ["a", 0, 1.5, True]),
}


@pytest.mark.parametrize(
    ("name", "call", "value"), [(name, call, value) for name, (call, values) in REFUSED.items() for value in values]
)
def test_a_bad_argument_is_named_with_its_value(name: str, call: Callable, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} = .* is not allowed; allowed: |^{name}: "):
        call(value)


@pytest.mark.parametrize("value", [None, "a", 3, [], {}, {"x": 3}, {3: X}, X[:0], X.numpy()], ids=str)
@pytest.mark.parametrize("call", [regime.empirical_ntk, regime.plan_ntk, regime.Monitor])
def test_what_is_no_batch_is_refused(call: Callable, value: object) -> None:
    with pytest.raises(ValueError, match=r"^batch: "):
        call(NET, value)


def test_numbers_of_numpy_are_numbers_everywhere() -> None:
    assert torch.equal(flow(np.float32(0.5)), flow(0.5))
    assert torch.equal(flow(np.array([1, 2])), flow([1, 2]))
    assert torch.equal(ridge(np.float64(0.5)), ridge(0.5))
    assert torch.equal(ridge(np.int8(2)), ridge(2))
    for name, value in (("memory", np.int32(2**30)), ("projections", np.int64(4)), ("seed", np.uint8(3))):
        given = {"outputs": "projection", name: value}
        want = regime.empirical_ntk(NET, X, **given | {name: int(value)})
        assert torch.equal(regime.empirical_ntk(NET, X, **given).total, want.total)
    few, many = (regime.Monitor(NET, X, chunk=chunk).report().final for chunk in (np.int64(4), 4))
    assert few == many
    assert regime.within(TINY, np.float32(1e3)).startswith("steps = ")
    assert [event.kind for event in Session(TINY).stream(np.int64(1))].count("measured") == 1


def test_kernels_are_saved_from_the_first_measurement_on(tmp_path) -> None:
    """The first is then the last one too."""
    session = Session(TINY)
    with pytest.raises(ValueError, match="nothing is measured yet"):
        session.save_kernels(tmp_path / "kernels.safetensors")
    list(session.stream(1))
    session.save_kernels(tmp_path / "new" / "kernels.safetensors")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kernels.safetensors"]
    assert not list(tmp_path.glob(".*"))

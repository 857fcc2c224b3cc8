"""Parts of one's own: named by import path, kept as text, imported by a run alone, and refused wherever others ask."""

import json
import pickle
import sys

import pytest

import regime
from regime.config import config_from_dict, shared_config
from regime.config.own import is_own, path_of
from tests.parts import Distance, Stripes

SMALL = {"width": 8, "steps": 4, "measure_every": 2, "samples": 16, "test_samples": 8, "probe_samples": 8, "seeds": 2}
TRAP = "tests.trap:Task"
HOSTILE = [
    ({"kind": "toy", "task": "os:system"}, "task = 'os:system'"),
    ({"kind": "toy", "task": TRAP}, "task"),
    ({"kind": "toy", "optimizer": TRAP}, "optimizer"),
    ({"kind": "toy", "measures": [TRAP]}, "measures"),
    ({"kind": "probe", "model": TRAP}, "model"),
    ({"kind": "probe", "optimizer": TRAP, "learning_rate": 1e-3}, "optimizer"),
    ({"kind": "probe", "measures": [TRAP]}, "measures"),
    ({"kind": "checkpoints", "measures": [TRAP]}, "measures"),
    ({"kind": "sweep", "base": {"kind": "toy", "task": TRAP}, "axes": {"width": [8, 16]}}, r"base\.task"),
    ({"kind": "sweep", "base": {"kind": "toy", "measures": [TRAP]}, "axes": {"width": [8, 16]}}, r"base\.measures"),
    ({"kind": "sweep", "base": {"kind": "toy"}, "axes": {"task": ["rings", TRAP]}}, r"axes\.task"),
    ({"kind": "sweep", "base": {"kind": "probe"}, "axes": {"model": ["minilm", TRAP]}}, r"axes\.model"),
]
"""Configurations that somebody else may send, and the field that is named."""


@pytest.mark.parametrize(("fields", "field"), HOSTILE)
def test_a_server_refuses_a_part_of_ones_own_and_imports_nothing(fields, field):
    with pytest.raises(regime.ConfigError, match=f"{field}.* is not allowed from a link, the page or the API"):
        shared_config(fields)
    assert "tests.trap" not in sys.modules


@pytest.mark.parametrize("fields", [fields for fields, _ in HOSTILE])
def test_a_link_refuses_it_too(fields):
    config = config_from_dict(fields)
    with pytest.raises(regime.ConfigError, match="is not allowed from a link"):
        type(config).from_query(config.to_query().partition("&")[2])
    assert "tests.trap" not in sys.modules


def test_a_class_is_kept_as_its_import_path():
    config = regime.ToyConfig(task=Stripes, measures=[Distance], **SMALL)
    assert (config.task, config.measures) == ("tests.parts:Stripes", ("tests.parts:Distance",))
    assert regime.ToyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(config.model_copy())
    assert config.sizes == (2, 8, 8, 1)


@pytest.mark.parametrize("part", [lambda: 0, type("Local", (), {}), Stripes().draw, len(sys.argv).__add__])
def test_what_is_not_found_again_by_its_path_is_refused(part):
    with pytest.raises(regime.ConfigError, match=r"task = .* is not allowed: it cannot be found again by an import path"):
        regime.ToyConfig(task=part)
    with pytest.raises(regime.ConfigError, match=r"measures = .* is not allowed: it cannot be found again"):
        regime.ToyConfig(measures=[part])


@pytest.mark.parametrize("part", [Stripes(), 3, "rigns", "a b:c", "a:", ":c", "a:b\n", "a:b()", "../x:y", "a" * 300 + ":b"])
def test_what_is_no_path_is_refused(part):
    assert not is_own(part)
    with pytest.raises(regime.ConfigError, match=r"task = .* is not allowed; allowed: one of 'rings'"):
        regime.ToyConfig(task=part)


def test_a_class_is_a_value_of_an_axis():
    config = regime.SweepConfig(base=regime.ToyConfig(**SMALL), axes={"task": ["rings", Stripes], "alpha": (1, 2)})
    assert config.axes["task"] == ("rings", "tests.parts:Stripes")
    assert config_from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(regime.ConfigError, match=r"axes\.task = <function .*cannot be found again by an import path"):
        regime.SweepConfig(axes={"task": [lambda: None]})


def test_a_nested_class_has_a_path():
    assert path_of(Inner.Task) == f"{__name__}:Inner.Task"


class Inner:
    class Task(Stripes):
        pass


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no.such.module:Task", "failed: ModuleNotFoundError"),
        ("os:nothing", "failed: AttributeError"),
        ("os:system", "it has no inputs, classes, meaning, draw"),
        (TRAP, "failed: AssertionError: imported before"),
        ("tests.parts:OneClass", "its classes = 1; allowed: 0 for regression"),
        ("tests.parts:NoInputs", "its inputs = 0; allowed: an integer from 1 up"),
    ],
)
def test_a_task_that_cannot_be_had_is_refused_before_anything_starts(path, said):
    with pytest.raises(regime.ConfigError, match=f"task = '{path}'.*{said}"):
        next(regime.stream(regime.ToyConfig(task=path, **SMALL)))


def test_what_a_task_does_not_allow_is_refused_where_the_run_begins():
    config = regime.ToyConfig(task="tests.parts:Line", loss="cross-entropy", **SMALL)
    with pytest.raises(regime.ConfigError, match=r"loss = 'cross-entropy' is not allowed with task = 'tests.parts:Line'"):
        next(regime.stream(config))

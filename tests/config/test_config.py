import copy
import json
import math
import pickle
import random
import time

import numpy as np
import pytest

from regime import CheckpointConfig, ConfigError, ProbeConfig, SweepConfig, ToyConfig
from regime.config import config_from_dict
from regime.config.read import Choices
from regime.errors import show


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (ToyConfig, {"width": -1}, r"width = -1 is not allowed; allowed: an integer from 1 to 16384"),
        (ToyConfig, {"width": 1e99}, r"width = 1e\+99 is not allowed; allowed: an integer from 1 to 16384"),
        (ToyConfig, {"width": 10**30}, r"width = 10+ is not allowed; allowed: an integer"),
        (ToyConfig, {"width": math.nan}, r"width = nan is not allowed"),
        (ToyConfig, {"width": "64"}, r"width = '64' is not allowed"),
        (ToyConfig, {"width": True}, r"width = True is not allowed"),
        (ToyConfig, {"alpha": math.inf}, r"alpha = inf is not allowed; allowed: a finite number from 0.0001 to 10000.0"),
        (ToyConfig, {"alpha": True}, r"alpha = True is not allowed"),
        (ToyConfig, {"alpha": None}, r"alpha = None is not allowed"),
        (ToyConfig, {"task": "nope"}, r"task = 'nope' is not allowed; allowed: one of 'rings', 'spirals', 'xor'"),
        (ToyConfig, {"task": ["rings"]}, r"task = \['rings'\] is not allowed"),
        (ToyConfig, {"learning_rate": 0}, r"learning_rate = 0 is not allowed; allowed: a finite number above 0.* or null"),
        (ToyConfig, {"wdith": 3}, r"'wdith' is not a field of ToyConfig; allowed: kind, task"),
        (ToyConfig, {"width": -1, "depth": 99}, r"width = -1 .*; depth = 99 is not allowed"),
        (ToyConfig, {"batch_size": 8}, r"batch_size = 8 is not allowed with optimizer = 'gd'"),
        (
            ToyConfig,
            {"optimizer": "sgd", "batch_size": 500},
            r"batch_size = 500 is not allowed; allowed: at most samples = 128",
        ),
        (ToyConfig, {"task": "digits", "samples": 1700}, r"= 1924 is not allowed; allowed: at most 1797"),
        (ToyConfig, {"bottleneck_layer": 3}, r"bottleneck_layer = 3 is not allowed; allowed: 1 to depth = 2"),
        (
            ToyConfig,
            {"parameterization": "mean-field"},
            r"depth = 2 is not allowed with parameterization = 'mean-field'; allowed: 1",
        ),
        (ToyConfig, {"parameterization": "ntp"}, r"allowed: one of 'ntk', 'standard', 'mup', 'mean-field'"),
        (ToyConfig, {"task": "sine", "loss": "cross-entropy"}, r"not allowed with task = 'sine', a regression; allowed: 'mse'"),
        (ToyConfig, {"task": "own"}, r"csv = null is not allowed with task = 'own'; allowed: your rows"),
        (
            ToyConfig,
            {"csv": "1,2"},
            r"csv is not allowed: '1,2' is one line and names no file; allowed",
        ),
        (ToyConfig, {"csv": "1,2\n3,4", "task": "rings"}, r"csv = rows is not allowed with task = 'rings'"),
        (
            ToyConfig,
            {"csv": "1,2\n1,x\n2,3\n4,5"},
            r"csv is not allowed: column 'column 2': 'x' is no number, though a class with task_type",
        ),
        (ToyConfig, {"task": "own", "csv": 3}, r"csv = 3 is not allowed; allowed: text of at most 1000000 characters or null"),
        (ToyConfig, {"width": 16384, "depth": 8}, r"need .* GiB; allowed: at most 4 GiB"),
        (ToyConfig, {"steps": 100_000}, r"allowed: at most 1000 measurements"),
        (ToyConfig, {"max_seeds": 3}, r"max_seeds = 3 is not allowed; allowed: null, or at least seeds = 4"),
        (ToyConfig, {"momentum": 1.0}, r"momentum = 1\.0 is not allowed; allowed: a finite number from 0 to below 1"),
        (SweepConfig, {"at_loss": 1.0}, r"allowed: a finite number above 0 to below 1 or null"),
        (ToyConfig, {"seed": 2**31 - 1, "max_seeds": 8}, r"max_seeds = 8 is not allowed with seed = 2147483647: "),
        (ToyConfig, {"seed": 2**31 - 8, "max_seeds": 9}, r"max_seeds = 9 is not allowed with seed = 2147483640"),
        (ToyConfig, {"max_seeds": 65}, r"max_seeds = 65 is not allowed; allowed: an integer from 1 to 64 or null"),
        (ToyConfig, {"width": 2048, "max_seeds": 64}, r"seeds = 32, samples = 128 need .* GiB; allowed: at most 4 GiB"),
        (SweepConfig, {"base": {"max_seeds": 8}}, r"base.max_seeds = 8 is not allowed in a sweep, .*; allowed: null"),
        (SweepConfig, {"axes": {"max_seeds": [8]}}, r"axes.max_seeds is not allowed: no field to sweep"),
        (SweepConfig, {"axes": {"width": ["x", 8]}}, r"^axes: width = 'x' is not allowed; allowed: an integer"),
        (SweepConfig, {"axes": {"width": [8], "depth": [0]}}, r"^axes at depth = 0, width = 8: depth = 0 is not allowed"),
        (ProbeConfig, {"model": ""}, r"model = '' is not allowed"),
        (ProbeConfig, {"model": "x" * 97}, r"model = 'x+\.\.\. is not allowed; allowed: text of 1 to 96 characters"),
        (ProbeConfig, {"task": "own"}, r"texts = null is not allowed with task = 'own'; allowed: your rows"),
        (ProbeConfig, {"texts": "a,b\nc,d", "task": "sentiment"}, r"texts = rows is not allowed with task = 'sentiment'"),
        (ProbeConfig, {"task": "own", "texts": "a,x\nb,x"}, r"texts is not allowed: its target has one value only"),
        (
            ProbeConfig,
            {"task": "own", "texts": "a,x\nb,y\n" * 8, "readout": "prompt"},
            r"allowed: a prompt, and a word for each of the 2",
        ),
        (ProbeConfig, {"readout": "prompt", "prompt": "It was {mask}"}, r"allowed: a template with {text} and one {mask}"),
        (ProbeConfig, {"words": ["a", "b"]}, r"prompt and words are not allowed with readout = 'mean'"),
        (ProbeConfig, {"readout": "prompt", "head": "zero"}, r"head = 'zero' is not allowed with readout = 'prompt'"),
        (ProbeConfig, {"readout": "prompt", "loss": "mse"}, r"loss = 'mse' is not allowed with readout = 'prompt'"),
        (ProbeConfig, {"readout": "prompt", "seeds": 2}, r"seeds = 2 is not allowed with readout = 'prompt': nothing of it is"),
        (ProbeConfig, {"head": "zero", "seeds": 2}, r"seeds = 2 is not allowed with head = 'zero'"),
        (ProbeConfig, {"warmup": 21}, r"warmup = 21 is not allowed; allowed: at most steps = 20"),
        (ProbeConfig, {"trainable": []}, r"trainable = \(\) is not allowed; allowed: a list of 1 to 16 entries"),
        (ProbeConfig, {"batch_size": 65}, r"batch_size = 65 is not allowed"),
        (ProbeConfig, {"seeds": 4, "probe_samples": 128}, r"= 16384 is not allowed; allowed: at most 8192"),
    ],
)
def test_a_bad_field_is_named_with_its_value_and_what_is_allowed(cls, fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cls(**fields)


def test_config_error_is_a_value_error_and_configs_are_frozen() -> None:
    assert issubclass(ConfigError, ValueError)
    with pytest.raises(ValueError, match="frozen"):
        ToyConfig().width = 3


@pytest.mark.parametrize(
    "config",
    [
        ToyConfig(),
        ToyConfig(
            task="sine", alpha=0.1 + 0.2, learning_rate=1e-7, centered=False, optimizer="sgd", batch_size=7, seed=2**31 - 1
        ),
        ProbeConfig(task="source", optimizer="sgd", learning_rate=1 / 3, batch_size=None),
    ],
)
def test_round_trips_are_exact(config) -> None:
    assert type(config).from_dict(config.to_dict()) == config
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert type(config).from_query(config.to_query()) == config
    assert config_from_dict(config.to_dict()) == config


def _random_config(rng: random.Random) -> ToyConfig:
    """Any values for any fields, tried until they fit together."""
    draws = {}
    for name, schema in ToyConfig.properties().items():
        options = schema.get("anyOf", [schema])
        option = rng.choice(options)
        kind = option.get("type")
        low = option.get("minimum", option.get("exclusiveMinimum", 0))
        if rng.random() < 0.6 or name in ("kind", "csv", *Choices._fields):
            continue
        if kind == "null":
            draws[name] = None
        elif kind == "boolean":
            draws[name] = rng.random() < 0.5
        elif kind == "integer":
            draws[name] = rng.randint(low, min(option["maximum"], 200))
        elif kind == "array":
            draws[name] = rng.sample(["package:Measure", "package.module:Outer.Measure"], rng.randint(0, 2))
        elif kind == "number":
            draws[name] = low + (min(option.get("maximum", 0.9), 50) - low) * rng.random() ** 4 + 1e-9
        else:
            draws[name] = rng.choice([value for value in option["enum"] if value != "own"])
    try:
        return ToyConfig(**draws)
    except ConfigError:
        return _random_config(rng)


def test_round_trips_of_200_random_configurations_are_exact() -> None:
    rng, seen = random.Random(0), set()
    for _ in range(200):
        config = _random_config(rng)
        seen |= {name for name, value in config.to_dict().items() if value != ToyConfig.model_fields[name].default}
        assert ToyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
        linked = config.model_copy(update={"measures": ()})
        assert ToyConfig.from_query(linked.to_query()) == linked
    assert seen - set(Choices._fields) == set(ToyConfig.model_fields) - {"kind", "csv", "device", *Choices._fields} | (
        seen & {"device"}
    )


def test_a_query_never_holds_own_rows() -> None:
    rows = "\n".join(f"{k},{k % 2}" for k in range(40))
    config = ToyConfig(task="own", csv=rows, samples=8, test_samples=8, probe_samples=8)
    assert ToyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert "csv=" not in config.to_query()
    with pytest.raises(ConfigError, match="a permalink does not hold them"):
        ToyConfig.from_query(config.to_query())


@pytest.mark.parametrize(
    "query",
    ["width=1e99", "width=nan", "width=<script>", "alpha=nan", "alpha=inf", "depth=2.5", "x=1", "task=", "centered=maybe"],
)
def test_a_hostile_query_is_refused(query: str) -> None:
    with pytest.raises(ConfigError):
        ToyConfig.from_query(query)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ([], None, r"config = \[\] is not allowed; allowed: an object of named fields"),
        ({"kind": "map"}, None, r"kind = 'map' is not allowed; allowed: one of 'toy', 'probe'"),
        ({"kind": "probe"}, "toy", r"kind = 'probe' is not allowed; allowed: one of 'toy'"),
        ({"kind": []}, None, r"kind = \[\] is not allowed"),
        ({}, None, r"kind = None is not allowed"),
        ({1: 2}, "toy", r"an object of named fields"),
    ],
)
def test_config_from_dict_refuses_what_is_not_a_config(fields, kind, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_dict(fields, kind)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ConfigError) as error:
        ToyConfig(task="x" * 10_000)
    assert len(str(error.value)) < 300


def test_nothing_inside_a_configuration_can_be_changed() -> None:
    axes = {"width": [8, 16], "alpha": [1.0, 2.0]}
    config = SweepConfig(axes=axes)
    axes["width"].append(24)
    for change in (
        lambda: config.axes["width"].append(24),
        lambda: config.axes.update(depth=[1]),
        lambda: config.axes.pop("alpha"),
        lambda: config.axes.__setitem__("width", (24,)),
        lambda: ProbeConfig(trainable=["*"]).trainable.append("x"),
        lambda: CheckpointConfig(revisions=["step-0", "step-10"]).revisions.append("x"),
        lambda: SweepConfig().axes["width"].clear(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    assert config.to_dict()["axes"] == {"width": [8, 16], "alpha": [1.0, 2.0]}
    assert [cell.width for cell in config.cells()] == [8, 8, 16, 16]
    for same in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config)), config.model_copy()):
        assert same == config
        assert hash(same) == hash(config)


@pytest.mark.parametrize("how", ["model_copy", "copy", "model_construct", "sweep"])
def test_no_copy_skips_validation(how: str) -> None:
    copies = {
        "model_copy": lambda **fields: ToyConfig().model_copy(update=fields),
        "copy": lambda **fields: ToyConfig().copy(update=fields),
        "model_construct": ToyConfig.model_construct,
        "sweep": lambda **fields: SweepConfig().model_copy(update={"base": fields}).base,
    }
    assert copies[how](width=7) == ToyConfig(width=7)
    for fields, message in (
        ({"width": -1}, "width = -1 is not allowed"),
        ({"wdith": 1}, "'wdith' is not a field"),
        ({"bottleneck_layer": 3}, "bottleneck_layer = 3 is not allowed"),
    ):
        with pytest.raises(ConfigError, match=message):
            copies[how](**fields)


def test_numbers_of_numpy_are_numbers() -> None:
    config = ToyConfig(
        width=np.int64(24),
        seeds=np.uint8(3),
        seed=np.array(5),
        alpha=np.float32(0.5),
        learning_rate=np.longdouble(0.25),
        bias=np.bool_(False),
        task=np.str_("xor"),
    )
    assert config == ToyConfig(width=24, seeds=3, seed=5, alpha=0.5, learning_rate=0.25, bias=False, task="xor")
    assert {type(value) for value in dict(config).values()} <= {int, float, bool, str, tuple, type(None)}
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
    swept = SweepConfig(
        base={"kind": "toy", "depth": np.int32(1)},
        axes={"width": 2 ** np.arange(4, 7), "alpha": list(np.geomspace(0.5, 2, 3)), "bias": [np.True_, False]},
        at_loss=np.float64(0.5),
    )
    assert swept.axes == {"width": (16, 32, 64), "alpha": (0.5, 1.0, 2.0), "bias": (True, False)}
    assert swept.base.depth == 1
    assert ProbeConfig(probe_samples=np.int16(8), trainable=np.array(["*.bias"])).trainable == ("*.bias",)
    for fields in ({"width": np.float64(64)}, {"width": np.True_}, {"width": np.array([3, 4])}, {"alpha": np.float32("inf")}):
        with pytest.raises(ConfigError, match="is not allowed; allowed: a"):
            ToyConfig(**fields)


@pytest.mark.parametrize("cls", [ToyConfig, ProbeConfig, CheckpointConfig, SweepConfig])
@pytest.mark.parametrize("fields", [None, [], 3, "width", {1: 2}])
def test_what_holds_no_fields_is_refused(cls, fields) -> None:
    with pytest.raises(ConfigError, match="is not allowed; allowed: an object of named fields"):
        cls.from_dict(fields)
    with pytest.raises(ConfigError, match="is not allowed; allowed: text"):
        cls.from_query(3)


@pytest.mark.parametrize("kind", [ToyConfig, ProbeConfig, SweepConfig])
def test_what_is_nested_without_end_is_refused(kind) -> None:
    endless: list = []
    endless.append(endless)
    deep: dict = {}
    for _ in range(5000):
        deep = {"a": deep}
    for value in (endless, deep):
        for name in ("store", "axes") if kind is SweepConfig else ("seeds", "task"):
            with pytest.raises(ConfigError, match=f"^{name} = .* is not allowed: it is nested too deep"):
                kind(**{name: value})


@pytest.mark.parametrize("name", ["none", "null", "true", "1", '"', '""', '"x"', 'a"b', "[1]"])
def test_any_text_comes_back_from_a_query(name: str) -> None:
    config = SweepConfig(store=name)
    assert SweepConfig.from_query(config.to_query()) == config


@pytest.mark.parametrize("text", ["none", "null"])
def test_null_is_written_as_python_or_json_has_it(text: str) -> None:
    assert ToyConfig.from_query(f"learning_rate={text}").learning_rate is None
    assert ToyConfig.from_query(f"max_seeds={text}").max_seeds is None


@pytest.mark.parametrize("query", ["width=8_0", "alpha=8_0.5", "width=\u0668"])
def test_a_number_in_a_query_is_written_plainly(query: str) -> None:
    with pytest.raises(ConfigError, match="is not allowed; allowed: "):
        ToyConfig.from_query(query)


def test_a_query_that_gives_a_field_two_values_is_refused() -> None:
    assert ToyConfig.from_query("width=8&width=8").width == 8
    with pytest.raises(ConfigError, match=r"^alpha = \['2', '3'\] is not allowed: a field is there twice; allowed: one value"):
        ToyConfig.from_query("alpha=2&width=8&alpha=3")


HUGE = {
    "names": (ToyConfig, {f"a{k}": 0 for k in range(20_000)}, "20000 fields are not allowed; allowed: those of ToyConfig"),
    "words": (ProbeConfig, {"words": [0] * 10**6}, r"words = \[0, .* is not allowed; allowed: at most 10000 entries"),
    "values": (SweepConfig, {"axes": {"width": [{}] * 10**6}}, "axes = .* is not allowed; allowed: at most 10000 entries"),
    "axes": (SweepConfig, {"axes": {f"a{k}": [1] for k in range(20_000)}}, "axes = .* allowed: at most 10000 entries"),
    "a base": (SweepConfig, {"base": {f"a{k}": [1] for k in range(9_999)}}, "base = .* allowed: at most 10000 entries"),
    "many names": (ToyConfig, {f"a{k}": 0 for k in range(9_000)}, "'a0' is not a field of .* and more, 9000 problems in all"),
    "many values": (SweepConfig, {"axes": {"width": [[k] for k in range(4_000)]}}, r"axes.width = \[0\] .* problems in all"),
}


@pytest.mark.parametrize(("kind", "fields", "said"), HUGE.values(), ids=HUGE)
def test_a_huge_body_is_refused_at_once_in_a_short_line(kind: type, fields: dict, said: str) -> None:
    kind.properties()  # the schema is made once
    began = time.perf_counter()
    with pytest.raises(ConfigError, match=said) as refused:
        kind(**fields)
    assert time.perf_counter() - began < 5
    assert len(str(refused.value)) < 10_000


def test_a_long_list_is_not_represented_whole_to_show_its_beginning() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("nobody sees this")

    assert show([0] * 100 + [Loud()]) == "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0..."

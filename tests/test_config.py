import json
import math

import pytest

from regime import ConfigError, ProbeConfig, ToyConfig
from regime.config import config_from_dict


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
        (ToyConfig, {"task": "moons"}, r"task = 'moons' is not allowed; allowed: one of 'rings', 'spirals', 'sine', 'digits'"),
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
        (ToyConfig, {"width": 16384, "depth": 8}, r"need .* GiB; allowed: at most 4 GiB"),
        (ToyConfig, {"steps": 100_000}, r"allowed: at most 1000 measurements"),
        (ProbeConfig, {"model": "gpt5"}, r"model = 'gpt5' is not allowed; allowed: one of 'minilm'"),
        (ProbeConfig, {"model": "../secret"}, r"model = '../secret' is not allowed"),
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

"""Axes as lines of text."""

import pytest

from regime import ConfigError, SweepConfig
from regime.ui.form.sweep import format_values, parse_values, sweep_config, sweep_values


@pytest.mark.parametrize(
    ("line", "whole", "values"),
    [
        ("16, 32,64", True, [16, 32, 64]),
        ("16 to 512 in 6", True, [16, 32, 64, 128, 256, 512]),
        ("0.0625 to 16 in 5", False, [0.0625, 0.25, 1.0, 4.0, 16.0]),
        ("relu, tanh", False, ["relu", "tanh"]),
        ("none, 4", True, [None, 4]),
        ("true,false", False, [True, False]),
        ("1e-3, 1", False, [0.001, 1]),
        ("", True, []),
        (None, True, []),
    ],
)
def test_lines_and_their_values(line, whole, values):
    assert parse_values(line, "x", whole=whole) == values
    assert parse_values(format_values(values, whole=whole), "x", whole=whole) == values


def test_a_range_is_written_as_one():
    assert format_values([16, 32, 64, 128], whole=True) == "16 to 128 in 4"
    assert format_values([16, 32, 64, 200], whole=True) == "16, 32, 64, 200"


@pytest.mark.parametrize("line", ["0 to 4 in 3", "4 to 1 in 3", "1 to 4 in 1", "a to b in 3", "1 to inf in 3", "nan to 4 in 3"])
def test_a_range_that_is_none_is_refused(line):
    with pytest.raises(ConfigError, match=r"axes\.width = "):
        parse_values(line, "width", whole=True)


@pytest.mark.parametrize("also", ["learning_rate: 0.01, 0.02; measure_every: 5", "Step size: 0.01, 0.02; measure every: 5"])
def test_a_further_axis_is_named_as_python_or_as_the_page_has_it(also):
    axes = sweep_config(sweep_values(SweepConfig()) | {"also": also}).axes
    assert axes["learning_rate"] == (0.01, 0.02)
    assert axes["measure_every"] == (5,)

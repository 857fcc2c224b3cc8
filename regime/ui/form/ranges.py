"""An axis's values as one line of text: `16, 32, 64`, or `relu, tanh`, or `16 to 512 in 6`, evenly on a log scale."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from regime.config.sweep import VALUES
from regime.errors import ConfigError

RANGE = re.compile(r"^\s*(\S+?)\s+to\s+(\S+?)\s+in\s+(\d{1,4})\s*$")
DIGITS = 4


def parse_values(text: object, name: str, *, whole: bool) -> list[Any]:
    """Return the values of an axis that a line of text names.

    Args:
        text: the line; None is an empty one.
        name: of the axis.
        whole: whether the axis takes whole numbers: those of a range are then rounded.

    Raises:
        ConfigError: a range without two positive ends or with too many values; the message names the axis.
    """
    line = "" if text is None else str(text)
    if match := RANGE.match(line):
        return _range_values(*match.groups(), name, whole)
    return [_value(part.strip()) for part in line.split(",") if part.strip()]


def _range_values(low: str, high: str, count: str, name: str, whole: bool) -> list[Any]:
    try:
        ends, number = (float(low), float(high)), int(count)
    except ValueError:
        ends, number = (0.0, 0.0), 0
    if not (0 < ends[0] < ends[1] < float("inf") and 2 <= number <= VALUES):
        raise ConfigError(
            f"axes.{name} = '{low} to {high} in {count}' is not allowed; allowed: two positive numbers, the smaller first, "
            f"in 2 to {VALUES}"
        )
    values = np.geomspace(*ends, number)
    if whole:
        return list(dict.fromkeys(round(value) for value in values))
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _value(part: str) -> Any:
    """Return a word as JSON reads it, else as text."""
    words = {"none": None, "null": None, "true": True, "false": False, "True": True, "False": False}
    if part in words:
        return words[part]
    try:
        return json.loads(part)
    except (ValueError, RecursionError):
        return part


def format_values(values: Sequence[Any], *, whole: bool) -> str:
    """Return the line that `parse_values` reads as these values: the range where they are one, else all of them."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and len(values) > 3:
        line = f"{values[0]:g} to {values[-1]:g} in {len(values)}"
        try:
            if parse_values(line, "", whole=whole) == list(values):
                return line
        except ConfigError:
            pass
    return ", ".join("none" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values)

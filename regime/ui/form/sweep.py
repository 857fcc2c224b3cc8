"""The form of the Map tab: two axes and their values, and what all cells have in common.

An axis's values are one line of text: `16, 32, 64`, or `relu, tanh`, or `16 to 512 in 6`, evenly on a log scale.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from regime.config import SweepConfig, ToyConfig
from regime.config.sweep import BASES, VALUES
from regime.config.tasks import TASKS
from regime.errors import ConfigError
from regime.plots.words import FIELDS
from regime.ui.form.config_form import ConfigForm, form, named

KIND = "sweep"
NONE = "none"
AXES = (
    *("width", "alpha", "depth", "samples", "learning_rate", "bottleneck", "init_scale", "weight_std", "bias_std"),
    *("label_noise", "steps", "activation", "parameterization", "task", "optimizer"),
)
"""What the page offers; any other field goes into the line for further axes."""
BASE = ("task", "activation", "parameterization", "depth", "width", "alpha", "samples", "steps")
"""Fields of the base that have a control of their own."""
RANGE = re.compile(r"^\s*(\S+?)\s+to\s+(\S+?)\s+in\s+(\d{1,4})\s*$")
DIGITS = 4
LABELED = {label.lower(): name for name, label in FIELDS.items()}
WORDS = {"none": None, "True": True, "False": False}
"""Values that JSON writes otherwise."""
Fields = dict[str, Any]


def sweep_form(start: SweepConfig) -> ConfigForm:
    """Build the form of the Map tab."""
    axes = {name: FIELDS[name] for name in AXES}
    known = {"across": axes, "up": {NONE: "None: a single row", **axes}, "task": named(TASKS)}
    options = {name: {"options": each} for name, each in known.items()}
    return form(KIND, (SweepConfig, ToyConfig), sweep_values(start), **options)


def sweep_values(config: SweepConfig) -> Fields:
    """Return the controls' values for a configuration, by name."""
    base, names = config.base, list(config.axes)
    lines = {name: format_values(values, whole=_whole(config.base.kind, name)) for name, values in config.axes.items()}
    two = [name for name in names[:2] if name in AXES] if names[0] in AXES else []
    rest = [name for name in names if name not in two]
    toy = base.kind == "toy"
    changed = {name: value for name, value in base.changes().items() if not toy or name not in BASE}
    other = changed if toy else {"kind": "probe", **changed}
    own = base if toy else ToyConfig()
    return {
        "across": two[0] if two else AXES[0],
        "across_values": lines[two[0]] if two else "",
        "up": two[1] if len(two) > 1 else NONE,
        "up_values": lines[two[1]] if len(two) > 1 else "",
        "seeds": config.seeds or base.seeds,
        "at_loss": config.at_loss,
        "also": "; ".join(f"{name}: {lines[name]}" for name in rest),
        "rest": json.dumps(other) if other else "",
        **{name: getattr(own, name) for name in BASE},
    }


def sweep_config(fields: Fields) -> SweepConfig:
    """Return the configuration that the controls' values describe; raises ConfigError, which names what is not allowed."""
    rest = _rest(fields["rest"])
    kind = rest.get("kind", "toy")
    given = {name: fields[name] for name in BASE if fields[name] is not None} if kind == "toy" else {}
    axes = _axes(fields, kind)
    for name in axes:
        given.pop(name, None)  # an axis overrides it, and it may not suit the others
    return SweepConfig(base=given | rest, axes=axes, seeds=fields["seeds"], at_loss=fields["at_loss"]).without_own()


def _axes(fields: Fields, kind: str) -> dict[str, list[Any]]:
    named = [(fields["across"], fields["across_values"]), (fields["up"], fields["up_values"])]
    for part in filter(None, (part.strip() for part in str(fields["also"] or "").split(";"))):
        name, colon, line = part.partition(":")
        if not colon:
            raise ConfigError(f"further axes = {part!r:.80} is not allowed; allowed: name: values; name: values")
        name = name.strip().lower()
        named.append((LABELED.get(name, name.replace(" ", "_")), line))
    axes: dict[str, list[Any]] = {}
    for name, line in named:
        if name == NONE or (not line and fields["also"]):
            continue
        if name in axes:
            raise ConfigError(f"axes.{name} is there twice; allowed: different fields")
        axes[name] = parse_values(line, name, whole=_whole(kind, name))
    return axes


def _rest(text: str | None) -> Fields:
    try:
        rest = json.loads(text or "{}")
    except (ValueError, RecursionError):
        rest = None
    if not isinstance(rest, dict):
        raise ConfigError(f"other settings = {text!r:.80} is not allowed; allowed: a JSON object of named fields")
    return rest


def _whole(kind: str, name: str) -> bool:
    """Tell whether a field of a kind of run takes whole numbers."""
    known = isinstance(kind, str) and kind in BASES
    schema = BASES[kind].properties().get(name, {}) if known else {}
    return any(option.get("type") == "integer" for option in schema.get("anyOf", [schema]))


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
    try:
        return WORDS[part] if part in WORDS else json.loads(part)
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

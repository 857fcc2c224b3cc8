"""The form of the Map tab: two axes and their values, and what all cells have in common."""

import json
from typing import Any

from regime.config import SweepConfig, ToyConfig
from regime.config.sweep import BASES
from regime.config.tasks import TASKS
from regime.errors import ConfigError
from regime.plots.words import FIELDS
from regime.ui.form.config_form import ConfigForm
from regime.ui.form.ranges import format_values, parse_values
from regime.ui.form.settings import form, named, setting

KIND = "sweep"
NONE = "none"
AXES = (
    *("width", "alpha", "depth", "samples", "learning_rate", "bottleneck", "init_scale", "weight_std", "bias_std"),
    *("label_noise", "steps", "activation", "parameterization", "task", "optimizer"),
)
"""What the page offers; any other field goes into the line for further axes."""
BASE = ("task", "activation", "parameterization", "depth", "width", "alpha", "samples", "steps")
"""Fields of the base that have a control of their own."""
Fields = dict[str, Any]


def sweep_form(start: SweepConfig) -> ConfigForm:
    """Build the form of the Map tab."""
    axes, words, numbers = {name: FIELDS[name] for name in AXES}, BASE[:3], BASE[3:]
    base = [setting(ToyConfig, name, note="", control="menu", options=named(_options(name))) for name in words]
    base += [setting(ToyConfig, name, note="Used where it is not an axis.") for name in numbers]
    up = {NONE: "None: a single row", **axes}
    return form(KIND, SweepConfig, sweep_values(start), across={"options": axes}, up={"options": up}, base=base)


def _options(name: str) -> tuple[str, ...]:
    return tuple(TASKS) if name == "task" else tuple(ToyConfig.properties()[name]["enum"])


def sweep_values(config: SweepConfig) -> Fields:
    """Return the controls' values for a configuration, by name."""
    base, names = config.base, list(config.axes)
    lines = {name: format_values(values, whole=_whole(config.base.kind, name)) for name, values in config.axes.items()}
    two = [name for name in names[:2] if name in AXES] if names[0] in AXES else []
    rest = [name for name in names if name not in two]
    changed = base.changes()
    other = (
        {name: value for name, value in changed.items() if name not in BASE}
        if base.kind == "toy"
        else {"kind": "probe", **changed}
    )
    own = base if base.kind == "toy" else ToyConfig()
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
    """Return the configuration that the controls' values describe.

    Raises:
        ConfigError: a value that is not allowed; the message names it.
    """
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
        named.append((name.strip(), line))
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

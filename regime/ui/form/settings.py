"""The control that a field of a configuration asks for by its schema."""

import re
from collections.abc import Mapping
from typing import Any

from regime.config import Config
from regime.plots.words import field_name, option_name
from regime.ui.form.config_form import Part

Labels = Mapping[str, tuple[str, ...]]
"""Of fields, label and note where name and schema do not say them."""


def named(options: Any) -> dict[Any, str]:
    """Return options with their names."""
    return {option: option_name(str(option)) for option in options}


def setting(start: Config, name: str, label: str = "", note: str | None = None, **more: Any) -> Part:
    """Return the control of a field.

    Args:
        start: the configuration that the form begins with.
        name: of the field.
        label: the field in words; without it, its name.
        note: a line below; without it, the field's description.
        more: further attributes of the part.
    """
    schema = type(start).properties()[name]
    ways = {way.get("type"): way for way in schema.get("anyOf", [schema])}
    about = {
        "label": label or field_name(name),
        "note": _sentences(schema["description"]) if note is None else note,
    }
    text, amount = ways.get("string", {}), ways.get("integer", ways.get("number", {}))
    if "enum" in text or "options" in more:
        about |= {"control": "choice", "options": named(text.get("enum", ()))}
    elif "boolean" in ways:
        about |= {"control": "box"}
    elif amount and not text:
        bounds = {"min": amount.get("minimum"), "max": amount.get("maximum")}
        about |= {"control": "number", "bounds": {end: value for end, value in bounds.items() if value is not None}}
    many = ways.get("array", {}).get("items", {}).get("type") == "string"
    return Part(name, **{**about, "many": many, **more})


def settings(start: Config, names: str, labels: Labels) -> list[Part]:
    """Return the controls of some fields.

    Args:
        start: the configuration that the form begins with.
        names: of the fields, in order, with spaces between.
        labels: what is said of some of them.
    """
    return [setting(start, name, *labels.get(name, ())) for name in names.split()]


def folded(*parts: Part) -> Part:
    """Return the part of a form that is closed at first."""
    return Part("all_settings", "All settings", control="fold", parts=parts)


def _sentences(description: str) -> str:
    """Return what a schema says of a field as the page says it: in sentences, options by their names, null as empty."""
    text = re.sub(r"'([a-z-]+)'", lambda match: option_name(match[1]), description).replace("null:", "empty:")
    return "".join(f"{part[0].upper()}{part[1:]}. " for part in text.split("; ")).rstrip()

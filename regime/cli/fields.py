"""The configuration that a command line asks for: the fields of a file, and the options that win over them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from regime.cli.parser import FIELD
from regime.config import KINDS, Runnable, config_from_dict
from regime.config.base import ROWS, from_text
from regime.errors import ConfigError, show

STANDARD_INPUT = "-"


def configured(asked: argparse.Namespace) -> Runnable:
    """Return the configuration, validated as any other.

    Raises:
        ConfigError: a file cannot be read, standard input is named twice, or a field is not allowed.
    """
    options = {name.removeprefix(FIELD): texts for name, texts in vars(asked).items() if name.startswith(FIELD) and texts}
    if [asked.config, *(texts[-1] for texts in options.values())].count(STANDARD_INPUT) > 1:
        raise ConfigError("standard input (-) is named twice; allowed: once")
    fields = {} if asked.config is None else _json(asked.config)
    properties = KINDS[asked.kind].properties()
    for name, texts in options.items():
        if name == "base":
            fields[name] = _json(texts[-1])
        elif name != "axes":
            fields[name] = _value(name, texts, properties[name])
    if "axes" in options:
        fields["axes"] = _axes(options["axes"], fields.get("base"))
    return config_from_dict(fields, asked.kind)


def _value(name: str, texts: list[str], schema: dict[str, Any]) -> Any:
    """A field's value as its schema asks for it; what is none is left as text, for validation to refuse."""
    text = texts[-1]
    if name in ROWS and text == STANDARD_INPUT:
        return sys.stdin.read()
    kinds = schema.get("anyOf", [schema])
    items = next((kind["items"] for kind in kinds if kind.get("type") == "array"), None)
    single = len(texts) == 1 and any(kind.get("type") == "string" for kind in kinds)
    if items is None or single or text == "none" or text.startswith("["):
        return from_text(text, schema)
    return [from_text(part.strip(), items) for text in texts for part in text.split(",") if part.strip()]


def _axes(texts: list[str], base: Any) -> Any:
    """Axes from NAME=A,B each, values as the fields of the base are read; or from an object as JSON."""
    if texts[-1].startswith("{"):
        return from_text(texts[-1], {"type": "object"})
    kind = base.get("kind", "toy") if isinstance(base, dict) else "toy"
    properties = KINDS[kind].properties() if isinstance(kind, str) and kind in KINDS else {}
    axes = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals:
            raise ConfigError(f"axes = {show(text)} is not allowed; allowed: NAME=A,B or an object as JSON")
        axes[name] = [from_text(value.strip(), properties.get(name, {})) for value in values.split(",") if value.strip()]
    return axes


def _json(source: str) -> dict[str, Any]:
    """The object in a file, in standard input, or written out."""
    try:
        text = source if source.startswith("{") else sys.stdin.read() if source == STANDARD_INPUT else Path(source).read_text()
        fields = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{show(source)} is not a file of JSON that can be read: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{show(source)} is not allowed; allowed: one JSON object of named fields")
    return fields

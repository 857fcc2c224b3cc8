"""The configuration that a command line asks for: the fields of a file, and the options that win over them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from regime.cli.parser import FIELD
from regime.config import KINDS, Runnable, config_from_dict
from regime.config.base import ROWS, from_text
from regime.config.files import decode
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
        try:
            return decode(_bytes(text))
        except ValueError as error:
            raise ConfigError(f"{name} is not allowed: {error}") from None
    kinds = schema.get("anyOf", [schema])
    items = next((kind["items"] for kind in kinds if kind.get("type") == "array"), None)
    whole = text == "none" or text.startswith("[") or any(kind.get("type") == "string" for kind in kinds)
    if items is None or (len(texts) == 1 and whole):
        return from_text(text, schema)
    found: list[Any] = []
    for text in texts:
        listed = from_text(text, schema) if text.startswith("[") else _split(text, items)
        found += listed if isinstance(listed, list) else [listed]
    return found


def _split(text: str, schema: dict[str, Any]) -> list[Any]:
    return [from_text(part.strip(), schema) for part in text.split(",") if part.strip()]


def _axes(texts: list[str], base: Any) -> Any:
    """Axes from NAME=A,B each, values as the fields of the base are read, or from objects as JSON; one named again goes on."""
    kind = base.get("kind", "toy") if isinstance(base, dict) else "toy"
    properties = KINDS[kind].properties() if isinstance(kind, str) and kind in KINDS else {}
    axes: dict[str, Any] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        part = from_text(text, {"type": "object"}) if text.startswith("{") else {name: _split(values, properties.get(name, {}))}
        if not isinstance(part, dict) or not (equals or text.startswith("{")):
            raise ConfigError(f"axes = {show(text)} is not allowed; allowed: NAME=A,B or an object as JSON")
        for name, more in part.items():
            lists = isinstance(more, list) and isinstance(axes.get(name), list)
            axes[name] = more if name not in axes else axes[name] + more if lists else [axes[name], more]
    return axes


def _json(source: str) -> dict[str, Any]:
    """The object in a file, in standard input, or written out."""
    try:
        fields = json.loads(source if source.startswith("{") else _bytes(source))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{show(source)} is not a file of JSON that can be read: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{show(source)} is not allowed; allowed: one JSON object of named fields")
    return fields


def _bytes(source: str) -> bytes:
    """What a file or standard input holds, in whatever encoding: the terminal's is none of it."""
    return sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()

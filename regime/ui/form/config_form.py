"""A tab's form as one component: native inputs, generated from declared parts, whose value is {field: value}; empty is None.

Keyboard and screen readers work as everywhere. Nothing enforces the values on the server; the configuration does. The control
of a field `name` has the element id `kind-name`, of the kind of run. `static/form.js` binds all of them.

The parts of each form are written in `regime/data/forms.toml`, which says what a part has; the control of a field is the one
that its schema asks for.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import gradio as gr

from regime.config import Config
from regime.data import FOLDER
from regime.plots.words import field_name, option_name
from regime.ui.static_files import script
from regime.ui.text import render

Part = dict[str, Any]
WRITTEN: dict[str, list[Any]] = tomllib.loads((FOLDER / "forms.toml").read_text(encoding="utf-8"))
"""Parts of each form: names of fields, or attributes of a part."""
HEADERS = {None: "Auto", True: "Yes", False: "No"}
GIVEN = count(1)
ASIDE = ("fold", "group", "told", "upload", "pad")
"""Kinds of parts that are no fields."""
CODE = {ord(sign): f"&#{ord(sign)};" for sign in "{`\\$"}
"""Gradio reads a component's markup as a template, and its fields are plain text."""


def give(value: Any) -> list[Any]:
    """Return a value as one that differs from every other that was sent, so that the page takes it."""
    return [value, next(GIVEN)]


class ConfigForm:
    """The form of a kind of run: its fields' names, and the component whose value they are."""

    def __init__(self, kind: str, parts: Sequence[Part], start: Mapping[str, Any]) -> None:
        """Build the form; fields begin with the values of `start`."""
        every = _every(parts)
        self.names = tuple(part["name"] for part in every if part["control"] not in ASIDE)
        self._lists = {part["name"] for part in every if part.get("many")}
        values = {name: _shown(start.get(name)) for name in self.names}
        self.html = gr.HTML(
            values,
            html_template=render("form", kind=kind, parts=parts, values=values).translate(CODE),
            js_on_load=script("form"),
            elem_classes="config-form",
            apply_default_css=False,
        )

    def fields(self, value: Any) -> dict[str, Any]:
        """Return the fields of the value that the page sent, or still holds of what it was given; lines of names as lists."""
        fields = self._values(value)
        lines = {name: str(fields[name] or "").split(",") for name in self._lists}
        return fields | {name: [part.strip() for part in line if part.strip()] for name, line in lines.items()}

    def give(self, value: Any, changes: Mapping[str, Any]) -> list[Any]:
        """Return the form's new value as the server sends it.

        The page takes the changes alone, so that what is typed meanwhile stays, and takes them once; anything else that arrives
        is old: Gradio may put the old value back over a new one while the page still registers the form. A form that is not in
        the page takes all of it when it comes.

        Args:
            value: what the page sent.
            changes: of fields, and of what stands beside them.
        """
        shown = {name: _shown(new) for name, new in changes.items()}
        return [*give(self._values(value) | shown), list(shown)]

    def _values(self, value: Any) -> dict[str, Any]:
        sent = value[0] if isinstance(value, list) and value else value
        return {name: sent.get(name) if isinstance(sent, dict) else None for name in self.names}


def _every(parts: Sequence[Part]) -> list[Part]:
    return [inner for part in parts for inner in (part, *_every(part.get("parts", ())))]


def _shown(value: Any) -> Any:
    """Return a field's value as a control shows it: names in one line, empty as None."""
    line = ", ".join(value) if isinstance(value, tuple) else value
    return None if line == "" else line


def form(kind: str, configs: Sequence[type[Config]], start: Mapping[str, Any], **known: Any) -> ConfigForm:
    """Build a form as it is written.

    Args:
        kind: its name.
        configs: whose fields its controls set.
        start: its first values.
        known: further attributes of parts by their names.
    """

    def parts(written: Sequence[Any]) -> list[Part]:
        found: list[Part] = []
        for each in written:
            fields = {"name": each} if isinstance(each, str) else dict(each)
            name, inner = fields["name"], fields.pop("parts", WRITTEN.get(fields["name"], ()))
            if kind not in fields.pop("only", [kind]):
                continue
            if isinstance(options := fields.get("options"), list):
                fields["options"] = named(options)
            fields |= known.get(name, {})
            config = next((config for config in configs if name in config.model_fields), None)
            found.append(setting(config, fields) if config else {"control": "line", "parts": parts(inner), **fields})
        return found

    known = {"header": {"options": HEADERS}, **known}
    return ConfigForm(kind, parts(WRITTEN[kind]), start)


def named(options: Any) -> dict[Any, str]:
    """Return options with their names."""
    return {option: option_name(str(option)) for option in options}


def setting(config: type[Config], part: Part) -> Part:
    """Return the control of a field: what is not written of the part comes from the field's schema."""
    schema = config.properties()[part["name"]]
    ways = {way.get("type"): way for way in schema.get("anyOf", [schema])}
    about = {"control": "line", "label": field_name(part["name"]), "note": _sentences(schema["description"])}
    text, amount = ways.get("string", {}), ways.get("integer", ways.get("number", {}))
    if "enum" in text or "options" in part:
        about |= {"control": "choice", "options": named(text.get("enum", ()))}
    elif "boolean" in ways:
        about |= {"control": "box"}
    elif amount and not text:
        bounds = {"min": amount.get("minimum"), "max": amount.get("maximum")}
        about |= {"control": "number", "bounds": {end: value for end, value in bounds.items() if value is not None}}
    many = ways.get("array", {}).get("items", {}).get("type") == "string"
    return {"many": many, **about, **part}


def _sentences(description: str) -> str:
    """Return what a schema says of a field as the page says it: in sentences, options by their names, null as empty."""
    text = re.sub(r"'([a-z-]+)'", lambda match: option_name(match[1]), description).replace("null:", "empty:")
    return "".join(f"{part[0].upper()}{part[1:]}. " for part in text.split("; ")).rstrip()

"""A tab's form as one component: native inputs, generated from declared parts, whose value is {field: value}; empty is None.

Keyboard and screen readers work as everywhere. Nothing enforces the values on the server; the configuration does. The control
of a field `name` has the element id `kind-name`, of the kind of run. `static/form.js` binds all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import gradio as gr

from regime.ui.markup import render
from regime.ui.static_files import script

GIVEN = count(1)
ASIDE = ("fold", "group", "told", "upload", "pad")
"""Kinds of parts that are no fields."""
CODE = {ord(sign): f"&#{ord(sign)};" for sign in "{`\\$"}
"""Gradio reads a component's markup as a template, and its fields are plain text."""


@dataclass(frozen=True)
class Part:
    """A part of a form: a control, or what holds or stands beside controls."""

    name: str
    label: str = ""
    note: str = ""
    control: str = "line"
    """A field: slider, choice, menu, box, number, line, text or step. Else fold, group, told, upload or pad."""
    options: Mapping[Any, str] = field(default_factory=dict)
    """What can be chosen, each with its name; the stops of a slider; what a line may hold, among others."""
    hints: Mapping[Any, str] = field(default_factory=dict)
    pictures: bool = False
    """Whether a sketch stands over each option."""
    ends: tuple[str, ...] = ()
    """What lies at either side of a slider."""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of a number: min, max."""
    example: str = ""
    """Shown in a text while it is empty."""
    offers: bool = False
    """Whether the names of columns that were read are what a line may hold."""
    many: bool = False
    """Whether the field is a list of names, in one line with commas between."""
    event: str = "input"
    """What a change triggers."""
    css: str = ""
    parts: Sequence["Part"] = ()


def give(value: Any) -> list[Any]:
    """Return a value as one that differs from every other that was sent, so that the page takes it."""
    return [value, next(GIVEN)]


class ConfigForm:
    """The form of a kind of run: its fields' names, and the component whose value they are."""

    def __init__(self, kind: str, parts: Sequence[Part], start: Mapping[str, Any]) -> None:
        """Build the form; fields begin with the values of `start`."""
        every = _every(parts)
        self.names = tuple(part.name for part in every if part.control not in ASIDE)
        self._lists = {part.name for part in every if part.many}
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

    def changes(self, value: Any) -> int | None:
        """Return how many changes of the form are in the value that the page sent, as it counts them."""
        count = value.get("changes") if isinstance(value, dict) else None
        return count if isinstance(count, int) else None

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
    return [inner for part in parts for inner in (part, *_every(part.parts))]


def _shown(value: Any) -> Any:
    """Return a field's value as a control shows it: names in one line, empty as None."""
    line = ", ".join(value) if isinstance(value, tuple) else value
    return None if line == "" else line

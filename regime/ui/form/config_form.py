"""A tab's form as one component: native inputs, generated from declared parts, whose value is {field: value}; empty is None.

Keyboard and screen readers work as everywhere. Nothing enforces the values on the server; the configuration does. The control
of a field `name` has the element id `kind-name`, of the kind of run. `static/form.js` binds all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import gradio as gr
from jinja2 import Environment

from regime.ui.static_files import script

GIVEN = count(1)
ASIDE = ("fold", "group", "told", "upload")
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
    """A field: slider, choice, menu, box, number, line, text or step. Else fold, group, told or upload."""
    options: Mapping[Any, str] = field(default_factory=dict)
    """What can be chosen, each with its name; the stops of a slider; what a line may hold, among others."""
    hints: Mapping[Any, str] = field(default_factory=dict)
    pictures: Mapping[Any, str] = field(default_factory=dict)
    """SVG of each option."""
    ends: tuple[str, ...] = ()
    """What lies at either side of a slider."""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of a number: min, max."""
    example: str = ""
    """Shown in a text while it is empty."""
    offers: str = ""
    """Id of a list of what a line may hold that stands elsewhere."""
    many: bool = False
    """Whether the field is a list of names, in one line with commas between."""
    event: str = "input"
    """What a change triggers."""
    css: str = ""
    parts: Sequence["Part"] = ()


MARKUP = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""
{% macro part(p) %}
{% set id = kind ~ "-" ~ p.name.replace("_", "-") %}{% set value = values[p.name] %}
{% set input %}id="{{ id }}-input"{% if p.note %} aria-describedby="{{ id }}-note"{% endif %}{% endset %}
{% if p.control == "group" %}
<div class="group">{% if p.label %}<h2 class="title">{{ p.label }}</h2>{% endif %}
{% for q in p.parts %}{{ part(q) }}{% endfor %}</div>
{% elif p.control == "fold" %}
<details class="all-settings {{ p.css }}" data-name="{{ p.name }}" data-control="fold">
<summary class="label-wrap"><span>{{ p.label }}</span></summary>
<div class="folded">{% for q in p.parts %}{{ part(q) }}{% endfor %}</div></details>
{% elif p.control == "told" %}
<div class="{{ p.css }}" data-name="{{ p.name }}" data-control="told"></div>
{% elif p.control == "upload" %}
<div id="{{ id }}" class="upload" data-name="{{ p.name }}" data-control="upload">
<button type="button">{{ p.label }}</button><input type="file" hidden></div>
{% else %}
<div id="{{ id }}" class="field" data-name="{{ p.name }}" data-event="{{ p.event }}" data-control="{{ p.control }}"
 data-options='{{ p.options | list | tojson }}'>
{% if p.control == "slider" %}
<div class="control slider"><label for="{{ id }}-range" title="{{ p.note }}">{{ p.label }}<output></output></label>
<input id="{{ id }}-range" type="range" min="0" max="{{ p.options | length - 1 }}" step="1" aria-describedby="{{ id }}-note"
 value="{{ (p.options | list).index(value) }}">
<p class="ends"><span>{{ p.ends[0] }}</span><span>{{ p.ends[1] }}</span></p>
<p class="note" id="{{ id }}-note">{{ p.note }}</p></div>
{% elif p.control == "choice" %}
{% set two = " two" if p.options.values() | map("length") | sum > 26 %}
<fieldset class="control {{ "thumbs" if p.pictures else "segments" ~ two }}"><legend>{{ p.label }}</legend>
<div class="options">
{% for option, name in p.options.items() %}
<label{% if p.hints %} title="{{ p.hints[option] }}"{% endif %}><input type="radio" name="{{ id }}" value="{{ loop.index0 }}"
{{- " checked" if option == value }}>{{ p.pictures.get(option, "") | safe }}<span>{{ name }}</span></label>
{% endfor %}
</div>{% if p.note %}<p class="note">{{ p.note }}</p>{% endif %}</fieldset>
{% elif p.control == "step" %}
<div class="control slider step-size">
<label for="toy-rate-range" title="Step size times the top eigenvalue of the kernel, over the number of points.">
Step size &times; top eigenvalue<output></output></label>
<input id="toy-rate-range" type="range" min="-16" max="20" step="1" value="0" aria-describedby="toy-rate-note">
<div class="bands" aria-hidden="true"><i class="unstable"></i><i class="divergent"></i><b></b></div>
<p class="ends" id="toy-rate-note"></p>
<label class="rate">{{ p.label }} <input id="{{ id }}-input" type="number" step="any" min="0"></label></div>
{% else %}
<div class="control typed"><label for="{{ id }}-input">{{ p.label }}</label>
{% if p.control == "menu" %}
<select {{ input }}>{% for option, name in p.options.items() %}
<option value="{{ option }}"{{ " selected" if option == value }}>{{ name }}</option>{% endfor %}</select>
{% elif p.control == "text" %}
<textarea {{ input }} rows="6" spellcheck="false" placeholder="{{ p.example }}">{{ value or "" }}</textarea>
{% elif p.control == "box" %}
<input {{ input }} type="checkbox"{{ " checked" if value }}>
{% elif p.control == "number" %}
<input {{ input }} type="number" step="any" {{ p.bounds | xmlattr }} value="{{ "" if value is none else value }}">
{% else %}
<input {{ input }} type="text" spellcheck="false" autocomplete="off" list="{{ p.offers or id ~ "-list" }}"
 value="{{ value or "" }}">
{% if p.options %}<datalist id="{{ id }}-list">{% for option, name in p.options.items() %}
<option value="{{ option }}">{{ name }}</option>{% endfor %}</datalist>{% endif %}
{% endif %}
{% if p.note %}<p class="note" id="{{ id }}-note">{{ p.note }}</p>{% endif %}</div>
{% endif %}
</div>
{% endif %}
{% endmacro %}
{% for p in parts %}{{ part(p) }}{% endfor %}""")


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
            html_template=MARKUP.render(kind=kind, parts=parts, values=values).translate(CODE),
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
    return [inner for part in parts for inner in (part, *_every(part.parts))]


def _shown(value: Any) -> Any:
    """Return a field's value as a control shows it: names in one line, empty as None."""
    line = ", ".join(value) if isinstance(value, tuple) else value
    return None if line == "" else line

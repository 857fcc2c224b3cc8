"""Form controls: a slider over chosen values, one-of-a-few choices that arrow keys move through, a menu, a box to tick, a
number or a text that may be empty.

All are native inputs inside `gr.HTML`, so keyboard and screen readers work as everywhere. Nothing enforces their values on
the server; the configuration does. A control of the field `name` in the form of a run of some `kind` has the element id
`kind-name`.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import gradio as gr

from regime.ui.static_files import static
from regime.ui.text import escape

CONTROL = static("control.js")
"""Keeps what a control shows and what it sends the same. What the server gives comes with a number and is taken once; anything
else that arrives is old: the page builds a control anew when its accordion or tab opens again, and while it still registers
one, Gradio may put the old value back over a new one.
"""
GIVEN = count(1)


def control(elem_id: str, value: Any, template: str, script: str) -> gr.HTML:
    """Build a control of native inputs.

    Args:
        elem_id: of the element that holds the inputs.
        value: at the start; empty is "".
        template: the inputs' HTML.
        script: JavaScript that defines `read`, `show` and `paint`: the inputs' value, another value into the inputs, and
            whatever else follows the value.
    """
    return gr.HTML(
        value,
        html_template=template,
        js_on_load=f"{script}{CONTROL}",
        elem_id=elem_id,
        elem_classes="field",
        apply_default_css=False,
    )


def give(value: Any) -> list[Any]:
    """Return a control's new value as the server sends it to the page, which cannot hold a null: empty is ""."""
    return ["" if value is None else value, next(GIVEN)]


def received(value: Any) -> Any:
    """Return the value that the page sent, or still holds of what it was given; empty is None."""
    if isinstance(value, list) and len(value) == 2:
        value = value[0]
    return None if value == "" else value


def element_id(kind: str, name: str) -> str:
    """Return the element id of the control of a field."""
    return f"{kind}-{name.replace('_', '-')}"


def slider(
    kind: str, name: str, label: str, stops: Sequence[float], value: float, *, ends: tuple[str, str], note: str
) -> gr.HTML:
    """Build a slider over chosen values, evenly spaced.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        stops: the values to choose from.
        value: the one chosen at the start.
        ends: what lies at either side, in words.
        note: a line below.
    """
    elem_id, index, last = element_id(kind, name), list(stops).index(value), len(stops) - 1
    template = f"""
<div class="control slider" data-stops='{json.dumps(list(stops))}'>
  <label for="{elem_id}-range" title="{escape(note)}">{escape(label)}<output>{value:g}</output></label>
  <input id="{elem_id}-range" type="range" min="0" max="{last}" step="1" value="{index}" aria-valuetext="{value:g}"
   style="--done:{100 * index / last:.1f}%" aria-describedby="{elem_id}-note">
  <p class="ends"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></p>
  <p class="note" id="{elem_id}-note">{escape(note)}</p>
</div>"""
    return control(elem_id, value, template, static("slider.js"))


def choice(
    kind: str,
    name: str,
    label: str,
    options: Sequence[Any],
    value: Any,
    *,
    names: Sequence[str] | None = None,
    pictures: dict[Any, str] | None = None,
    hints: dict[Any, str] | None = None,
    note: str = "",
) -> gr.HTML:
    """Build a choice of one of a few values, all visible.

    A value that is none of the options, as a link may give it, is kept until one is chosen.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        options: the values to choose from.
        value: the one chosen at the start.
        names: the options in words; without them, as they are.
        pictures: an SVG thumbnail of each option, shown over its name.
        hints: a line about each option, shown on hover.
        note: a line below.
    """
    elem_id, names = element_id(kind, name), names or [str(option) for option in options]
    parts = ""
    for index, (option, text) in enumerate(zip(options, names, strict=True)):
        checked = " checked" if option == value else ""
        picture = pictures[option] if pictures else ""
        hint = f' title="{escape(hints[option])}"' if hints else ""
        parts += (
            f'<label{hint}><input type="radio" name="{elem_id}" value="{index}"{checked}>{picture}'
            f"<span>{escape(text)}</span></label>"
        )
    css = "thumbs" if pictures else "segments two" if sum(map(len, names)) > 26 else "segments"
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    template = (
        f'<fieldset class="control {css}" data-options="{escape(json.dumps(list(options)))}"><legend>{escape(label)}</legend>'
        f'<div class="options">{parts}</div>{below}</fieldset>'
    )
    return control(elem_id, value, template, static("choice.js"))


def menu(kind: str, name: str, label: str, options: dict[str, str], value: str) -> gr.HTML:
    """Build a menu that unfolds to many values.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        options: the values to choose from, each with its name.
        value: the one chosen at the start.
    """
    elem_id = element_id(kind, name)
    parts = "".join(
        f'<option value="{escape(option)}"{" selected" * (option == value)}>{escape(text)}</option>'
        for option, text in options.items()
    )
    template = f"""
<div class="control typed"><label for="{elem_id}-input">{escape(label)}</label>
  <select id="{elem_id}-input">{parts}</select></div>"""
    return control(elem_id, value, template, static("field.js"))


def checkbox(kind: str, name: str, label: str, value: bool, note: str) -> gr.HTML:
    """Build a box to tick.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        value: whether it is ticked at the start.
        note: a line below.
    """
    return _typed(kind, name, label, value, note, '<input type="checkbox"' + " checked" * value)


def number_field(kind: str, name: str, label: str, value: float | None, note: str) -> gr.HTML:
    """Build a field to type a number into; empty is None, which a configuration reads as its own default where it has one.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        value: the number at the start.
        note: a line below.
    """
    shown = "" if value is None else value
    return _typed(kind, name, label, value, note, f'<input type="number" step="any" value="{shown}"')


def line_field(kind: str, name: str, label: str, value: str | None, note: str, *, options: str = "") -> gr.HTML:
    """Build a field for one line of text; empty is None.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        value: the text at the start.
        note: a line below.
        options: element id of a list of what may be typed; without it, the field offers nothing.
    """
    offered = f' list="{options}"' if options else ""
    start = f'<input type="text" spellcheck="false" autocomplete="off"{offered} value="{escape(value or "")}"'
    return _typed(kind, name, label, value, note, start)


def text_field(kind: str, name: str, label: str, note: str, placeholder: str, value: str | None = None) -> gr.HTML:
    """Build a field to paste lines of text into; empty is None.

    Args:
        kind, name: of the run and of its field.
        label: the field in words.
        note: a line below.
        placeholder: an example, shown while the field is empty.
        value: the text at the start.
    """
    start = f'<textarea rows="6" spellcheck="false" placeholder="{escape(placeholder)}"'
    return _typed(kind, name, label, value, note, start, f"{escape(value or '')}</textarea>")


def _typed(kind: str, name: str, label: str, value: Any, note: str, start: str, end: str = "") -> gr.HTML:
    """Build a labelled native field with a note under it; `start` is its tag, left open."""
    elem_id = element_id(kind, name)
    template = f"""
<div class="control typed"><label for="{elem_id}-input">{escape(label)}</label>
  {start} id="{elem_id}-input" aria-describedby="{elem_id}-note">{end}
  <p class="note" id="{elem_id}-note">{escape(note)}</p></div>"""
    return control(elem_id, value, template, static("field.js"))

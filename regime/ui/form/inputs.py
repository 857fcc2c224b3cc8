"""Form controls: a slider over chosen values, one-of-a-few choices that arrow keys move through, a box to tick, a number or
a text that may be empty.

All are native inputs inside `gr.HTML`, so keyboard and screen readers work as everywhere. Nothing enforces their values on
the server; the configuration does.
"""

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import gradio as gr

from regime.ui.text import escape


def slider(label: str, stops: Sequence[float], value: float, *, ends: tuple[str, str], note: str, elem_id: str) -> gr.HTML:
    """A slider over `stops`, evenly spaced; `ends` name what lies at either side."""
    index = list(stops).index(value)
    template = f"""
<div class="control slider" data-stops='{json.dumps(list(stops))}'>
  <label for="{elem_id}-range" title="{escape(note)}">{escape(label)}<output>{value:g}</output></label>
  <input id="{elem_id}-range" type="range" min="0" max="{len(stops) - 1}" step="1" value="{index}" aria-valuetext="{value:g}"
   style="--done:{100 * index / (len(stops) - 1):.1f}%" aria-describedby="{elem_id}-note">
  <p class="ends"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></p>
  <p class="note" id="{elem_id}-note">{escape(note)}</p>
</div>"""
    script = """
const stops = JSON.parse(element.querySelector('.slider').dataset.stops);
const range = element.querySelector('input'), shown = element.querySelector('output');
let exact = null;
const read = () => exact ?? stops[range.valueAsNumber];
const show = value => {
  exact = stops.includes(value) ? null : value;
  const far = stop => Math.abs(Math.log(stop / value));
  range.value = stops.reduce((best, stop, index) => far(stop) < far(stops[best]) ? index : best, 0);
};
range.addEventListener('input', () => { exact = null; });
const paint = () => {
  shown.textContent = read();
  range.setAttribute('aria-valuetext', read());
  range.style.setProperty('--done', 100 * range.valueAsNumber / (stops.length - 1) + '%');
};
"""
    return field(value, template, script, elem_id)


def choice(
    label: str,
    options: Sequence[Any],
    value: Any,
    *,
    elem_id: str,
    names: Sequence[str] | None = None,
    pictures: dict[Any, str] | None = None,
    hints: dict[Any, str] | None = None,
    note: str = "",
) -> gr.HTML:
    """One of a few values, all visible; with `pictures`, SVG thumbnails over their names; `hints` show on hover.

    A value that is none of them, as a link may give it, is kept until one is chosen.
    """
    parts = ""
    for index, (option, name) in enumerate(zip(options, names or [str(option) for option in options], strict=True)):
        checked = " checked" if option == value else ""
        picture = pictures[option] if pictures else ""
        hint = f' title="{escape(hints[option])}"' if hints else ""
        parts += (
            f'<label{hint}><input type="radio" name="{elem_id}" value="{index}"{checked}>{picture}'
            f"<span>{escape(name)}</span></label>"
        )
    long = sum(map(len, names or map(str, options))) > 26
    css = "thumbs" if pictures else "segments two" if long else "segments"
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    template = (
        f'<fieldset class="control {css}" data-options="{escape(json.dumps(list(options)))}"><legend>{escape(label)}</legend>'
        f'<div class="options">{parts}</div>{below}</fieldset>'
    )
    script = """
const options = JSON.parse(element.querySelector('fieldset').dataset.options);
const radios = [...element.querySelectorAll('input')];
let other;
const read = () => other === undefined ? options[radios.findIndex(radio => radio.checked)] : other;
const show = value => {
  const place = options.indexOf(value);
  other = place < 0 ? value : undefined;
  radios.forEach((radio, index) => { radio.checked = index === place; });
};
radios.forEach(radio => radio.addEventListener('input', () => { other = undefined; }));
const paint = () => {};
"""
    return field(value, template, script, elem_id)


def select(kind: str, name: str, label: str, options: dict[str, str], value: str) -> gr.HTML:
    """One of many values, folded: option -> its name."""
    identity = f"{kind}-{name.replace('_', '-')}"
    parts = "".join(
        f'<option value="{escape(option)}"{" selected" * (option == value)}>{escape(said)}</option>'
        for option, said in options.items()
    )
    template = f"""
<div class="control typed"><label for="{identity}-input">{escape(label)}</label>
  <select id="{identity}-input">{parts}</select></div>"""
    script = """
const field = element.querySelector('select');
const read = () => field.value;
const show = value => { field.value = value; };
const paint = () => {};
"""
    return field(value, template, script, identity)


def checkbox(kind: str, name: str, label: str, value: bool, note: str) -> gr.HTML:
    """A box to tick."""
    script = """
const field = element.querySelector('input');
const read = () => field.checked;
const show = value => { field.checked = value; };
const paint = () => {};
"""
    return _typed(kind, name, label, value, note, '<input type="checkbox"' + " checked" * value, "", script)


def number_field(kind: str, name: str, label: str, value: float | None, note: str) -> gr.HTML:
    """A number to type; empty is None, which a configuration reads as its own default where it has one."""
    shown = "" if value is None else value
    script = """
const field = element.querySelector('input');
const read = () => field.value === '' ? '' : field.valueAsNumber;
const show = value => { field.value = value; };
const paint = () => {};
"""
    return _typed(kind, name, label, value, note, f'<input type="number" step="any" value="{shown}"', "", script)


def line_field(kind: str, name: str, label: str, value: str | None, note: str) -> gr.HTML:
    """One line of text; empty is None."""
    script = """
const field = element.querySelector('input');
const read = () => field.value.trim() && field.value;
const show = value => { field.value = value; };
const paint = () => {};
"""
    start = f'<input type="text" spellcheck="false" autocomplete="off" value="{escape(value or "")}"'
    return _typed(kind, name, label, value, note, start, "", script)


def text_field(kind: str, name: str, label: str, note: str, placeholder: str, value: str | None = None) -> gr.HTML:
    """Lines of text to paste; empty is None."""
    script = """
const field = element.querySelector('textarea');
const read = () => field.value.trim() && field.value;
const show = value => { field.value = value; };
const paint = () => {};
"""
    start = f'<textarea rows="6" spellcheck="false" placeholder="{escape(placeholder)}"'
    return _typed(kind, name, label, value, note, start, f"{escape(value or '')}</textarea>", script)


def _typed(kind: str, name: str, label: str, value: Any, note: str, start: str, end: str, script: str) -> gr.HTML:
    """A labelled native field with a note under it; `start` is its tag, left open."""
    identity = f"{kind}-{name.replace('_', '-')}"
    template = f"""
<div class="control typed"><label for="{identity}-input">{escape(label)}</label>
  {start} id="{identity}-input" aria-describedby="{identity}-note">{end}
  <p class="note" id="{identity}-note">{escape(note)}</p></div>"""
    return field(value, template, script, identity)


SYNC = """
let given = Array.isArray(props.value) ? props.value[1] : 0;
const own = () => Array.isArray(props.value) ? props.value[0] : props.value;
show(own());
paint();
element.addEventListener('input', () => { props.value = read(); paint(); trigger('input'); });
watch('value', () => {
  const value = props.value;
  if (!Array.isArray(value) || value[1] === given) { if (value !== read()) props.value = read(); return; }
  given = value[1];
  show(value[0]);
  props.value = read();
  paint();
});
"""
"""Keeps what is shown and what is sent the same. What the server gives comes with a number and is taken once; anything else
that arrives is old: the page builds a control anew when its accordion or tab opens again, and while it still registers one,
Gradio may put the old value back over a new one.
"""
GIVEN = count(1)


def give(value: Any) -> list[Any]:
    """A control's new value, as the server sends it to the page. The page cannot hold a null: empty is ""."""
    return ["" if value is None else value, next(GIVEN)]


def field(value: Any, template: str, script: str, elem_id: str) -> gr.HTML:
    """A control of native inputs; its script has `read`, `show` and `paint`."""
    return gr.HTML(
        value,
        html_template=template,
        js_on_load=f"{script}{SYNC}",
        elem_id=elem_id,
        elem_classes="field",
        apply_default_css=False,
    )


def received(value: Any) -> Any:
    """What the page sent, or still holds of what it was given; empty is None."""
    if isinstance(value, list) and len(value) == 2:
        value = value[0]
    return None if value == "" else value

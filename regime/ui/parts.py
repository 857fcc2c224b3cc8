"""The parts that tabs are built from: a head, columns, and places that the page's script draws in.

A tab has one form, one feed, through which the page asks and gets a run's frames, and one component for what is said of the
form. All else is markup with places: `data-panel` names what the script draws there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from markupsafe import Markup

from regime.ui.form.presets import PRESETS, first
from regime.ui.text import render


def markup(value: str, css: str | list[str] = "", **more: Any) -> gr.HTML:
    """Build HTML in the page's own style rather than Gradio's prose."""
    return gr.HTML(value, elem_classes=css, apply_default_css=False, **more)


def places(*parts: str) -> gr.HTML:
    """Build places that take part in the layout around them, as if nothing stood between."""
    return markup("".join(parts), "panels")


def notice(text: str, css: str = "") -> str:
    """Return one line about a form's rows."""
    return str(Markup('<p class="notice {}" role="status">{}</p>').format(css, text))


def column(css: str) -> gr.Column:
    """Build a column of a tab."""
    return gr.Column(elem_classes=f"col {css}", min_width=0)


@contextmanager
def page(kind: str, columns: str) -> Iterator[None]:
    """Build a tab's head: presets, links, what to watch, whose the results are; what is built inside stands below it."""
    places(render("head", tab=kind, presets=PRESETS[kind], story=first(kind).story))
    with gr.Row(elem_classes=f"page {columns}"):
        yield


def panels(*names: str, css: str = "") -> str:
    """Return places that the page's script draws in, named as in `panels.js`; a style sheet has heights, so nothing jumps."""
    return "".join(f'<section class="view v-{name} {css}" data-panel="{name}"></section>' for name in names)

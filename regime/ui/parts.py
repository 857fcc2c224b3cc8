"""The parts that tabs are built from: a head, places that the page's script draws in, and what a run leaves behind.

A tab has one form, one feed, through which the page asks and gets a run's frames, and one component for what is said of the
form. All else is markup with places: `data-panel` names what the script draws there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from regime.ui.form.config_form import ConfigForm, give
from regime.ui.form.presets import PRESETS, first
from regime.ui.run.examples import example, example_file
from regime.ui.run.export import FILES, snippet
from regime.ui.run.link import query
from regime.ui.static_files import script
from regime.ui.text import render


@dataclass(frozen=True)
class Layout:
    """The components of one tab."""

    form: ConfigForm
    feed: gr.HTML
    """Through which the page asks, and takes the frames from which its script draws the run."""
    told: gr.HTML
    """What is said of the form: the run that it describes, or what is wrong with it."""
    files: gr.HTML
    """Of the run that is shown, each made when it is asked for."""
    code: gr.Code
    """Python that makes that run again."""
    views: tuple[gr.HTML, ...] = ()
    """Drawn on the server."""


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
    """Return places that the page's script draws in; their heights are in the style sheet so that nothing jumps.

    Args:
        names: of what is drawn, as in `panels.js`.
        css: a further class.
    """
    return "".join(f'<section class="view v-{name} {css}" data-panel="{name}"></section>' for name in names)


def laid_out(form: ConfigForm, kind: str, *views: gr.HTML, **told: Any) -> Layout:
    """Build what stands at the end of a tab's middle column, and what does not show, and return the tab's components.

    Args:
        form: the tab's, already built.
        kind: of the run.
        views: as in `Layout`.
        told: what is known of the shipped run before anybody has asked.
    """
    config = example(kind).config
    with gr.Column(elem_classes="exports"):
        markup("<h3>Take it with you</h3><p>Files of the run that is shown, and the Python that makes it again.</p>")
        menu = render("files", kind=kind, files=FILES[kind])
        files = markup({}, "files", html_template=menu, js_on_load=script("files"))
        code = gr.Code(snippet(config), language="python", label="Python", interactive=False, lines=5, show_line_numbers=False)
    told = {"preset": first(kind).name, **told}
    start = {"file": example_file(kind), "query": query(config), "told": told}
    feed = unseen(kind, json.dumps(start), "feed")
    return Layout(form, feed, unseen(kind, give({}), "told"), files, code, views)


def unseen(kind: str, value: Any, module: str) -> gr.HTML:
    """Build a component of a tab that a script reads, and nobody sees.

    Args:
        kind: of the tab's runs.
        value: for the script.
        module: of the script.
    """
    return markup(value, "unseen", html_template=f'<i data-kind="{kind}" hidden></i>', js_on_load=script(module))

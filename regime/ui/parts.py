"""The parts that tabs are built from: presets, the buttons of a run, its views, and its files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from regime.ui.form.config_form import ConfigForm, give
from regime.ui.form.presets import chips, first
from regime.ui.panels.intro import intro
from regime.ui.panels.progress import progress
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.run.export import FILES, snippet
from regime.ui.run.link import link_button
from regime.ui.static_files import script
from regime.ui.text import escape

Draw = Callable[[Board], Any]
Views = dict[gr.HTML, Draw]


@dataclass(frozen=True)
class Head:
    """What stands over a tab's columns: presets, the link to the run that is shown, what to watch in it, whose it is."""

    chips: gr.HTML
    link: gr.HTML
    story: gr.HTML
    whose: gr.HTML


@dataclass(frozen=True)
class Transport:
    """The buttons of one tab, its progress, and one line about the run that the form describes."""

    run: gr.Button
    pause: gr.Button
    step: gr.Button
    reset: gr.Button
    seed: gr.Button
    pin: gr.Button
    more: gr.Button
    """Adds seeds where there is no verdict."""
    progress: gr.HTML
    spoken: gr.HTML
    """The progress as a screen reader hears it."""
    notice: gr.HTML

    @property
    def buttons(self) -> list[gr.Button]:
        """The buttons, in order."""
        return [self.run, self.pause, self.step, self.reset, self.seed, self.pin, self.more]


@dataclass(frozen=True)
class Exports:
    """What can be taken from a run: its files, and the Python that makes it again."""

    files: gr.HTML
    code: gr.Code


@dataclass(frozen=True)
class Layout:
    """The components of one tab."""

    head: Head
    form: ConfigForm
    transport: Transport
    exports: Exports
    views: Views
    """Drawn at every measurement."""
    final: Views
    """Drawn when a run begins and when it has ended."""
    previews: list[gr.HTML] = field(default_factory=list)
    """Components that show more of a run before it starts."""


def markup(value: str, css: str | list[str] = "", **more: Any) -> gr.HTML:
    """Build HTML in the page's own style rather than Gradio's prose."""
    return gr.HTML(value, elem_classes=css, apply_default_css=False, **more)


def notice(text: str, css: str = "") -> str:
    """Return one line about the run that the form describes."""
    return f'<p class="notice {css}" role="status">{escape(text)}</p>'


def story(text: str) -> str:
    """Return what to watch in a preset's run."""
    return f'<p class="story">{text}</p>'


def column(css: str) -> gr.Column:
    """Build a column of a tab."""
    return gr.Column(elem_classes=f"col {css}", min_width=0)


def folded(label: str, css: str = "all-settings") -> gr.Accordion:
    """Build a part of a tab that is closed at first."""
    return gr.Accordion(label, open=False, elem_classes=css)


@contextmanager
def page(kind: str, columns: str) -> Iterator[Head]:
    """Build a tab's head; what is built inside stands below it, in so many `columns`."""
    markup(intro(kind))
    with gr.Row(elem_classes="starts"):
        presets, link = chips(kind), link_button(example(kind).config)
    watched = markup(story(first(kind).story), "story-box")
    whose = markup(give(""), "whose", html_template='<p role="status"></p>', js_on_load=script("whose"))
    with gr.Row(elem_classes=f"page {columns}"):
        yield Head(presets, link, watched, whose)


def transport(kind: str, text: str, *, steps: bool = True) -> Transport:
    """Build the buttons and the progress of a run.

    Args:
        kind: of the run.
        text: the line below them at the start.
        steps: whether the run has steps: then it can also be stepped, reset, reseeded and pinned.
    """
    with gr.Row(elem_classes="transport", elem_id=f"{kind}-transport"):
        run = gr.Button("Run", variant="primary", min_width=110, scale=0, elem_classes="i-run")
        pause = gr.Button("Pause", variant="primary", min_width=110, scale=0, visible="hidden", elem_classes="i-pause")
        others = [
            gr.Button(name, min_width=60, scale=0, elem_classes=f"i-{css}", visible=steps or "hidden")
            for name, css in (("Step", "step"), ("Reset", "reset"), ("New seed", "seed"), ("Pin", "pin"))
        ]
        more = gr.Button("Add seeds", min_width=60, scale=0, elem_classes="i-seed", visible="hidden")
        bar = markup(progress(example(kind)))
        spoken = markup("", "sr-only", js_on_load="element.setAttribute('aria-live', 'polite');")
    return Transport(run, pause, *others, more, bar, spoken, markup(notice(text), "notice-box"))


def view(kind: str, draw: Draw, css: str, **more: Any) -> Views:
    """Build a view, first drawn from the shipped run; its height is in the style sheet so that nothing jumps.

    Args:
        kind: of the run.
        draw: returns the view's markup for a board.
        css: the view's class.
        more: arguments of `gr.HTML`.
    """
    return {markup(draw(example(kind)), ["view", css], **more): draw}


def exports(kind: str) -> Exports:
    """Build the menu of a run's files, each made when it is asked for, and the code that makes the run again."""
    buttons = "".join(
        f'<button type="button" class="chip" name="{name}">{label}</button>' for name, label in FILES[kind].items()
    )
    template = (
        f'<details><summary class="chip">Download</summary><div class="menu">{buttons}</div></details><p role="status"></p>'
    )
    with gr.Column(elem_classes="exports"):
        markup("<h3>Take it with you</h3><p>Files of the run that is shown, and the Python that makes it again.</p>")
        files = markup({}, "files", html_template=template, js_on_load=script("files"))
        code = gr.Code(snippet(example(kind).config), language="python", label="Python", interactive=False, lines=5)
    return Exports(files, code)

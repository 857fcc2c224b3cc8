"""What Train and Probe share: a form, the run it starts, the views it fills, and the ways it ends."""

import html
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from regime.ui.board import Board
from regime.ui.examples import example
from regime.ui.export import files, snippet
from regime.ui.progress import announcement, progress
from regime.ui.runs import COMPUTE, events

PACE = 0.08
"""Least seconds between two drawn frames; more are not seen and cost the server."""
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}

INTRO = """<p class="intro"><b>Lazy</b>: training hardly changes the features of a network, so its linearized twin, a linear
model built before the first step, learns the same. <b>Rich</b>: the network learns features of its own, and leaves its twin
behind.</p>"""
Draw = Callable[[Board], str]


@dataclass(frozen=True)
class Transport:
    """The buttons and the progress of one tab."""

    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    spoken: gr.HTML


def markup(value: str, css: str | list[str] = "", **more: Any) -> gr.HTML:
    """HTML in the page's own style rather than Gradio's prose."""
    return gr.HTML(value, elem_classes=css, apply_default_css=False, **more)


def intro() -> gr.HTML:
    """What the two words mean, for somebody who has never met them."""
    return markup(INTRO)


def transport(kind: str, verb: str, elem_id: str) -> Transport:
    """Run, Stop, step count and time left."""
    board = example(kind)
    with gr.Row(elem_classes="transport", elem_id=elem_id):
        run = gr.Button(verb, variant="primary", min_width=110, scale=0)
        stop = gr.Button("Stop", interactive=False, min_width=84, scale=0)
        bar = markup(progress(board))
        spoken = markup("", "sr-only", js_on_load="element.setAttribute('aria-live', 'polite');")
    return Transport(run, stop, bar, spoken)


def view(kind: str, draw: Draw, css: str, **more: Any) -> gr.HTML:
    """A live view, first drawn from the shipped run; its height is in the style sheet so that nothing jumps."""
    return markup(draw(example(kind)), ["view", css], **more)


def downloads(kind: str) -> tuple[list[gr.DownloadButton], gr.Code]:
    """A run's files, offered once it has finished, and the code that makes it again."""
    with gr.Column(elem_classes="exports"):
        markup("<h3>Take it with you</h3><p>Files of the run that you made last, and the Python that makes it again.</p>")
        with gr.Row(elem_classes="files"):
            labels = ("Report, JSON", "Layers, CSV", "Figure, PNG", "Figure, SVG")
            buttons = [gr.DownloadButton(label, interactive=False, size="sm", min_width=110) for label in labels]
        code = gr.Code(snippet(example(kind).config), language="python", label="Python", interactive=False, lines=5)
    return buttons, code


def wire(
    kind: str,
    controls: dict[str, gr.components.Component],
    views: dict[gr.HTML, Draw],
    buttons: Transport,
    exports: tuple[list[gr.DownloadButton], gr.Code],
    final: dict[gr.HTML, Draw] | None = None,
) -> None:
    """Connect a tab: press Run, stream the form's configuration, draw each event; end in a settled page however it ends.

    `final` are views that are drawn only when a run has ended.
    """
    state = gr.State(None)
    downloads, code = exports
    live = {**views, buttons.progress: progress, buttons.spoken: announcement}
    ended = {**live, **(final or {})}

    def begin() -> dict[Any, Any]:
        waiting = Board({"steps": 0}, status="waiting")
        return {
            buttons.run: gr.update(interactive=False),
            buttons.stop: gr.update(interactive=True),
            buttons.progress: progress(waiting),
        }

    def run(*values: Any) -> Iterator[dict[Any, Any]]:
        idle = dict.fromkeys(downloads, gr.update(value=None, interactive=False))
        board = Board({})
        drawn = 0.0
        for event in _readable(events(dict(zip(controls, values, strict=True)), kind)):
            board.take(event)
            if event["kind"] == "started":
                yield {state: board, code: snippet(board.config), **idle, **_draw(live, board)}
            elif event["kind"] == "finished" or time.monotonic() - drawn > PACE:
                drawn = time.monotonic()
                yield _draw(live, board) if event["kind"] != "progress" else {buttons.progress: progress(board)}

    def settle(board: Board | None) -> dict[Any, Any]:
        board = board or example(kind)
        board.stop()
        return {
            buttons.run: gr.update(interactive=True),
            buttons.stop: gr.update(interactive=False),
            code: snippet(board.config),
            **_draw(ended, board),
        }

    def offer(board: Board | None) -> dict[Any, Any]:
        if board is None or board.report is None:
            return dict.fromkeys(downloads, gr.skip())
        paths = files(board.report)
        return {button: gr.update(value=path, interactive=True) for button, path in zip(downloads, paths, strict=True)}

    started = buttons.run.click(begin, None, [buttons.run, buttons.stop, buttons.progress], queue=False, **HIDDEN)
    running = started.then(run, list(controls.values()), [state, code, *downloads, *live], **COMPUTE, **HIDDEN)
    buttons.stop.click(None, cancels=[running], api_visibility="private")
    filled = [buttons.run, buttons.stop, code, *ended]
    # A cancel counts as done, an error does not: `then` alone would leave the buttons of a failed run as they were.
    running.failure(settle, state, filled, queue=False, **HIDDEN)
    running.then(settle, state, filled, queue=False, **HIDDEN).then(offer, state, downloads, **HIDDEN)


def _draw(views: dict[gr.HTML, Draw], board: Board) -> dict[gr.HTML, str]:
    return {component: draw(board) for component, draw in views.items()}


def _readable(stream: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same events; an error's text is shown as text, never as markup."""
    try:
        yield from stream
    except gr.Error as error:
        raise gr.Error(html.escape(error.message), print_exception=False) from None

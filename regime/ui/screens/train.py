"""The Train tab: a toy network beside its linearized twin."""

from typing import Any

import gradio as gr

from regime.config import ToyConfig
from regime.toy.preview import Preview, preview
from regime.ui.form.presets import chips, first
from regime.ui.form.step_size import FORETOLD, MEASURED, foretold, readout
from regime.ui.form.toy import summary, toy_form
from regime.ui.panels.charts import TOY_LOSSES, curves, multiples
from regime.ui.panels.compare import compare
from regime.ui.panels.dial import dial
from regime.ui.panels.glossary import term
from regime.ui.panels.kernel import kernels
from regime.ui.panels.outcome import outcome
from regime.ui.panels.picture import mapped, pictures
from regime.ui.panels.table import layer_table
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.run.link import link_button
from regime.ui.run.visit import Visit
from regime.ui.screen import Opening, Stage, Updates, exports, intro, markup, notice, story, transport, view
from regime.ui.text import DASH, duration, number

LOSSES = {"mse": "Half the mean squared error", "cross-entropy": "Mean cross-entropy"}
OWN_STORY = (
    "Your own settings. Where the network leaves its twin behind it learns features, <b>rich</b>; where the two agree it is "
    "<b>lazy</b>."
)
PREVIEW_BYTES = 2**29
"""Runs that need more are not drawn before they start: it would take too long while a slider moves."""


class Train(Stage):
    """The Train tab's own: what is told of a run before it starts."""

    def __init__(self, told: gr.HTML, **parts: Any) -> None:
        self.told = told
        super().__init__("toy", own_story=OWN_STORY, told=[told], **parts)

    def foretell(self, visit: Visit | None, *values: Any) -> Updates:
        return {self.told: gr.skip(), **super().foretell(visit, *values)}

    def ahead(self, config: ToyConfig) -> Updates:
        """Step size and time, as a short look at the network's kernel tells them."""
        if config.workspace > PREVIEW_BYTES:
            return {self.opening.notice: notice("A large run: its step size is chosen when it starts.")}
        known = preview(config)
        about = f"{summary(config)}: about {duration(max(1.0, known.seconds))} here."
        return {self.told: foretold(known), self.opening.notice: notice(about)}


def train_tab() -> Train:
    """Build the tab and wire its run."""
    board = example("toy")
    intro()
    with gr.Row(elem_classes="starts"):
        presets = chips("toy")
        link = link_button(board.config)
    told_story = markup(story(first("toy").story), "story-box")
    with gr.Row(elem_classes="page three"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = toy_form()
            known = readout(FORETOLD, foretold(_known(board)))
            views = {readout(MEASURED, _now(board)): _now}
        with gr.Column(elem_classes="col middle", min_width=0):
            views[view("toy", _pictures, "v-pictures")] = _pictures
            buttons = transport("toy")
            line = markup(notice(f"{summary(first('toy').config)}. Turn a knob, or start from a preset."), "notice-box")
            views[view("toy", _loss, "v-loss")] = _loss
            views[view("toy", compare, "v-compare")] = compare
            taken = exports("toy", link)
        with gr.Column(elem_classes="col right", min_width=0):
            for draw, css in ((dial, "v-dial"), (_distances, "v-distances"), (kernels, "v-kernels"), (_layers, "v-layers")):
                views[view("toy", draw, css)] = draw
            compared = view("toy", outcome, "v-outcome")
    return Train(
        known,
        controls=controls,
        views=views,
        buttons=buttons,
        taken=taken,
        opening=Opening(presets, told_story, line),
        final={compared: outcome},
    )


def _pictures(board: Board) -> str:
    colors = "&minus;1 <i></i> +1" if mapped(board) else ""
    scale = f'<p class="fn-scale"><span>seed 1 of {board.config.get("seeds", 1)}</span>{colors}</p>'
    twin = term("twin", "linearized twin")
    note = f"The {twin} is a linear model with the features of the start. Where the two part, features were learned."
    return f'<div class="head"><div><h3>One task, three learners</h3><p>{note}</p></div>{scale}</div>{pictures(board)}'


def _loss(board: Board) -> str:
    what = LOSSES[board.config["loss"]]
    note = f"{what}. The twin's path is known before the first step: a lazy network follows it, a rich one leaves it."
    drawn = curves(board, TOY_LOSSES, what="Loss", css="tall")
    skill = board.last["measures"].get("forecast_skill") if board.last and board.step else None
    said = DASH if skill is None else number(skill) if skill > 0 else "none"
    shown = f'<p class="skill"><b>{said}</b> {term("forecast_skill", "forecast skill")}, 1 is perfect</p>'
    return f'<div class="head"><div><h3>Loss and its forecast</h3><p>{note}</p></div>{shown}</div>{drawn}'


def _distances(board: Board) -> str:
    note = f"Dotted: bounds. Gray: {term('floor', 'noise floor')}. Blue: spread of seeds."
    return f'<h3>Distance from the start</h3><p class="sub">{note}</p>{multiples(board)}'


def _layers(board: Board) -> str:
    note = "The tangent kernel says which points learn together; each layer has its share of it."
    return f'<h3>Which layer moves</h3><p class="sub">{note}</p>{layer_table(board)}'


def _known(board: Board) -> Preview:
    """What a finished run says about runs like it, without computing."""
    rate = board.started["learning_rate"]
    edges = tuple(part["value"] for part in board.started["references"] if part["measure"] == "stability")
    return Preview(rate, _stability(board.history[0]) / rate, edges, board.report["provenance"]["seconds"])


def _stability(event: dict[str, Any] | None) -> float | None:
    """Learning rate times top eigenvalue of the stiffest seed."""
    known = [value for value in (event or {}).get("seeds", {}).get("stability", []) if value is not None]
    return max(known, default=None)


def _now(board: Board) -> dict[str, Any]:
    """Where learning rate times top eigenvalue stands in the run that is shown."""
    return {"stability": _stability(board.last)}

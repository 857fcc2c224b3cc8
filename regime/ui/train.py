"""The Train tab: a toy network beside its linearized twin."""

from typing import Any

import gradio as gr

from regime.config import ConfigError
from regime.toy.preview import Preview, preview
from regime.ui.board import Board
from regime.ui.charts import TOY_LOSSES, curves, multiples
from regime.ui.compare import compare
from regime.ui.dial import dial
from regime.ui.examples import example
from regime.ui.form import summary, toy_form
from regime.ui.glossary import term
from regime.ui.kernel import kernels
from regime.ui.link import link_button
from regime.ui.outcome import outcome
from regime.ui.picture import mapped, pictures
from regime.ui.presets import FIRST, PRESETS, chips, matching, pressed
from regime.ui.stage import HIDDEN, QUICK, Stage, Updates, exports, intro, markup, transport, view
from regime.ui.step_size import readout, told
from regime.ui.table import layer_table
from regime.ui.text import DASH, duration, escape, number
from regime.ui.visit import Visit

LOSSES = {"mse": "Half the mean squared error", "cross-entropy": "Mean cross-entropy"}
OWN_STORY = (
    "Your own settings. Where the network leaves its twin behind it learns features, <b>rich</b>; where the two agree it is "
    "<b>lazy</b>."
)
PREVIEW_BYTES = 2**29
"""Runs that need more are not drawn before they start: it would take too long while a slider moves."""


class Train(Stage):
    """The Train tab's own: presets, and what is told of a run before it starts."""

    def __init__(self, chips: gr.HTML, story: gr.HTML, told: gr.HTML, notice: gr.HTML, **parts: Any) -> None:
        super().__init__("toy", **parts)
        self.chips, self.story, self.told, self.notice = chips, story, told, notice
        form = list(self.controls.values())
        pressed_outputs = [self.state, self.turn, *self.transport, self.buttons.progress]
        self.foretold = [self.told, self.notice, self.chips, self.story, self.buttons.run]
        picked = chips.submit(self.pick, [self.state, chips], [*form, *pressed_outputs], **QUICK)
        self.follow(picked, fresh=True)
        picked.then(self.foretell, [self.state, *form], self.foretold, **HIDDEN)
        gr.on(
            [control.input for control in form],
            self.foretell,
            [self.state, *form],
            self.foretold,
            trigger_mode="always_last",
            concurrency_id="preview",
            concurrency_limit=2,
            **HIDDEN,
        )

    def open_links(self, demo: gr.Blocks) -> Any:
        opened = super().open_links(demo)
        opened.then(self.foretell, [self.state, *self.controls.values()], self.foretold, **HIDDEN)
        return opened

    def pick(self, visit: Visit | None, value: Any) -> Updates:
        """Fill the form from a preset and start it."""
        preset = pressed(value)
        if preset is None:
            raise gr.Error(f"preset = {escape(value)[:80]} is not allowed; allowed: one of the names on the page.")
        return {**self.fill(preset.config), **self.press(visit, against=preset.against)}

    def foretell(self, visit: Visit | None, *values: Any) -> Updates:
        """What the form as it is would run: its step size, its time, or what is wrong with it."""
        same: Updates = {self.told: gr.skip(), self.chips: ""}
        try:
            config = self.config(values)
            preset = matching(config)
            same |= {self.chips: preset.name if preset else "", self.story: _story(preset.story if preset else OWN_STORY)}
            if visit and visit.board.status == "paused":
                same[self.buttons.run] = gr.update(value="Continue" if visit.holds(config) else "Run")
            if config.workspace > PREVIEW_BYTES:
                return {**same, self.notice: _notice("A large run: its step size is chosen when it starts.")}
            ahead = preview(config)
        except ConfigError as error:
            return {**same, self.notice: _notice(str(error), "bad")}
        about = f"{summary(config)}: about {duration(max(1.0, ahead.seconds))} here."
        return {**same, self.told: {**told(ahead), "stability": None}, self.notice: _notice(about)}


def train_tab(demo: gr.Blocks) -> None:
    """Build the tab and wire its run."""
    board = example("toy")
    intro()
    with gr.Row(elem_classes="starts"):
        presets = chips()
        link = link_button(board.config)
    story = markup(_story(PRESETS[FIRST].story), "story-box")
    with gr.Row(elem_classes="page three"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = toy_form()
            known = readout(_known(board), _stability(board.last))
        with gr.Column(elem_classes="col middle", min_width=0):
            views = {view("toy", _pictures, "v-pictures"): _pictures}
            buttons = transport("toy")
            notice = markup(_notice(f"{summary(PRESETS[FIRST].config)}. Turn a knob, or start from a preset."), "notice-box")
            views[view("toy", _loss, "v-loss")] = _loss
            views[view("toy", compare, "v-compare")] = compare
            taken = exports("toy", link)
        with gr.Column(elem_classes="col right", min_width=0):
            for draw, css in ((dial, "v-dial"), (_distances, "v-distances"), (kernels, "v-kernels"), (_layers, "v-layers")):
                views[view("toy", draw, css)] = draw
            compared = view("toy", outcome, "v-outcome")
    views[known] = _now
    stage = Train(
        presets, story, known, notice, controls=controls, views=views, buttons=buttons, taken=taken, final={compared: outcome}
    )
    stage.open_links(demo)


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


def _story(text: str) -> str:
    return f'<p class="story">{text}</p>'


def _notice(text: str, css: str = "") -> str:
    return f'<p class="notice {css}" role="status">{escape(text)}</p>'


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
    """Where learning rate times top eigenvalue stands in the run."""
    return {"stability": _stability(board.last)}

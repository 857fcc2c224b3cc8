"""The Train tab: a toy network beside its linearized twin."""

from typing import Any

from regime.config import ToyConfig
from regime.toy.preview import Preview, preview
from regime.ui.form.presets import first
from regime.ui.form.step_size import previewed, readout
from regime.ui.form.toy import summary, toy_form
from regime.ui.panels.charts import TOY_LOSSES, curves, multiples
from regime.ui.panels.comparison import comparison
from regime.ui.panels.dial import dial
from regime.ui.panels.glossary import term
from regime.ui.panels.kernel import kernels
from regime.ui.panels.outcome import outcome
from regime.ui.panels.picture import mapped, pictures
from regime.ui.panels.table import layer_table
from regime.ui.parts import Layout, column, exports, notice, page, transport, view
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.screen import Updates
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.text import DASH, duration, number

KIND = "toy"
LOSSES = {"mse": "Half the mean squared error", "cross-entropy": "Mean cross-entropy"}
PREVIEW_BYTES = 2**29
"""Runs that need more are not previewed: it would take too long while a slider moves."""


class TrainScreen(OwnRowsScreen):
    """The Train tab, which previews the step size of a run."""

    kind = KIND
    own_story = (
        "Your own settings. Where the network leaves its twin behind it learns features, <b>rich</b>; where the two agree it "
        "is <b>lazy</b>."
    )

    def estimate(self, config: ToyConfig) -> Updates:
        """Say what step size and time a run will take, from a short look at the network's kernel."""
        if config.workspace > PREVIEW_BYTES:
            return {self.transport.notice: notice("A large run: its step size is chosen when it starts.")}
        known = preview(config)
        about = f"{summary(config)}: about {duration(max(1.0, known.seconds))} here."
        return {self.layout.previews[0]: previewed(known), self.transport.notice: notice(about)}


def train_tab() -> TrainScreen:
    """Build the Train tab and connect it."""
    views = {}
    with page(KIND, "three") as head:
        with column("controls"):
            form = toy_form()
            step_size = readout(previewed(_preview(example(KIND))))
            views[readout(_measured(example(KIND)))] = _measured
        with column("middle"):
            views |= view(KIND, _pictures, "v-pictures")
            buttons = transport(KIND, f"{summary(first(KIND).config)}. Turn a knob, or start from a preset.")
            views |= view(KIND, _loss, "v-loss") | view(KIND, comparison, "v-compare") | view(KIND, _layers, "v-layers")
            taken = exports(KIND)
        with column("right"):
            for draw, css in ((dial, "v-dial"), (_distances, "v-distances"), (kernels, "v-kernels")):
                views |= view(KIND, draw, css)
            final = view(KIND, outcome, "v-outcome")
    return TrainScreen(Layout(head, form, buttons, taken, views, final, [step_size]))


def _pictures(board: Board) -> str:
    colors = "&minus;1 <i></i> +1" if mapped(board) else ""
    scale = f'<p class="fn-scale"><span>Seed 1 of {board.config.get("seeds", 1)}</span>{colors}</p>'
    twin = term("twin", "linearized twin")
    note = f"The {twin} is a linear model with the features of the start. Where the network leaves it, features were learned."
    return f'<div class="head"><div><h2>One task, three learners</h2><p>{note}</p></div>{scale}</div>{pictures(board)}'


def _loss(board: Board) -> str:
    what = LOSSES[board.config["loss"]]
    note = f"{what}. The twin's path is known before the first step: a lazy network follows it, a rich one leaves it."
    drawn = curves(board, TOY_LOSSES, what="Loss", css="tall")
    skill = board.last["measures"].get("forecast_skill") if board.last and board.step else None
    text = DASH if skill is None else number(max(0.0, skill))
    shown = f'<p class="skill"><b>{text}</b> {term("forecast_skill", "forecast skill")}; 1 is perfect</p>'
    return f'<div class="head"><div><h2>Loss and its forecast</h2><p>{note}</p></div>{shown}</div>{drawn}'


def _distances(board: Board) -> str:
    note = f"Dotted: bounds of the verdict. Gray: {term('floor', 'noise floor')}. Light blue: spread over seeds."
    return f'<h2>Distance from the start</h2><p class="sub">{note}</p>{multiples(board)}'


def _layers(board: Board) -> str:
    note = "The tangent kernel says which points learn together; each layer has its share of it."
    return f'<h2>Which layer moves</h2><p class="sub">{note}</p>{layer_table(board)}'


def _preview(board: Board) -> Preview:
    """Return what a finished run says about runs like it, without computing."""
    rate = board.started["learning_rate"]
    edges = tuple(part["value"] for part in board.started["references"] if part["measure"] == "stability")
    return Preview(rate, _stability(board.history[0]) / rate, edges, board.report["provenance"]["seconds"])


def _stability(event: dict[str, Any] | None) -> float | None:
    """Return step size times top eigenvalue of the stiffest seed."""
    known = [value for value in (event or {}).get("seeds", {}).get("stability", []) if value is not None]
    return max(known, default=None)


def _measured(board: Board) -> dict[str, Any]:
    """Return step size times top eigenvalue in the run that is shown, as the step size's control reads it."""
    return {"stability": _stability(board.last)}

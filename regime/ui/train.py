"""The Train tab: a toy network beside its linearized twin."""

from typing import Literal, get_args, get_origin

import gradio as gr

from regime.config import ToyConfig
from regime.toy.catalog import CSV, CSV_MEANING, TASKS
from regime.ui.board import Board
from regime.ui.charts import TOY_LOSSES, curves, multiples
from regime.ui.dial import dial
from regime.ui.examples import CONFIGS
from regime.ui.inputs import checkbox, choice, number_field, slider, text_field
from regime.ui.outcome import outcome
from regime.ui.picture import mapped, pictures
from regime.ui.stage import downloads, intro, markup, transport, view, wire
from regime.ui.table import layer_table
from regime.ui.thumbs import THUMBS

LOSSES = {"mse": "Half the mean squared error", "cross-entropy": "Mean cross-entropy"}


def train_tab() -> None:
    """Build the tab and wire its run."""
    intro()
    with gr.Row(elem_classes="page three"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = _controls()
        with gr.Column(elem_classes="col middle", min_width=0):
            views = {view("toy", _pictures, "v-pictures"): _pictures}
            buttons = transport("toy", "Run", "toy-transport")
            views[view("toy", _loss, "v-loss")] = _loss
            exports = downloads("toy")
        with gr.Column(elem_classes="col right", min_width=0):
            for draw, css in ((dial, "v-dial"), (_distances, "v-distances"), (_layers, "v-layers")):
                views[view("toy", draw, css)] = draw
            compared = view("toy", outcome, "v-outcome")
    wire("toy", controls, views, buttons, exports, final={compared: outcome})


def _pictures(board: Board) -> str:
    colors = "&minus;1 <i></i> +1" if mapped(board) else ""
    scale = f'<p class="fn-scale"><span>seed 1 of {board.config.get("seeds", 1)}</span>{colors}</p>'
    note = "The linearized twin is a linear model with the features of the start. Where the two part, features were learned."
    return f'<div class="head"><div><h3>One task, three learners</h3><p>{note}</p></div>{scale}</div>{pictures(board)}'


def _loss(board: Board) -> str:
    what = LOSSES[board.config["loss"]]
    note = f"{what}. The twin's path is known before the first step: a lazy network follows it, a rich one leaves it."
    drawn = curves(board, TOY_LOSSES, what="Loss", css="tall")
    return f'<div class="head"><div><h3>Loss</h3><p>{note}</p></div></div>{drawn}'


def _distances(board: Board) -> str:
    note = "Dotted: bounds. Gray: noise floor. Blue: spread of seeds."
    return f'<h3>Distance from the start</h3><p class="sub">{note}</p>{multiples(board)}'


def _layers(board: Board) -> str:
    note = "The tangent kernel says which points learn together; each layer has its share of it."
    return f'<h3>Which layer moves</h3><p class="sub">{note}</p>{layer_table(board)}'

"""The Train tab: a toy network beside its linearized twin."""

import gradio as gr

from regime.toy.tasks import TASKS
from regime.ui.board import Board
from regime.ui.charts import TOY_LOSSES, curves, multiples
from regime.ui.dial import dial
from regime.ui.examples import CONFIGS
from regime.ui.inputs import choice, number_field, slider
from regime.ui.picture import pictures
from regime.ui.stage import downloads, intro, transport, view, wire
from regime.ui.table import layer_table
from regime.ui.thumbs import THUMBS

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
START = CONFIGS["toy"]


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
    wire("toy", controls, views, buttons, exports)


def _controls() -> dict[str, gr.components.Component]:
    tasks = list(TASKS)
    controls = {
        "task": choice(
            "Task", tasks, START.task, names=[name.capitalize() for name in tasks], pictures=THUMBS, elem_id="toy-task"
        ),
        "width": slider(
            "Width",
            WIDTHS,
            START.width,
            ends=("8, richer", "4096, lazier"),
            note="Units in each hidden layer.",
            elem_id="toy-width",
        ),
        "alpha": slider(
            f"Output scale {ALPHA}",
            ALPHAS,
            START.alpha,
            ends=("0.01, richer", "100, lazier"),
            note=f"The output is multiplied by {ALPHA}: where it is large, small moves of the weights do.",
            elem_id="toy-alpha",
        ),
        "depth": choice("Hidden layers", (1, 2, 3, 4), START.depth, elem_id="toy-depth"),
        "seeds": choice("Seeds, trained together", (1, 4, 8, 16), START.seeds, elem_id="toy-seeds"),
    }
    with gr.Accordion("All settings", open=False, elem_classes="all-settings"):
        controls["activation"] = choice("Activation", ("relu", "tanh"), START.activation, elem_id="toy-activation")
        controls["optimizer"] = choice("Optimizer", ("gd", "sgd", "momentum"), START.optimizer, elem_id="toy-optimizer")
        fields = {
            "learning_rate": ("Learning rate", "Empty: from the kernel's top eigenvalue."),
            "momentum": ("Momentum", "For the optimizer of that name."),
            "batch_size": ("Batch size", "Empty: 32 for sgd, else all points."),
            "steps": ("Steps", "Training steps."),
            "measure_every": ("Measure every", "Steps between two measurements."),
            "samples": ("Samples", "Training points."),
            "seed": ("Seed", "Of the first initialization."),
        }
        for name, (label, info) in fields.items():
            controls[name] = number_field("toy", name, label, getattr(START, name), info)
    return controls


def _pictures(board: Board) -> str:
    colors = "&minus;1 <i></i> +1" if board.config.get("task") in ("rings", "spirals") else ""
    scale = f'<p class="fn-scale"><span>seed 1 of {board.config.get("seeds", 1)}</span>{colors}</p>'
    note = "The linearized twin is a linear model with the features of the start. Where the two part, features were learned."
    return f'<div class="head"><div><h3>One task, two learners</h3><p>{note}</p></div>{scale}</div>{pictures(board)}'


def _loss(board: Board) -> str:
    note = "Half the mean squared error. A lazy network follows its twin; a rich one leaves it."
    drawn = curves(board, TOY_LOSSES, what="Loss", css="tall")
    return f'<div class="head"><div><h3>Loss</h3><p>{note}</p></div></div>{drawn}'


def _distances(board: Board) -> str:
    return (
        f'<h3>Distance from the start</h3><p class="sub">Dotted: regime bounds. Band: spread over seeds.</p>{multiples(board)}'
    )


def _layers(board: Board) -> str:
    note = "The tangent kernel says which points learn together; each layer has its share of it."
    return f'<h3>Which layer moves</h3><p class="sub">{note}</p>{layer_table(board)}'

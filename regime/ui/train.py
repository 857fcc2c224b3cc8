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

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
START = CONFIGS["toy"]
WORDS = {
    "xor": "XOR",
    CSV: "Own rows",
    "ntk": "NTK",
    "mup": "muP",
    "relu": "ReLU",
    "gelu": "GELU",
    "tanh": "tanh",
    "erf": "erf",
    "linear": "linear",
    "mse": "Squared",
    "cross-entropy": "Cross-entropy",
    "gd": "GD",
    "sgd": "SGD",
}
"""Names that are not their values capitalized."""
LOSSES = {"mse": "Half the mean squared error", "cross-entropy": "Mean cross-entropy"}
SETTINGS = {
    "Network": {
        "parameterization": (
            "Parameterization",
            "How layers scale with width. In muP and mean field, features move at any width.",
        ),
        "activation": ("Activation", ""),
        "trainable": ("Trained layers", "Readout: the last layer alone, on random features."),
        "weight_std": ("Weight scale", "Standard deviation."),
        "bias_std": ("Bias scale", "Standard deviation."),
        "init_scale": ("Initial scale", "Of all parameters. Large is lazy."),
        "bias": ("Biases", "In every layer."),
        "bottleneck": ("Bottleneck", "Units of one layer. Empty: none."),
        "bottleneck_layer": ("In layer", "Which one is narrow."),
        "centered": ("Centered output", "Minus the function at the start, so that learning begins at zero."),
    },
    "Training": {
        "loss": ("Loss", "Cross-entropy needs a task with classes."),
        "optimizer": ("Optimizer", "GD takes all points in each step."),
        "learning_rate": ("Learning rate", "Empty: as the kernel at the start allows."),
        "batch_size": ("Batch size", "Empty: 32 for SGD, else all points."),
        "momentum": ("Momentum", "For that optimizer."),
        "weight_decay": ("Weight decay", "0: none."),
        "decoupled": ("Decoupled decay", "Apart from momentum and Adam's scaling, as in AdamW."),
        "steps": ("Steps", "Training steps."),
        "measure_every": ("Measure every", "So many steps."),
        "seed": ("Seed", "First initialization."),
    },
    "Data": {
        "samples": ("Samples", "Training points."),
        "test_samples": ("Test samples", "For the test loss."),
        "probe_samples": ("Probe samples", "To compare kernels on."),
        "data_seed": ("Data seed", "Points and batches."),
        "input_noise": ("Input noise", "Empty: the task's own."),
        "label_noise": ("Label noise", "Share of labels changed; of numbers, the noise added."),
        "frequency": ("Frequency", "Of circle and sine."),
        "sparsity": ("Sparsity", "Relevant bits of parity, directions of multi index."),
    },
}
"""Every other field of the configuration but the device: its label and a note, in groups."""


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


def _controls() -> dict[str, gr.components.Component]:
    tasks = {name: task.meaning for name, task in TASKS.items()} | {CSV: CSV_MEANING}
    controls = {
        "task": choice(
            "Task",
            list(tasks),
            START.task,
            names=[_name(task) for task in tasks],
            pictures=THUMBS,
            hints=tasks,
            elem_id="toy-task",
        ),
        "csv": text_field(
            "toy",
            "csv",
            "Rows",
            "Numbers with commas between, the target last. A target of words or of a few whole numbers is a class. "
            "Training, test and probe samples come from these rows: set their numbers in All settings.",
            "x1,x2,target\n0.3,1.2,yes\n0.7,-0.4,no",
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
        "depth": choice("Hidden layers", range(1, 9), START.depth, elem_id="toy-depth"),
        "seeds": choice("Seeds, trained together", (1, 4, 8, 16), START.seeds, elem_id="toy-seeds"),
    }
    with gr.Accordion("All settings", open=False, elem_classes="all-settings"):
        for title, settings in SETTINGS.items():
            with gr.Column(elem_classes="group", min_width=0):
                markup(f"<h4>{title}</h4>", "title")
                for name, (label, note) in settings.items():
                    controls[name] = _setting(name, label, note)
    return controls


def _setting(name: str, label: str, note: str) -> gr.HTML:
    """The input that a field's type asks for."""
    kind, value = ToyConfig.model_fields[name].annotation, getattr(START, name)
    if get_origin(kind) is Literal:
        options = get_args(kind)
        return choice(label, options, value, names=[_name(option) for option in options], note=note, elem_id=f"toy-{name}")
    field = checkbox if kind is bool else number_field
    return field("toy", name, label, value, note)


def _name(option: str) -> str:
    """A task or an option as the page writes it."""
    return WORDS.get(option, option.replace("-", " ").capitalize())


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

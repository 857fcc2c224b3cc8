"""The form of the Train tab: one control for each field of the configuration."""

import gradio as gr

from regime.config import ToyConfig
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.ui.form.inputs import choice, slider
from regime.ui.form.own_rows import OwnRows, own_rows
from regime.ui.form.settings import option_name, settings
from regime.ui.form.step_size import step_size
from regime.ui.form.thumbs import THUMBS
from regime.ui.parts import folded, markup
from regime.ui.run.examples import CONFIGS

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
START = CONFIGS["toy"]
SETTINGS = {
    "Network": {
        "parameterization": (
            "Parameterization",
            "How layers scale with width. In muP and mean field, features move at any width.",
        ),
        "activation": ("Activation", ""),
        "trainable": ("Trained layers", "Readout trains the last layer alone, on random features."),
        "weight_std": ("Weight scale", "Standard deviation of initial weights."),
        "bias_std": ("Bias scale", "Standard deviation of initial biases."),
        "init_scale": ("Initial scale", "Multiplies all initial parameters. Large is lazy."),
        "bias": ("Biases", "Every layer has them."),
        "bottleneck": ("Bottleneck", "Units of one narrow layer. Empty: none is narrow."),
        "bottleneck_layer": ("Narrow layer", "Its number among the hidden layers."),
        "centered": ("Centered output", "The function at the start is subtracted, so learning begins at zero."),
    },
    "Training": {
        "loss": ("Loss", "Cross-entropy needs a task with classes."),
        "optimizer": ("Optimizer", "GD takes all points in each step."),
        "batch_size": ("Batch size", "Points in each step. Empty: 32 for SGD, else all."),
        "momentum": ("Momentum", "Used by the Momentum optimizer."),
        "weight_decay": ("Weight decay", "0 means none."),
        "decoupled": ("Decoupled decay", "The decay is kept apart from momentum and Adam's scaling, as in AdamW."),
        "steps": ("Steps", "Number of training steps."),
        "measure_every": ("Measure every", "Steps between two measurements."),
        "max_seeds": ("Most seeds", "Seeds are added while a label would be a guess. Empty: none are."),
        "seed": ("Seed", "Random seed of the first network."),
    },
    "Data": {
        "samples": ("Samples", "Number of training points."),
        "test_samples": ("Held out", "Points for the held-out loss and error."),
        "probe_samples": ("Probe samples", "Held-out points on which kernels are compared."),
        "data_seed": ("Data seed", "Random seed of points and batches."),
        "input_noise": ("Input noise", "Empty: as much as the task has."),
        "label_noise": ("Label noise", "Share of labels that are changed; for numbers, the noise added."),
        "frequency": ("Frequency", "Used by the tasks Circle and Sine."),
        "sparsity": ("Sparsity", "Inputs that count in Parity; directions in Multi index."),
    },
}
"""Every other field of the configuration but the device: its label and a note, in groups."""
NUMBERS = "Columns of numbers, and the target. Training, held-out and probe samples come from these rows. At most 1 MB."


def toy_form() -> tuple[dict[str, gr.components.Component], OwnRows]:
    """Build the controls of the Train tab, by field, and its part for own rows."""
    tasks = {name: task.meaning for name, task in TASKS.items()} | {OWN: OWN_MEANING}
    names = [option_name(task) for task in tasks]
    controls = {
        "task": choice("toy", "task", "Task", list(tasks), START.task, names=names, pictures=THUMBS, hints=tasks),
    }
    own = own_rows(START, NUMBERS, "x1,x2,target\n0.3,1.2,yes\n0.7,-0.4,no")
    controls |= own.controls | {
        "width": slider(
            "toy",
            "width",
            "Width",
            WIDTHS,
            START.width,
            ends=("8, richer", "4096, lazier"),
            note="Units in each hidden layer.",
        ),
        "alpha": slider(
            "toy",
            "alpha",
            f"Output scale {ALPHA}",
            ALPHAS,
            START.alpha,
            ends=("0.01, richer", "100, lazier"),
            note=f"The output is multiplied by {ALPHA}: where it is large, small moves of the weights do.",
        ),
        "learning_rate": step_size(),
        "depth": choice("toy", "depth", "Hidden layers", range(1, 9), START.depth),
        "seeds": choice("toy", "seeds", "Seeds, trained together", (1, 4, 8, 16), START.seeds),
    }
    with folded("All settings"):
        for title, fields in SETTINGS.items():
            with gr.Column(elem_classes="group", min_width=0):
                markup(f"<h2>{title}</h2>", "title")
                controls |= settings(START, fields)
    return controls, own


def summary(config: ToyConfig) -> str:
    """Return the settings that are folded at first in one line."""
    named = (option_name(value) for value in (config.activation, config.parameterization, config.loss, config.optimizer))
    activation, scaled, loss, optimizer = named
    parts = (activation, f"{scaled} parameterization", f"{loss.lower()} loss", optimizer)
    return ", ".join([*parts, f"{config.samples} points", f"seed {config.seed}"])

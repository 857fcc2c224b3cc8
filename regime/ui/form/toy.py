"""The form of the Train tab: one control for each field of the configuration."""

from typing import Literal, get_args, get_origin

import gradio as gr

from regime.config import ToyConfig
from regime.config.tasks import CSV, CSV_MEANING, TASKS
from regime.ui.form.inputs import checkbox, choice, number_field, slider, text_field
from regime.ui.form.step_size import step_size
from regime.ui.form.thumbs import THUMBS
from regime.ui.run.examples import CONFIGS
from regime.ui.screen import markup

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
        "batch_size": ("Batch size", "Empty: 32 for SGD, else all points."),
        "momentum": ("Momentum", "For that optimizer."),
        "weight_decay": ("Weight decay", "0: none."),
        "decoupled": ("Decoupled decay", "Apart from momentum and Adam's scaling, as in AdamW."),
        "steps": ("Steps", "Training steps."),
        "measure_every": ("Measure every", "So many steps."),
        "max_seeds": ("Most seeds", "Added while the verdict straddles a bound. Empty: none are."),
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


def toy_form() -> dict[str, gr.components.Component]:
    """Build the controls, by field."""
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
        "learning_rate": step_size(),
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


def summary(config: ToyConfig) -> str:
    """The folded settings in one line."""
    named = (_name(value) for value in (config.activation, config.parameterization, config.loss, config.optimizer))
    activation, scaled, loss, optimizer = named
    said = (activation, f"{scaled} parameterization", f"{loss.lower()} loss", optimizer)
    return ", ".join([*said, f"{config.samples} points", f"seed {config.seed}"])

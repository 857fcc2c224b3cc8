"""The form of the Probe tab: one control for each field of the configuration."""

import gradio as gr

from regime.config.models import ADDITION
from regime.models.sources import available
from regime.models.texts import MEANINGS
from regime.ui.form.inputs import choice
from regime.ui.form.own_rows import OwnRows, own_rows
from regime.ui.form.settings import option_name, setting, settings
from regime.ui.parts import folded
from regime.ui.run.examples import CONFIGS

START = CONFIGS["probe"]
READOUTS = "Mean and Last token train a new head. Prompt and Next token train the model's own words."
ROWS = "I liked it,good\nNot for me,bad"
"""Rows as somebody may paste them."""
TEXTS = "Each line holds a text and its label, or a number; for Next token the text alone. A file is at most 1 MB."
TRAINED = {
    "trainable": ("Trained", "Patterns of parameter names, such as encoder.layer.1.* or **.bias; * is all."),
    "random_init": ("Random weights", "Start from a random initialization of the same architecture."),
    "forecast": ("Forecast", "Train the linearized twin beside the model."),
}
FURTHER = {
    "revision": ("Revision", "Branch, tag or commit of the model."),
    "prompt": ("Prompt", "A line with {text} and {mask}. Empty: the task's own."),
    "words": ("Words", "One word for each label, in alphabetical order of labels."),
    "samples": ("Samples", "Number of training texts."),
    "probe_samples": ("Probe samples", "Held-out texts on which kernels are compared."),
    "max_tokens": ("Tokens", "Longer texts are cut to this many."),
    "batch_size": ("Batch size", "Texts in each step. Empty: all."),
    "warmup": ("Warm-up", "Steps until the full step size is reached."),
    "momentum": ("Momentum", "Used by the Momentum optimizer."),
    "measure_every": ("Measure every", "Steps between two measurements."),
    "seed": ("Seed", "Random seed of the split and the first head."),
}


def probe_form() -> tuple[dict[str, gr.components.Component], OwnRows]:
    """Build the controls of the Probe tab, by field, and its part for own rows."""
    controls: dict[str, gr.components.Component] = {
        "model": model_menu(),
        "task": setting(START, "task", "Text task", MEANINGS[START.task] + " Source: is it about a movie or a product?"),
    }
    own = own_rows(START, TEXTS, ROWS)
    controls |= own.controls | {
        "readout": setting(START, "readout", "Readout", READOUTS),
        "head": setting(START, "head", "New head", "Fitted starts from a linear probe of the frozen features."),
        "optimizer": setting(START, "optimizer", "Optimizer", options=("adamw", "sgd", "momentum")),
        "learning_rate": setting(
            START, "learning_rate", "Step size", "Empty: 1e-4 for AdamW, 1e-2 for SGD, 1e-3 for Momentum. Larger is richer."
        ),
        "steps": setting(START, "steps", "Steps", "Number of fine-tuning steps, 0 to 1000."),
        "seeds": choice(
            "probe",
            "seeds",
            "Seeds",
            (1, 2, 3, 4),
            START.seeds,
            note="Each seed has a new head, or random weights, of its own.",
        ),
    }
    with folded("All settings"):
        controls |= settings(START, TRAINED)
        decays = ("none", "linear", "cosine")
        names = [decay.capitalize() for decay in decays]
        controls["decay"] = choice("probe", "decay", "Decay of the step", decays, START.decay, names=names)
        losses = ("mse", "cross-entropy")
        names = ("Default", *map(option_name, losses))
        note = "The default is squared for a new head."
        controls["loss"] = choice("probe", "loss", "Loss", ("", *losses), "", names=names, note=note)
        controls |= settings(START, FURTHER)
    return controls, own


def model_menu() -> gr.Dropdown:
    """Build a menu of the models that are known; any other may be named."""
    known = {name: facts["parameters"] / 1e6 for name, facts in available().items() if name != ADDITION}
    return gr.Dropdown(
        [(f"{name} ({millions:.3g} M parameters)", name) for name, millions in known.items()],
        value=START.model,
        label="Model",
        info="Choose one, or type a Hub id.",
        interactive=True,
        allow_custom_value=True,
        elem_id="probe-model",
    )

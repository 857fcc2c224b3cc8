"""The form of the Pretraining tab: one control for each field of the configuration."""

import gradio as gr

from regime.config.models import ADDITION
from regime.config.rows import OWN
from regime.models.texts import MEANINGS
from regime.ui.form.inputs import choice
from regime.ui.form.own_rows import OwnRows, own_rows
from regime.ui.form.probe import ROWS, TEXTS
from regime.ui.form.settings import option_name, setting, settings
from regime.ui.parts import folded
from regime.ui.run.examples import CONFIGS

START = CONFIGS["checkpoints"]
NAMED = {
    "model": ("Model", "A name from the catalog, a folder of REGIME_MODELS_DIR, or a Hub id."),
    "revisions": (
        "Revisions, in order",
        "Branches, tags, subfolders, or other-model@revision, separated by commas. Empty: all that ship with the model.",
    ),
}
EXAMPLES = {
    "samples": ("Examples", "Inputs on which the checkpoints are compared, 8 to 256."),
    "max_tokens": ("Tokens", "Longer texts are cut to this many."),
    "seed": ("Seed", "Random seed of the examples and the head."),
}
WORDS = {
    "prompt": ("Prompt", "A line with {text} and {mask}. Empty: the task's own."),
    "words": ("Words", "One word for each label."),
}


def checkpoints_form() -> tuple[dict[str, gr.components.Component], OwnRows]:
    """Build the controls of the Pretraining tab, by field, and its part for own rows."""
    tasks = {ADDITION: "Sums", **{name: option_name(name) for name in (*MEANINGS, OWN)}}
    controls: dict[str, gr.components.Component] = {
        **settings(START, NAMED),
        "task": choice("checkpoints", "task", "Task", list(tasks), START.task, names=list(tasks.values())),
        "readout": setting(
            START,
            "readout",
            "Readout",
            "Prompt reads the answer of a sum or a prompt; Mean and Last token add a random head that stays fixed.",
            ("prompt", "next-token", "mean", "last"),
        ),
    }
    own = own_rows(START, TEXTS, ROWS)
    controls |= own.controls
    with folded("All settings"):
        controls |= settings(START, EXAMPLES)
        controls |= settings(START, WORDS)
    return controls, own

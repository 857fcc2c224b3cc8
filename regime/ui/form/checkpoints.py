"""The form of the Pretraining tab: one control for each field of the configuration."""

from regime.config.models import ADDITION
from regime.config.rows import OWN
from regime.models.texts import MEANINGS
from regime.ui.form.config_form import ConfigForm
from regime.ui.form.own_rows import own_rows
from regime.ui.form.probe import ROWS, TEXTS
from regime.ui.form.settings import Labels, folded, named, setting, settings
from regime.ui.run.examples import CONFIGS

START = CONFIGS["checkpoints"]
REVISIONS = "Branches, tags, subfolders, or other-model@revision, separated by commas. Empty: all that ship with the model."
LABELS: Labels = {
    "model": ("", "A name from the catalog, a folder of REGIME_MODELS_DIR, or a Hub id."),
    "revisions": ("Revisions, in order", REVISIONS),
    "samples": ("Examples",),
}
READOUTS = "Prompt reads the answer of a sum or a prompt; Mean and Last token add a random head that stays fixed."


def checkpoints_form() -> ConfigForm:
    """Build the form of the Pretraining tab."""
    tasks = {ADDITION: "Sums", **named((*MEANINGS, OWN))}
    readouts = named(("prompt", "next-token", "mean", "last"))
    parts = [
        *settings(START, "model revisions", LABELS),
        setting(START, "task", note="", options=tasks, event="select"),
        setting(START, "readout", note=READOUTS, options=readouts, event="select"),
        own_rows(START, TEXTS, ROWS),
        folded(*settings(START, "samples max_tokens seed prompt words", LABELS)),
    ]
    return ConfigForm("checkpoints", parts, dict(START))

"""The form of the Probe tab: one control for each field of the configuration."""

from regime.config.models import ADDITION
from regime.models.sources import available
from regime.models.texts import MEANINGS
from regime.ui.form.config_form import ConfigForm
from regime.ui.form.own_rows import own_rows
from regime.ui.form.settings import Labels, folded, named, setting, settings
from regime.ui.run.examples import CONFIGS

START = CONFIGS["probe"]
READOUTS = "Mean and Last token train a new head. Prompt and Next token train the model's own words."
DECAYS = {"none": "None", "linear": "Linear", "cosine": "Cosine"}
RATES = "Empty: 1e-4 for AdamW, 1e-2 for SGD, 1e-3 for Momentum. Larger is richer."
ROWS = "I liked it,good\nNot for me,bad"
"""Rows as somebody may paste them."""
TEXTS = "Each line holds a text and its label, or a number; for Next token the text alone. A file is at most 1 MB."
LABELS: Labels = {
    "revision": ("", "Branch, tag or commit of the model."),
}
FURTHER = "revision prompt words samples probe_samples max_tokens batch_size warmup momentum measure_every seed"


def probe_form() -> ConfigForm:
    """Build the form of the Probe tab."""
    sizes = {name: facts["parameters"] / 1e6 for name, facts in available().items() if name != ADDITION}
    known = {name: f"{name} ({millions:.3g} M parameters)" for name, millions in sizes.items()}
    parts = [
        setting(START, "model", note="Choose one, or type a Hub id.", control="line", options=known),
        setting(
            START, "task", "Text task", MEANINGS[START.task] + " Source: is it about a movie or a product?", event="select"
        ),
        own_rows(START, TEXTS, ROWS),
        setting(START, "readout", note=READOUTS, event="select"),
        setting(START, "head", "New head", "Fitted starts from a linear probe of the frozen features."),
        setting(START, "optimizer", options=named(("adamw", "sgd", "momentum"))),
        setting(START, "learning_rate", note=RATES),
        setting(START, "steps", note="Number of fine-tuning steps, 0 to 1000."),
        setting(START, "seeds", options=named(range(1, 5))),
        folded(
            *settings(START, "trainable random_init forecast", LABELS),
            setting(START, "decay", "Decay of the step", "", options=DECAYS),
            setting(
                START,
                "loss",
                note="The default is squared for a new head.",
                options={None: "Default"} | named(("mse", "cross-entropy")),
            ),
            *settings(START, FURTHER, LABELS),
        ),
    ]
    return ConfigForm("probe", parts, dict(START))

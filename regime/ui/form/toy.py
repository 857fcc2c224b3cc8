"""The form of the Train tab: one control for each field of the configuration."""

from regime.config import ToyConfig
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.plots.words import option_name
from regime.ui.form.config_form import ConfigForm, Part
from regime.ui.form.own_rows import own_rows
from regime.ui.form.settings import Labels, folded, named, setting, settings
from regime.ui.run.examples import CONFIGS

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
START = CONFIGS["toy"]
SETTINGS = {
    "Network": "parameterization activation trainable weight_std bias_std init_scale bias bottleneck bottleneck_layer centered",
    "Training": "loss optimizer batch_size momentum weight_decay decoupled steps measure_every max_seeds seed",
    "Data": "samples test_samples probe_samples data_seed input_noise label_noise frequency sparsity",
}
"""What is folded at first, in groups."""
LABELS: Labels = {
    "parameterization": ("", "How layers scale with width. In muP and mean field, features move at any width."),
    "loss": ("", "Cross-entropy needs a task with classes."),
    "batch_size": ("", "Points in each step. Empty: 32 for SGD, else all."),
    "steps": ("", "Number of training steps."),
    "max_seeds": ("", "Seeds are added while a label would be a guess. Empty: none are."),
}
DRAWN = "Press to put a point of the chosen class, with Shift one of the other. Or: arrow keys, and Space. 16 at least."
NUMBERS = "Columns of numbers, and the target. Training, held-out and probe samples come from these rows. At most 1 MB."


def toy_form() -> ConfigForm:
    """Build the form of the Train tab."""
    hints = {name: task.meaning for name, task in TASKS.items()} | {OWN: OWN_MEANING}
    large = f"The output is multiplied by {ALPHA}: where it is large, small moves of the weights do."
    parts = [
        setting(START, "task", note="", options=named(hints), pictures=True, hints=hints, event="select"),
        own_rows(START, NUMBERS, "x1,x2,target\n0.3,1.2,yes\n0.7,-0.4,no", Part("pad", "Draw points", DRAWN, control="pad")),
        setting(START, "width", control="slider", options=named(WIDTHS), ends=("8, richer", "4096, lazier")),
        setting(START, "alpha", note=large, control="slider", options=named(ALPHAS), ends=("0.01, richer", "100, lazier")),
        setting(START, "learning_rate", note="", control="step"),
        setting(START, "depth", note="", options=named(range(1, 9))),
        setting(START, "seeds", "Seeds, trained together", "", options=named((1, 4, 8, 16))),
        folded(
            *(Part(title, title, control="group", parts=settings(START, names, LABELS)) for title, names in SETTINGS.items())
        ),
    ]
    return ConfigForm("toy", parts, dict(START))


def summary(config: ToyConfig) -> str:
    """Return the settings that are folded at first in one line."""
    shown = (option_name(value) for value in (config.activation, config.parameterization, config.loss, config.optimizer))
    activation, scaled, loss, optimizer = shown
    parts = (activation, f"{scaled} parameterization", f"{loss.lower()} loss", optimizer)
    return ", ".join([*parts, f"{config.samples} points", f"seed {config.seed}"])

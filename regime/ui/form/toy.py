"""The form of the Train tab."""

from regime.config import ToyConfig
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.plots.words import option_name
from regime.ui.form.config_form import ConfigForm
from regime.ui.form.settings import form, named
from regime.ui.run.examples import CONFIGS

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)


def toy_form() -> ConfigForm:
    """Build the form of the Train tab."""
    hints = {name: task.meaning for name, task in TASKS.items()} | {OWN: OWN_MEANING}
    task, stops = {"options": named(hints), "hints": hints}, {"width": named(WIDTHS), "alpha": named(ALPHAS)}
    sliders = {name: {"options": options} for name, options in stops.items()}
    return form("toy", ToyConfig, dict(CONFIGS["toy"]), task=task, **sliders)


def summary(config: ToyConfig) -> str:
    """Return the settings that are folded at first in one line."""
    shown = (option_name(value) for value in (config.activation, config.parameterization, config.loss, config.optimizer))
    activation, scaled, loss, optimizer = shown
    parts = (activation, f"{scaled} parameterization", f"{loss.lower()} loss", optimizer)
    return ", ".join([*parts, f"{config.samples} points", f"seed {config.seed}"])

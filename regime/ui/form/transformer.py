"""The forms of the Probe and the Pretraining tab."""

from regime.config import CheckpointConfig, ProbeConfig
from regime.config.models import ADDITION
from regime.config.rows import OWN
from regime.models.sources import available
from regime.models.texts import MEANINGS
from regime.ui.form.config_form import ConfigForm
from regime.ui.form.settings import form, named
from regime.ui.run.examples import CONFIGS


def probe_form() -> ConfigForm:
    """Build the form of the Probe tab."""
    sizes = {name: facts["parameters"] / 1e6 for name, facts in available().items() if name != ADDITION}
    models = {name: f"{name} ({millions:.3g} M parameters)" for name, millions in sizes.items()}
    losses = {None: "Default"} | named(("mse", "cross-entropy"))
    return form("probe", ProbeConfig, dict(CONFIGS["probe"]), model={"options": models}, loss={"options": losses})


def checkpoints_form() -> ConfigForm:
    """Build the form of the Pretraining tab."""
    tasks = {ADDITION: "Sums", **named((*MEANINGS, OWN))}
    return form("checkpoints", CheckpointConfig, dict(CONFIGS["checkpoints"]), task={"options": tasks})

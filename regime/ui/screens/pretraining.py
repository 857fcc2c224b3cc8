"""The Pretraining tab: the same measures between checkpoints of one model."""

from regime.config import CheckpointConfig
from regime.config.models import ADDITION, MAIN
from regime.config.rows import OWN
from regime.models.texts import MEANINGS
from regime.ui.form.config_form import form, named
from regime.ui.parts import column, page
from regime.ui.run.examples import CONFIGS
from regime.ui.run.runs import Refusal, as_text
from regime.ui.screens.probe import TransformerScreen, middle

KIND = "checkpoints"


class PretrainingScreen(TransformerScreen):
    """The Pretraining tab."""

    kind = KIND
    own_story = "Your own checkpoints: everything is measured against the first of them."


def pretraining_tab() -> PretrainingScreen:
    """Build the Pretraining tab and connect it."""
    with page(KIND, "two"):
        with column("controls"):
            tasks = {ADDITION: "Sums", **named((*MEANINGS, OWN))}
            controls = form(KIND, (CheckpointConfig,), dict(CONFIGS[KIND]), task={"options": tasks})
        text = "A finished comparison. Name a model and its revisions, or start from a preset."
        with column("middle"):
            middle(KIND, text, ("abilities", "from-first"))
            return PretrainingScreen(controls)


def compared(before: str | None, after: str | None) -> CheckpointConfig:
    """Return the comparison of two models, each a `model`, or `model@revision`; raises gr.Error where one is not allowed."""
    if not before or not after:
        raise Refusal("Name a model before and one after.")
    (name, revision), other = (_named(text) for text in (before, after))
    reads = {"task": ADDITION, "readout": "prompt"} if name == ADDITION else {"task": "sentiment", "readout": "mean"}
    with as_text():
        return CheckpointConfig(model=name, revisions=(revision, "@".join(other)), **reads)


def _named(text: str) -> tuple[str, str]:
    """Split `model`, or `model@revision`, into both."""
    name, _, revision = text.partition("@")
    return name.strip(), revision.strip() or MAIN

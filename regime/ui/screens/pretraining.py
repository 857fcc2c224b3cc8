"""The Pretraining tab: the same measures between checkpoints of one model."""

from typing import Any

import gradio as gr

from regime.config import CheckpointConfig
from regime.config.models import ADDITION, MAIN
from regime.config.rows import OWN
from regime.models.texts import MEANINGS
from regime.ui.form.config_form import ConfigForm, form, named
from regime.ui.parts import column, page
from regime.ui.run.examples import CONFIGS
from regime.ui.run.runs import Refusal, as_text
from regime.ui.screen import HIDDEN, Updates
from regime.ui.screens.probe import TransformerScreen, middle_column

KIND = "checkpoints"


class PretrainingScreen(TransformerScreen):
    """The Pretraining tab, which also compares the two models that are named in the Probe tab."""

    kind = KIND
    own_story = "Your own checkpoints: everything is measured against the first of them."

    def compare(self, named: dict[str, Any]) -> Updates:
        """Open the comparison of two models.

        Args:
            named: before and after, each a `model`, or `model@revision`.

        Raises:
            gr.Error: a model is missing or not allowed.
        """
        before, after = named["before"], named["after"]
        if not before or not after:
            raise Refusal("Name a model before and one after.")
        (name, revision), other = (_named(text) for text in (before, after))
        reads = {"task": ADDITION, "readout": "prompt"} if name == ADDITION else {"task": "sentiment", "readout": "mean"}
        with as_text():
            config = CheckpointConfig(model=name, revisions=(revision, "@".join(other)), **reads)
        return self.opening(config)


def pretraining_tab() -> PretrainingScreen:
    """Build the Pretraining tab and connect it."""
    with page(KIND, "two"):
        with column("controls"):
            tasks = {ADDITION: "Sums", **named((*MEANINGS, OWN))}
            controls = form(KIND, (CheckpointConfig,), dict(CONFIGS[KIND]), task={"options": tasks})
        text = "A finished comparison. Name a model and its revisions, or start from a preset."
        layout = middle_column(KIND, text, controls, ("abilities", "from-first"))
    return PretrainingScreen(layout)


def connect_comparison(screen: PretrainingScreen, button: gr.Button, named: ConfigForm, tabs: gr.Tabs) -> None:
    """Let the Probe tab's comparison of two models run in this tab.

    Args:
        screen: this tab's.
        button: what starts a comparison.
        named: the form that names the models before and after.
        tabs: of the page; this one is selected.
    """

    def compare(models: Any) -> Updates:
        return {tabs: gr.update(selected="pretraining"), **screen.compare(named.fields(models))}

    button.click(compare, named.html, [tabs, screen.feed], **HIDDEN)


def _named(text: str) -> tuple[str, str]:
    """Split `model`, or `model@revision`, into both."""
    name, _, revision = text.partition("@")
    return name.strip(), revision.strip() or MAIN

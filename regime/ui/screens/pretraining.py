"""The Pretraining tab: the same measures between checkpoints of one model."""

from typing import Any

import gradio as gr

from regime.config import CheckpointConfig
from regime.config.models import ADDITION, MAIN
from regime.ui.form.checkpoints import checkpoints_form
from regime.ui.form.config_form import ConfigForm
from regime.ui.panels.charts import ACCURACIES, DISTANCES, SHARES, TEXT_LOSSES, curves
from regime.ui.panels.dial import dial
from regime.ui.parts import column, page
from regime.ui.run.board import Board
from regime.ui.run.runs import as_text
from regime.ui.run.visit import Visit
from regime.ui.screen import HIDDEN, Updates
from regime.ui.screens.transformer import TransformerScreen, middle_column

KIND = "checkpoints"


class PretrainingScreen(TransformerScreen):
    """The Pretraining tab, which also compares the two models that are named in the Probe tab."""

    kind = KIND
    own_story = "Your own checkpoints: everything is measured against the first of them."

    def compare(self, visit: Visit | None, named: dict[str, Any], value: Any) -> Updates:
        """Fill the form with two models, and start.

        Args:
            visit: the visitor's; None at the first press.
            named: before and after, each a `model`, or `model@revision`.
            value: the form's.

        Raises:
            gr.Error: a model is missing or not allowed.
        """
        before, after = named["before"], named["after"]
        if not before or not after:
            raise gr.Error("Name a model before and one after.", print_exception=False)
        (name, revision), other = (_named(text) for text in (before, after))
        reads = {"task": ADDITION, "readout": "prompt"} if name == ADDITION else {"task": "sentiment", "readout": "mean"}
        with as_text():
            config = CheckpointConfig(model=name, revisions=(revision, "@".join(other)), **reads)
        return {**self.fill(config, value), **self.press(visit)}


def pretraining_tab() -> PretrainingScreen:
    """Build the Pretraining tab and connect it."""
    with page(KIND, "two") as head:
        with column("controls"):
            form = checkpoints_form()
        text = "Name a model and its revisions, or start from a preset."
        top = {_dial: "v-dial", _abilities: "v-side", _distances: "v-side"}
        layout = middle_column(KIND, text, head, form, top)
    return PretrainingScreen(layout)


def connect_comparison(screen: PretrainingScreen, button: gr.Button, named: ConfigForm, tabs: gr.Tabs) -> None:
    """Let the Probe tab's comparison of two models run in this tab.

    Args:
        screen: this tab's.
        button: what starts a comparison.
        named: the form that names the models before and after.
        tabs: of the page; this one is selected.
    """

    def compare(visit: Visit | None, models: Any, value: Any) -> Updates:
        return screen.compare(visit, named.fields(models), value)

    pressed = button.click(compare, [screen.state, named.html, screen.form.html], screen.filled, **HIDDEN)
    screen.run_filled(pressed)
    pressed.then(lambda: gr.update(selected="pretraining"), None, tabs, **HIDDEN)


def _named(text: str) -> tuple[str, str]:
    """Split `model`, or `model@revision`, into both."""
    name, _, revision = text.partition("@")
    return name.strip(), revision.strip() or MAIN


def _dial(board: Board) -> str:
    return dial(board, "From the first checkpoint to this one")


def _abilities(board: Board) -> str:
    sums, words = board.config.get("task") == ADDITION, board.config.get("readout") == "next-token"
    note = (
        "Mean negative log-probability of a token."
        if words
        else f"Share of {'sums' if sums else 'texts'} that the model gets right."
    )
    drawn = curves(board, TEXT_LOSSES, what="Loss") if words else curves(board, ACCURACIES, what="Accuracy", axis=SHARES)
    return f'<h2>What it can do</h2><p class="sub">{note}</p>{drawn}'


def _distances(board: Board) -> str:
    drawn = curves(board, DISTANCES, what="Distance from the first checkpoint", most=4)
    return f'<h2>Distance from the first checkpoint</h2><p class="sub">How far kernel and last features moved.</p>{drawn}'

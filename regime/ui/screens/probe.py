"""The Probe tab: a pretrained transformer, fine-tuned and measured layer by layer."""

import gradio as gr

from regime.ui.form.config_form import ConfigForm, Part
from regime.ui.form.probe import probe_form
from regime.ui.panels.charts import KERNELS, PROBE_LOSSES, curves
from regime.ui.panels.dial import dial
from regime.ui.parts import column, folded, page
from regime.ui.run.board import Board
from regime.ui.screens.transformer import TransformerScreen, middle_column

KIND = "probe"


class ProbeScreen(TransformerScreen):
    """The Probe tab."""

    kind = KIND
    own_story = "Your own settings. Blocks whose kernel turns learn features; the others are used as they were found."


def probe_tab() -> tuple[ProbeScreen, gr.Button, ConfigForm]:
    """Build the Probe tab and connect it; return also the button that compares two models, and the form that names them."""
    with page(KIND, "two") as head:
        with column("controls"):
            form = probe_form()
            with folded("Compare two models"):
                note = "A model, or model@revision: from the catalog, a folder of REGIME_MODELS_DIR, or a Hub id."
                before, after = Part("before", "Before", note), Part("after", "After", "A model of the same architecture.")
                named = ConfigForm("compare", (before, after), {})
                compare = gr.Button("Compare", elem_id="compare-run")
        text = "Choose a model and press Run, or start from a preset."
        top = {_dial: "v-dial", _loss: "v-side", _kernels: "v-side"}
        layout = middle_column(KIND, text, head, form, top)
    return ProbeScreen(layout), compare, named


def _dial(board: Board) -> str:
    return dial(board, "Training regime, all layers together")


def _loss(board: Board) -> str:
    what = (
        "Mean negative log-probability of a token." if board.config.get("readout") == "next-token" else "Mean over the texts."
    )
    drawn = curves(board, PROBE_LOSSES, what="Loss")
    return f'<h2>Loss</h2><p class="sub">{what} Dashed: the linearized twin.</p>{drawn}'


def _kernels(board: Board) -> str:
    drawn = curves(board, KERNELS, what="Kernel of all layers", most=4)
    return f'<h2>Kernel, all layers</h2><p class="sub">Distance leaves out growth: it is turning alone.</p>{drawn}'

"""The Probe tab: a pretrained transformer, fine-tuned and measured layer by layer."""

import gradio as gr

from regime.ui.form.config_form import ConfigForm
from regime.ui.form.settings import form
from regime.ui.form.transformer import probe_form
from regime.ui.parts import column, folded, page
from regime.ui.screens.transformer import TransformerScreen, middle_column

KIND = "probe"


class ProbeScreen(TransformerScreen):
    """The Probe tab."""

    kind = KIND
    own_story = "Your own settings. Blocks whose kernel turns learn features; the others are used as they were found."


def probe_tab() -> tuple[ProbeScreen, gr.Button, ConfigForm]:
    """Build the Probe tab and connect it; return also the button that compares two models, and the form that names them."""
    with page(KIND, "two"):
        with column("controls"):
            fields = probe_form()
            with folded("Compare two models"):
                named = form("compare", None, {})
                compare = gr.Button("Compare", elem_id="compare-run")
        text = "A finished probe. Choose a model and what it is to learn, or start from a preset."
        layout = middle_column(KIND, text, fields, ("probe-loss", "probe-kernels"))
    return ProbeScreen(layout), compare, named

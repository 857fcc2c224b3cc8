"""The Probe tab: a pretrained transformer, fine-tuned and measured layer by layer; and what it shares with Pretraining."""

from typing import Any

import gradio as gr

import regime
from regime.config import CheckpointConfig, ProbeConfig
from regime.config.models import ADDITION
from regime.models.sources import available, remote
from regime.resources.limits import limits
from regime.ui.form.config_form import ConfigForm, form, named
from regime.ui.parts import column, page, panels, places
from regime.ui.run.examples import CONFIGS
from regime.ui.run.runs import beyond
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.text import byte_size, duration, render

KIND = "probe"


class TransformerScreen(OwnRowsScreen):
    """A tab whose runs need a model."""

    def estimate(self, config: ProbeConfig | CheckpointConfig) -> dict[str, Any]:
        """Say how many seconds and bytes a run will take, from a few passes through the model; nothing is fetched for that."""
        if any(remote(*each) for each in config.named):
            return {"notice": "The model is looked up, checked and fetched from the Hub when the run starts."}
        cost = regime.estimate(config)
        about = f"This run: about {duration(max(1.0, cost.seconds))} and {byte_size(cost.bytes)} here."
        return {"notice": f"{about} {beyond(config, cost) or ''}", "bad": cost.seconds > limits().max_seconds}


class ProbeScreen(TransformerScreen):
    """The Probe tab."""

    kind = KIND
    own_story = "Your own settings. Blocks whose kernel turns learn features; the others are used as they were found."


def probe_tab() -> tuple[ProbeScreen, gr.Button, ConfigForm]:
    """Build the Probe tab and connect it; return also the button that compares two models, and the form that names them."""
    with page(KIND, "two"):
        with column("controls"):
            fields = probe_form()
            with gr.Accordion("Compare two models", open=False, elem_classes="all-settings"):
                models = form("compare", (), {})
                compare = gr.Button("Compare", elem_id="compare-run")
        text = "A finished probe. Choose a model and what it is to learn, or start from a preset."
        with column("middle"):
            middle(KIND, text, ("probe-loss", "probe-kernels"))
            return ProbeScreen(fields), compare, models


def probe_form() -> ConfigForm:
    """Build the form of the Probe tab."""
    sizes = {name: facts["parameters"] / 1e6 for name, facts in available().items() if name != ADDITION}
    models = {name: f"{name} ({millions:.3g} M parameters)" for name, millions in sizes.items()}
    losses = {None: "Default"} | named(("mse", "cross-entropy"))
    return form("probe", (ProbeConfig,), dict(CONFIGS["probe"]), model={"options": models}, loss={"options": losses})


def middle(kind: str, text: str, top: tuple[str, ...]) -> None:
    """Build the middle column of a tab.

    Args:
        kind: of the run.
        text: the line below the buttons at the start.
        top: the panels beside the dial.
    """
    beside = f'<div class="top">{panels("dial")}{panels(*top, css="v-side")}</div>'
    places(render("transport", kind=kind, text=text), beside, panels("time", "blocks", "clouds", "compare"))
    with gr.Accordion("All layers, by module", open=False, elem_classes="all-layers"):
        places(panels("modules", css="v-layers"))

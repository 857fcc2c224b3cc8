"""What the tabs of transformers share: the middle column, with its panels and the table of all layers."""

from typing import Any

import regime
from regime.config import CheckpointConfig, ProbeConfig
from regime.models.sources import remote
from regime.resources.limits import limits
from regime.ui.form.config_form import ConfigForm
from regime.ui.parts import Layout, column, folded, laid_out, panels, places, transport
from regime.ui.run.runs import beyond
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.text import byte_size, duration


class TransformerScreen(OwnRowsScreen):
    """A tab whose runs need a model."""

    def estimate(self, config: ProbeConfig | CheckpointConfig) -> dict[str, Any]:
        """Say how many seconds and bytes a run will take, from a few passes through the model; nothing is fetched for that."""
        if any(remote(*named) for named in config.named):
            return {"notice": "The model is looked up, checked and fetched from the Hub when the run starts."}
        cost = regime.estimate(config)
        about = f"This run: about {duration(max(1.0, cost.seconds))} and {byte_size(cost.bytes)} here."
        return {"notice": f"{about} {beyond(config, cost) or ''}", "bad": cost.seconds > limits().max_seconds}


def middle_column(kind: str, text: str, form: ConfigForm, top: tuple[str, ...]) -> Layout:
    """Build the middle column of a tab and return the tab's components.

    Args:
        kind: of the run.
        text: the line below the buttons at the start.
        form: of the tab, already built.
        top: the panels beside the dial.
    """
    with column("middle"):
        beside = f'<div class="top">{panels("dial")}{panels(*top, css="v-side")}</div>'
        places(transport(kind, text), beside, panels("time", "blocks", "clouds", "compare"))
        with folded("All layers, by module", "all-layers"):
            places(panels("modules", css="v-layers"))
        return laid_out(form, kind)

"""What the tabs of transformers share: the middle column, with its views and the table of all layers."""

import gradio as gr

import regime
from regime.config import CheckpointConfig, ProbeConfig
from regime.models.sources import remote
from regime.resources.limits import limits
from regime.ui.form.config_form import ConfigForm
from regime.ui.panels.comparison import comparison
from regime.ui.panels.table import block_table, full_table
from regime.ui.parts import Draw, Head, Layout, column, exports, folded, notice, transport, view
from regime.ui.run.board import Board
from regime.ui.run.runs import beyond
from regime.ui.screen import Updates
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.static_files import script
from regime.ui.text import byte_size, duration


class TransformerScreen(OwnRowsScreen):
    """A tab whose runs need a model."""

    def estimate(self, config: ProbeConfig | CheckpointConfig) -> Updates:
        """Say how many seconds and bytes a run will take, from a few passes through the model; nothing is fetched for that."""
        if any(remote(*named) for named in config.named):
            text = "The model is looked up, checked and fetched from the Hub when the run starts."
            return {self.transport.notice: notice(text)}
        cost = regime.estimate(config)
        about = f"This run: about {duration(max(1.0, cost.seconds))} and {byte_size(cost.bytes)} here."
        css = "bad" if cost.seconds > limits().max_seconds else ""
        return {self.transport.notice: notice(f"{about} {beyond(config, cost) or ''}", css)}


def middle_column(kind: str, text: str, head: Head, form: ConfigForm, top: dict[Draw, str]) -> Layout:
    """Build the middle column of a tab and return the tab's components.

    Args:
        kind: of the run.
        text: the line below the buttons at the start.
        head, form: of the tab, already built.
        top: the views over the table of blocks: what draws each -> its class.
    """
    views = {}
    with column("middle"):
        buttons = transport(kind, text)
        with gr.Row(elem_classes="top"):
            for draw, css in top.items():
                views |= view(kind, draw, css)
        views |= view(kind, block_table, "v-blocks") | view(kind, comparison, "v-compare")
        with folded("All layers, by module", "all-layers"):
            layers = view(kind, _layers, "v-layers", js_on_load=script("sort"))
        taken = exports(kind)
    return Layout(head, form, buttons, taken, views, final=layers)


def _layers(board: Board) -> str:
    note = "Press a heading to sort. A dash is a value that is undefined; hover over it to read why."
    return f'<p class="sub">{note}</p>{full_table(board)}'

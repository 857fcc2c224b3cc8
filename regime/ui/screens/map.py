"""The Map tab: the regime over two fields of a configuration or more."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

import regime
from regime.config import Runnable, SweepConfig
from regime.ui.form.sweep import sweep_config, sweep_form, sweep_values
from regime.ui.parts import column, markup, page, places
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.mapframes import counts, heatmap, laws
from regime.ui.run.runs import beyond
from regime.ui.run.visit import Visit
from regime.ui.screen import Screen, Updates
from regime.ui.static_files import script
from regime.ui.text import duration, render

KIND = "sweep"


class MapScreen(Screen):
    """The Map tab, whose form is not its configuration's fields one by one."""

    kind = KIND
    own_story = "Your own map. Every cell is a run as in the Train tab, with its own seeds; press one to see it."

    def estimate(self, config: SweepConfig) -> dict[str, Any]:
        """Say how long a sweep will take, as counted from its configuration."""
        cost = regime.estimate(config)
        each = f"{config.size} cells, {config.seeds or config.base.seeds} seeds each"
        about = f"{each}: about {duration(max(1.0, cost.seconds))} here."
        refused = beyond(config, cost)
        return {"notice": f"{about} {refused or ''}", "bad": bool(refused)}

    def fill(self, config: SweepConfig, value: Any) -> Updates:
        """Fill the form, whose value is given, from a configuration."""
        return self.give(value, sweep_values(config))

    def config(self, value: Any) -> SweepConfig:
        """Return the configuration that the form's value describes; raises ConfigError."""
        return sweep_config(self.form.fields(value))

    def open(self, asked: Mapping[str, Any], value: Any) -> tuple[Updates, Runnable | None]:
        """Fill the form with what was asked for, and return that with the seeds of the form, which a link may leave out."""
        changed, config = super().open(asked, value)
        return changed, config.model_copy(update={"seeds": config.seeds or config.base.seeds})

    def draw(self, visit: Visit, **more: Any) -> Updates:
        """Draw what changes at every cell."""
        cells, counted, _ = self.views
        return {**super().draw(visit, **more), cells: heatmap(visit.board), counted: counts(visit.board)}

    def show_all(self, visit: Visit) -> Updates:
        """Show everything as a sweep's begin or end has it."""
        return super().show_all(visit) | {self.views[-1]: laws(visit.board)}

    def cell(self, visit: Visit, value: Any) -> regime.ToyConfig | regime.ProbeConfig | None:
        """Return the configuration of the cell that was pressed in the map that is shown, if it has one."""
        board = visit.board
        match value:
            case {"picked": [int(index), *_]} if board.config and 0 <= index < board.parsed.size:
                return board.parsed.cell(index)
        return None


def map_tab() -> tuple[MapScreen, gr.HTML]:
    """Build the Map tab and connect it; return also the map, whose cells can be pressed."""
    with page(KIND, "two"):
        with column("controls"):
            form = sweep_form(CONFIGS[KIND])
        with column("middle"):
            about = "A finished map. Choose what to sweep, or start from a preset."
            places(render("transport", kind=KIND, text=about))
            with gr.Row(elem_classes="map-row"):
                with column("map-side"):
                    markup(render("map_head"))
                    look = {"html_template": render("map"), "js_on_load": script("map"), "elem_id": "map"}
                    cells = markup(heatmap(example(KIND)), "view v-map", **look)
                counted = markup(counts(example(KIND)), ["view", "v-counts"])
            fitted = markup(laws(example(KIND)), ["view", "v-laws"])
            return MapScreen(form, cells, counted, fitted), cells

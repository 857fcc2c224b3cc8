"""The Map tab: the regime over two knobs or more."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

import regime
from regime.config import SweepConfig
from regime.ui.form.inputs import give, received
from regime.ui.form.presets import chips, first
from regime.ui.form.sweep import read, sweep_form, written
from regime.ui.panels.findings import counts, laws
from regime.ui.panels.glossary import term
from regime.ui.panels.heatmap import heatmap, map_view, picked
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.link import link_button
from regime.ui.run.runs import beyond
from regime.ui.run.visit import Visit
from regime.ui.screen import HIDDEN, Opening, Stage, Updates, exports, intro, markup, notice, story, transport, view
from regime.ui.text import duration

KIND = "sweep"
OWN_STORY = "Your own map. Every cell is a run as in the Train tab, with its own seeds; press one to see it."
PLACES = {"toy": "train", "probe": "probe"}


class Map(Stage):
    """The Map tab's own: its form is not its configuration's fields one by one."""

    def ahead(self, config: SweepConfig) -> Updates:
        """Time, as counted from the configuration."""
        cost = regime.estimate(config)
        each = f"{config.size} cells, {config.seeds or config.base.seeds} seeds each"
        about = f"{each}: about {duration(max(1.0, cost.seconds))} here."
        refused = beyond(config, cost)
        return {self.opening.notice: notice(f"{about} {refused}", "bad") if refused else notice(about)}

    def fill(self, config: SweepConfig) -> Updates:
        """The form as a configuration has it."""
        return {self.controls[name]: give(value) for name, value in written(config).items()}

    def config(self, values: Sequence[Any]) -> SweepConfig:
        """The configuration that the form's values describe; raises ConfigError."""
        return read(dict(zip(self.controls, map(received, values), strict=True)))

    def cell(self, visit: Visit | None, value: Any) -> regime.ToyConfig | regime.ProbeConfig | None:
        """The configuration of the cell that was pressed, of the map that is shown."""
        fields = visit.board.config if visit else example(KIND).config
        index = picked(value)
        config = SweepConfig(**fields) if fields else None
        return config.cell(index) if config and index is not None and 0 <= index < config.size else None


def map_tab() -> tuple[Map, gr.HTML]:
    """Build the tab and wire its run; also the map, whose cells can be pressed."""
    board = example(KIND)
    intro()
    with gr.Row(elem_classes="starts"):
        presets = chips(KIND)
        link = link_button(board.config)
    told = markup(story(first(KIND).story), "story-box")
    with gr.Row(elem_classes="page two"):
        with gr.Column(elem_classes="col controls", min_width=0):
            controls = sweep_form(CONFIGS[KIND])
        with gr.Column(elem_classes="col middle", min_width=0):
            buttons = transport(KIND, steps=False)
            line = markup(notice("A finished map. Choose what to sweep, or start from a preset."), "notice-box")
            with gr.Row(elem_classes="map-row"):
                with gr.Column(min_width=0, elem_classes="col map-side"):
                    markup(f'<div class="head"><div><h3>The map of regimes</h3><p>{NOTE}</p></div></div>')
                    shown = map_view(board)
                counted = view(KIND, counts, "v-counts")
            found = view(KIND, laws, "v-laws")
            taken = exports(KIND, link)
    stage = Map(
        KIND,
        controls,
        {shown: heatmap, counted: counts},
        buttons,
        taken,
        opening=Opening(presets, told, line),
        own_story=OWN_STORY,
        final={found: laws},
    )
    return stage, shown


NOTE = (
    f"Each cell is a network trained in earnest, with its {term('interval', 'interval')}. Solid: where the kernel changes by "
    "0.1 and by 0.5 of itself; dashed: the slope that theory expects. Hatched: no verdict."
)


def connect_cells(stage: Map, shown: gr.HTML, runs: dict[str, Stage], tabs: gr.Tabs) -> None:
    """A press on a cell opens its run in the tab that it belongs to, and leaves the others alone."""
    chosen = {kind: run.asked() for kind, run in runs.items()}

    def choose(visit: Visit | None, value: Any) -> Updates:
        cell = stage.cell(visit, value)
        if cell is None:
            return {tabs: gr.skip()}
        return {tabs: gr.update(selected=PLACES[cell.kind]), chosen[cell.kind]: [cell.to_dict(), value["picked"]]}

    shown.submit(choose, [stage.state, shown], [tabs, *chosen.values()], **HIDDEN)

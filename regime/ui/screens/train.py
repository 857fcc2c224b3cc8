"""The Train tab: a toy network beside its linearized twin; and the search for the border between two regimes.

The page asks for a search through one component, and hears all of it in every frame.
"""

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr

from regime.composer import trial
from regime.composer.search import with_all_seeds
from regime.config import ToyConfig
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.plots.words import option_name
from regime.toy.preview import preview
from regime.ui.form.config_form import ConfigForm, form, named
from regime.ui.form.presets import GALLERY, first
from regime.ui.parts import column, markup, page, panels, places
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.frames import without_rows
from regime.ui.run.link import query
from regime.ui.run.runs import COMPUTE, Fields, Presses, readable, search
from regime.ui.screen import HIDDEN, request_of
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.text import duration, in_labels, render

KIND = "toy"
QUICK = 2.0
"""Seconds of training below which a run starts by itself when a knob is let go."""
BATCHES = 2
"""Of values of alpha that trying a run's advice usually takes, one after another."""
PREVIEW_BYTES = 2**29
"""Runs that need more are not previewed: it would take too long while a slider moves."""

WIDTHS = (*(int(step * 2**power) for power in range(3, 12) for step in (1, 1.5)), 4096)
ALPHAS = (*(round(step * 10.0**power, 3) for power in range(-2, 2) for step in (1, 1.5, 2, 3, 5, 7)), 100.0)
SHOWN = ("value", "label", "index", "interval", "agree")
"""Of a run that was tried."""


class TrainScreen(OwnRowsScreen):
    """The Train tab, which previews the step size of a run."""

    kind = KIND
    own_story = (
        "Your own settings. Where the network leaves its twin behind it learns features, <b>rich</b>; where the two agree it "
        "is <b>lazy</b>."
    )

    def estimate(self, config: ToyConfig) -> dict[str, Any]:
        """Say what step size and time a run will take, from a short look at the network's kernel."""
        asked = {"searched": searched(config)}
        if config.workspace > PREVIEW_BYTES:
            return asked | {"notice": "A large run: its step size is chosen when it starts."}
        known = preview(config)
        rate = {"auto": known.learning_rate, "top": known.top, "edges": [*known.edges]}
        # After the last step the advice is tried, where that costs little enough.
        batch = trial.seconds(config, len(trial.SHARES))
        seconds = known.seconds + (BATCHES * batch if batch <= trial.AFFORDABLE else 0.0)
        about = f"{summary(config)}: about {duration(max(1.0, seconds))} here."
        return asked | {"notice": about, "rate": rate, "quick": known.seconds < QUICK}


def train_tab() -> TrainScreen:
    """Build the Train tab and connect it."""
    with page(KIND, "three"):
        with column("controls"):
            controls = toy_form()
        with column("middle"):
            about = f"{summary(first(KIND).config)}. Turn a knob, or start from a preset."
            places(
                panels("pictures", "features"),
                render("transport", kind=KIND, text=about),
                panels("time", "loss", "compare", "layers"),
            )
            screen = TrainScreen(controls, rate=_shipped_rate())
            markup(gallery(), "gallery")
        with column("right"):
            places(panels("dial", "distances", "kernels", "outcome", "border"))
    connect_border(screen)
    return screen


def toy_form() -> ConfigForm:
    """Build the form of the Train tab."""
    hints = {name: task.meaning for name, task in TASKS.items()} | {OWN: OWN_MEANING}
    task = {"options": named(hints), "hints": hints}
    width, alpha = ({"options": named(stops)} for stops in (WIDTHS, ALPHAS))
    return form("toy", (ToyConfig,), dict(CONFIGS["toy"]), task=task, width=width, alpha=alpha)


def summary(config: ToyConfig) -> str:
    """Return the settings that are folded at first in one line."""
    shown = (option_name(value) for value in (config.activation, config.parameterization, config.loss, config.optimizer))
    activation, scaled, loss, optimizer = shown
    network = f"{activation}, {scaled} parameterization"
    return f"{network}, {loss.lower()} loss, {optimizer}, {config.samples} points, seed {config.seed}"


def gallery() -> str:
    """Draw links to runs worth seeing that no preset has, each with what to see in it."""
    return render("gallery", runs=[(run, query(run.config)) for run in GALLERY])


def _shipped_rate() -> dict[str, Any]:
    """Return what the shipped run says of the step size of runs like it, as `estimate` does, without computing."""
    board = example(KIND)
    rate, first = board.started["learning_rate"], board.history[0]["seeds"]["stability"]
    edges = [part["value"] for part in board.started["references"] if part["measure"] == "stability"]
    return {"auto": rate, "top": max(first) / rate, "edges": edges}


def searched(config: ToyConfig) -> Fields:
    """Return the configuration of the runs of a search, own rows as a mark."""
    return without_rows(with_all_seeds(config).to_dict())


def connect_border(screen: TrainScreen) -> None:
    """Build what the page finds borders through, and connect it to the form of a tab."""

    def find(presses: Presses, asked: Any, value: Any, request: gr.Request) -> Iterator[Any]:
        yield gr.skip()  # of a generator without any, Gradio would empty the output
        presses.newest += 1
        if (asked := request_of(asked)).get("do") == "find":
            how = {name: asked.get(name) for name in ("axis", "side")}
            for frame in presses.follow(events(value, request.session_hash, how), {**how, "seen": []}, taken):
                yield json.dumps(frame | ({"error": in_labels(frame["error"])} if "error" in frame else {}))

    def events(value: Any, visitor: str | None, how: Fields) -> Iterator[Fields]:
        with readable():
            config = screen.config(value)
        yield {"kind": "asked", "config": searched(config)}
        yield from search(config, visitor, **how)

    presses, link = gr.State(Presses()), screen.unseen("{}", "search")
    link.submit(find, [presses, link, screen.form.html], link, trigger_mode="multiple", **COMPUTE, **HIDDEN)


def taken(frame: Fields, event: Fields) -> Fields:
    """Return what an event of a search changes in a frame."""
    match event["kind"]:
        case "asked":
            return {"config": event["config"]}
        case "queued":
            return {"place": event["place"]}
        case "trying":
            return {"values": sorted(event["values"]), "fraction": event["fraction"]}
        case "tried":
            return {"seen": [*frame["seen"], {name: event["seen"][name] for name in SHOWN}]}
        case "finished":
            return {"border": {name: event["report"][name] for name in ("value", "interval", "reasons")}}
    return {}

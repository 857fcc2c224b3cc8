"""The Train tab: a toy network beside its linearized twin."""

from collections.abc import Iterable
from typing import Any

from regime.composer import trial
from regime.config import ToyConfig
from regime.toy.preview import preview
from regime.ui.form.presets import first
from regime.ui.form.toy import summary, toy_form
from regime.ui.panels.gallery import gallery
from regime.ui.parts import column, laid_out, markup, page, panels, places, transport
from regime.ui.run.examples import example
from regime.ui.screens.border import connect_border, searched
from regime.ui.screens.own_rows import OwnRowsScreen
from regime.ui.text import duration

KIND = "toy"
QUICK = 2.0
"""Seconds of training below which a run starts by itself when a knob is let go."""
BATCHES = 2
"""Of values of alpha that trying a run's advice usually takes, one after another."""
PREVIEW_BYTES = 2**29
"""Runs that need more are not previewed: it would take too long while a slider moves."""


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
        rate = _rate(known.learning_rate, known.top, known.edges)
        seconds = known.seconds + _trying(config)
        about = f"{summary(config)}: about {duration(max(1.0, seconds))} here."
        return asked | {"notice": about, "rate": rate, "quick": known.seconds < QUICK}


def train_tab() -> TrainScreen:
    """Build the Train tab and connect it."""
    with page(KIND, "three"):
        with column("controls"):
            form = toy_form()
        with column("middle"):
            about = f"{summary(first(KIND).config)}. Turn a knob, or start from a preset."
            places(panels("pictures", "features"), transport(KIND, about), panels("time", "loss", "compare", "layers"))
            layout = laid_out(form, KIND, rate=_shipped_rate())
            markup(gallery(), "gallery")
        with column("right"):
            places(panels("dial", "distances", "kernels", "outcome", "border"))
    screen = TrainScreen(layout)
    connect_border(screen)
    return screen


def _trying(config: ToyConfig) -> float:
    """Return the seconds after the last step in which the advice is tried, where that costs little enough."""
    batch = trial.seconds(config, len(trial.SHARES))
    return BATCHES * batch if batch <= trial.AFFORDABLE else 0.0


def _rate(auto: float, top: float, edges: Iterable[float]) -> dict[str, Any]:
    """Return what the control of the step size knows: the automatic one, the top eigenvalue, and where training is unstable."""
    return {"auto": auto, "top": top, "edges": list(edges)}


def _shipped_rate() -> dict[str, Any]:
    """Return what the shipped run says of the step size of runs like it, without computing."""
    board = example(KIND)
    rate, first = board.started["learning_rate"], board.history[0]["seeds"]["stability"]
    edges = [part["value"] for part in board.started["references"] if part["measure"] == "stability"]
    return _rate(rate, max(first) / rate, edges)

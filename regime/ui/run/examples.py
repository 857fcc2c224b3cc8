"""The finished runs that the first screen shows, and the command that makes them: `python -m regime.ui.run.examples`."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import regime
from regime.config import Config
from regime.data import FOLDER
from regime.ui.form.presets import first
from regime.ui.run.board import Board
from regime.ui.run.mapboard import MapBoard

CONFIGS: dict[str, Config] = {kind: first(kind).config for kind in ("toy", "probe", "checkpoints", "sweep")}


def path(kind: str) -> Path:
    """Return the file of a shipped run."""
    return FOLDER / "examples" / f"{kind}.json"


@cache
def _text(kind: str) -> str:
    return path(kind).read_text()


def example(kind: str) -> Board:
    """Return a shipped run as a board, a new one at each call: nothing is shared between visitors."""
    events: list[dict[str, Any]] = json.loads(_text(kind))
    return (MapBoard if kind == "sweep" else Board).replay(events)


def make_example(kind: str) -> None:
    """Run an example and write its first and last event; the last one carries the whole report."""
    events = [event.to_dict() for event in regime.stream(CONFIGS[kind])]
    path(kind).write_text(json.dumps([events[0], events[-1]], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    for name in CONFIGS:
        make_example(name)

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
from regime.ui.run.frames import whole
from regime.ui.run.mapboard import SHIPPED, MapBoard
from regime.ui.static_files import offer

CONFIGS: dict[str, Config] = {kind: first(kind).config for kind in ("toy", "probe", "checkpoints", "sweep")}


def path(kind: str) -> Path:
    """Return the file of a shipped run."""
    return FOLDER / "examples" / f"{kind}.json"


@cache
def text(kind: str) -> str:
    """Return what is in the file of a shipped run."""
    return path(kind).read_text(encoding="utf-8")


def example(kind: str) -> Board:
    """Return a shipped run as a board, a new one at each call: nothing is shared between visitors."""
    events: list[dict[str, Any]] = json.loads(text(kind))
    if kind == "sweep":
        return MapBoard.replay(events, run=SHIPPED)
    _, *measured, finished = events
    measured[-1]["verdict"] = finished["report"]["verdict"]  # whose advice was tried at the end
    finished["report"]["history"] = [event | {"view": {}} for event in measured]
    board = Board.replay(events)
    board.history = measured  # the pictures are in the events, and nowhere else
    return board


def example_file(kind: str) -> str:
    """Return the name of the file in which the page's script finds a shipped run; it changes with the run."""
    numbers = {"visit": None, "serial": 0, "run": 0}
    return offer(kind, text(kind), lambda: json.dumps({**numbers, **whole(example(kind))}, separators=(",", ":")))


def make_example(kind: str) -> None:
    """Run an example and write its events: of a sweep, whose report has the cells, the first and the last one."""
    events = [event.to_dict() for event in regime.stream(CONFIGS[kind])]
    measured = [event for event in events if event["kind"] == "measured" and kind != "sweep"]
    events[-1]["report"] |= {"history": []} if measured else {}
    path(kind).write_text(json.dumps([events[0], *measured, events[-1]], separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in CONFIGS:
        make_example(name)

"""The finished runs that lessons are told with, and the command that makes them: `python -m regime.ui.lessons.runs`."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import regime
from regime.config import Runnable, ToyConfig
from regime.data import FOLDER
from regime.ui.form.presets import WRITTEN
from regime.ui.run.board import Board
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.frames import whole

KEPT = ("config", "final", "spread", "provenance")
"""What a lesson's number is taken from, and traced to."""


@dataclass(frozen=True)
class LessonRun:
    """A run of a lesson, and what it is called beside another one."""

    label: str
    config: Runnable
    example: str | None
    """The tab whose shipped run it is; None: it is the lessons' own."""
    pictures: bool
    """Whether every measurement keeps its pictures, and not the first and the last one alone."""


def _read(label: str, run: dict[str, Any] | None = None, example: str | None = None, pictures: bool = True) -> LessonRun:
    return LessonRun(label, CONFIGS[example] if example else ToyConfig(**run or {}), example, pictures)


RUNS = {name: _read(**fields) for name, fields in WRITTEN["lessons"].items()}


@cache
def shipped_run(name: str) -> dict[str, Any]:
    """Return a shipped run: the `frame` that the page draws, and of its `report` what numbers are taken from."""
    if kind := RUNS[name].example:
        board = example(kind)
        return {"frame": whole(board), "report": board.report}
    run: dict[str, Any] = json.loads((FOLDER / "lessons" / f"{name}.json").read_text(encoding="utf-8"))
    return run


def make_run(name: str) -> None:
    """Run a lesson's configuration and write what the page draws of it."""
    events = [event.to_dict() for event in regime.stream(RUNS[name].config)]
    board = Board.replay(events)
    board.history = [event for event in events if event["kind"] == "measured"]
    frame = whole(board)
    if not RUNS[name].pictures:
        for event in frame["events"][2:-2]:
            del event["view"]
    kept = {key: board.report[key] for key in KEPT}  # type: ignore[index]
    text = json.dumps({"frame": frame, "report": kept}, separators=(",", ":"))
    (FOLDER / "lessons" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for run in RUNS:
        if RUNS[run].example is None:
            make_run(run)

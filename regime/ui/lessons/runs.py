"""The finished runs that lessons are told with, and the command that makes them: `python -m regime.ui.lessons.runs`."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import regime
from regime.config import Runnable, ToyConfig
from regime.data import FOLDER
from regime.ui.run.board import Board
from regime.ui.run.examples import CONFIGS, example
from regime.ui.run.frames import whole

KEPT = ("config", "final", "spread", "provenance")
"""What a lesson's number is taken from, and traced to."""
BRIEF = {"steps": 200, "measure_every": 20}


@dataclass(frozen=True)
class LessonRun:
    """A run of a lesson, and what it is called beside another one."""

    label: str
    config: Runnable
    example: str | None = None
    """The tab whose shipped run it is; None: it is the lessons' own."""
    pictures: bool = True
    """Whether every measurement keeps its pictures, and not the first and the last one alone."""


RUNS = {
    "lazy": LessonRun("Output scale 20", ToyConfig(width=64, alpha=20.0, measure_every=40)),
    "rich": LessonRun("Output scale 0.1", CONFIGS["toy"], "toy"),
    "narrow": LessonRun("16 units", ToyConfig(width=16, **BRIEF), pictures=False),
    "middle": LessonRun("128 units", ToyConfig(width=128, **BRIEF), pictures=False),
    "wide": LessonRun("1,024 units", ToyConfig(width=1024, **BRIEF), pictures=False),
    "mup": LessonRun("1,024 units, muP", ToyConfig(width=1024, parameterization="mup", **BRIEF), pictures=False),
    "catapult": LessonRun(
        "Too large a step",
        ToyConfig(width=512, depth=1, activation="tanh", learning_rate=1.29, steps=100, measure_every=6),
    ),
    "parity": LessonRun(
        "Two of many inputs decide",
        ToyConfig(
            task="parity", sparsity=2, width=128, alpha=0.03, samples=256, test_samples=512, steps=800, measure_every=100
        ),
    ),
    "smooth": LessonRun("A smooth target", ToyConfig(task="smooth", width=256, alpha=4.0, measure_every=50)),
    "minilm": LessonRun("MiniLM, fine-tuned", CONFIGS["probe"], "probe"),
    "grokking": LessonRun("A small transformer that learns sums", CONFIGS["checkpoints"], "checkpoints"),
}


@cache
def shipped_run(name: str) -> dict[str, Any]:
    """Return a shipped run: the `frame` that the page draws, and of its `report` what numbers are taken from."""
    if kind := RUNS[name].example:
        board = example(kind)
        return {"frame": whole(board), "report": board.report}
    run: dict[str, Any] = json.loads((FOLDER / "lessons" / f"{name}.json").read_text())
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
    (FOLDER / "lessons" / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    for run in RUNS:
        if RUNS[run].example is None:
            make_run(run)

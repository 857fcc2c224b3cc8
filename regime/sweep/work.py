"""The work behind a batch of cells, wherever it is done: configurations in, their results out, all plain dicts."""

import logging
import time
from collections.abc import Generator
from typing import Any

from regime.composer.producers import train_together
from regime.composer.session import Session
from regime.config import ProbeConfig, ToyConfig, config_from_dict
from regime.errors import ConfigError
from regime.record.recorder import Recorder
from regime.sweep.cell import failure, of_event
from regime.sweep.keys import keys

log = logging.getLogger(__name__)
Result = dict[str, Any]
"""A cell's results: the fields of `Cell` but index and point."""


def work(configs: list[dict[str, Any]], at_loss: float | None) -> Generator[float | list[Result], None, None]:
    """Run cells that may be one batch, yielding how much of it is done, now and then, and at the end a result for each.

    A cell that cannot be run is a result too: a failure that says why. It takes no other with it. A result has the key of what
    it was made of, where it was made.
    """
    cells = [config_from_dict(fields) for fields in configs]
    known = keys(cells, at_loss)
    for item in _results(cells, at_loss):
        yield item if isinstance(item, float) else [{**result, "key": key} for result, key in zip(item, known, strict=True)]


def _results(cells: list[ToyConfig] | list[ProbeConfig], at_loss: float | None) -> Generator[float | list[Result], None, None]:
    try:
        yield from _toys(cells, at_loss) if cells[0].kind == "toy" else _one(cells[0])
    except Exception as error:
        if len(cells) == 1:
            known = isinstance(error, ConfigError)
            if not known:
                log.exception("a cell failed")
            yield [failure(str(error) if known else f"it failed with {type(error).__name__}; the cause is in the log")]
            return
        results: list[Result] = []
        for cell in cells:  # whichever of them it was
            for item in _results([cell], at_loss):
                if isinstance(item, list):
                    results += item
                else:
                    yield (len(results) + item) / len(cells)
        yield results


def _toys(cells: list[ToyConfig], at_loss: float | None) -> Generator[float | list[Result], None, None]:
    began = time.perf_counter()
    recorders, training = yield from train_together(cells, at_loss)
    results = []
    for recorder in recorders:
        reached = at_loss is None or _reached(recorder, at_loss)
        last = recorder.history[-1]
        results.append(of_event(last, learning_rate=recorder.learning_rate, diverged=recorder.diverged, reached=reached))
    shares = {"training_seconds": training, "seconds": time.perf_counter() - began}
    yield [result | {name: whole / len(cells) for name, whole in shares.items()} for result in results]


def _reached(recorder: Recorder, at_loss: float) -> bool:
    """Whether the loss fell to this share: training stops only there, where it diverges, and at the last step."""
    last, start = recorder.history[-1], recorder.baseline.start.losses["train_loss"].mean().item()
    if recorder.diverged:
        return False
    return last.step < recorder.steps or last.measures["train_loss"] <= at_loss * start


def _one(config: ProbeConfig) -> Generator[float | list[Result], None, None]:
    """A cell that is a run of its own."""
    began = time.perf_counter()
    for event in Session(config).stream():
        if event.kind == "fetching":
            yield 0.0
        if event.kind in ("measured", "progress"):
            left = event.seconds_left or 0.0
            yield event.seconds / (event.seconds + left) if event.seconds + left > 0 else 0.0
        if event.kind == "measured":
            last = event
        if event.kind == "finished":
            diverged, rate = event.report["diverged"], event.report["provenance"]["learning_rate"]
    taken = time.perf_counter() - began
    result = of_event(last, learning_rate=rate, diverged=diverged, reached=True)
    yield [result | {"training_seconds": taken, "seconds": taken}]

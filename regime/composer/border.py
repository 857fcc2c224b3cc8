"""Where a toy's regime changes along alpha, the step or the width: every value is tried, none is extrapolated."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Annotated, Literal

from pydantic import Field

from regime.composer import grid
from regime.composer.grid import GridCell
from regime.composer.producers import train_together
from regime.composer.search import FAILED, Axis, Border, Search, Trial
from regime.config import ToyConfig
from regime.dynamics.pieces import Ahead
from regime.errors import ConfigError
from regime.measures.advice import Side
from regime.measures.verdict import Verdict
from regime.record.events import Finished, Interval, Message, Queued


class Trying(Message):
    """Sent five times a second while runs train."""

    kind: Literal["trying"] = "trying"
    values: list[float] = Field(description="that are tried at once")
    fraction: float = Field(description="of these runs that is done")
    seconds: float = Field(description="wall time since the start")


class Tried(Message):
    """Sent when a run has come to its end."""

    kind: Literal["tried"] = "tried"
    seen: Trial = Field(description="what the run at one value came to")
    seconds: float = Field(description="wall time since the start")


BorderEvent = Annotated[Queued | Trying | Tried | Finished, Field(discriminator="kind")]


def find_border(config: ToyConfig, axis: Axis = "alpha", side: Side = "lazy", within: Interval | None = None) -> Border:
    """Return the value of a field at which the regime changes, with its interval and what was seen on both sides.

    Args:
        config: the run; its other fields are kept.
        axis: "alpha", "learning_rate" or "width".
        side: "lazy" for the border at which lazy ends, "rich" for the one at which rich begins.
        within: the smallest and largest value to try; by default all that the field allows.

    Raises:
        ConfigError: as `stream_border` does, which also tells what is tried meanwhile.
    """
    *_, last = stream_border(config, axis, side, within)
    return Border.from_dict(last.report)


def stream_border(
    config: ToyConfig, axis: Axis = "alpha", side: Side = "lazy", within: Interval | None = None
) -> Iterator[Trying | Tried | Finished]:
    """Search the value of a field at which the regime changes, one event at a time: trying, tried, finished (with a Border).

    The border is where the verdict's index over all seeds passes the bound of `side`. Values a constant factor apart lead out
    from the configuration's own until two are on different sides; bisection then brings neighbors within a factor 1.1. The ends
    of the 95% interval are found alike: the nearest values at which the verdict's interval lies on one side of the bound, so
    that its side was sure there. Runs that differ in alpha or learning_rate train as one batch, widths one after another.
    Closing the iterator stops all of them.

    Args:
        config: the run; its other fields are kept. Where learning_rate is None, each run's step follows its own kernel. With
            max_seeds all runs have so many seeds, since near the border all straddle it.
        axis: "alpha", "learning_rate" or "width".
        side: "lazy" for the border at which lazy ends, "rich" for the one at which rich begins.
        within: the smallest and largest value to try; by default all that the field allows, learning_rate from 1e-9.

    Raises:
        ConfigError: not a ToyConfig, another axis or side, or a range that the field does not allow.
    """
    search = Search.of(config, axis, side, within)
    began = time.perf_counter()
    seen: list[Trial] = []
    while values := search.next_values(seen):
        share = 0.0
        with closing(Ahead(run_at(search.config, axis, values)).items()) as items:
            for item in items:
                seconds = time.perf_counter() - began
                if isinstance(item, Trial):
                    seen.append(item)
                    yield Tried(seen=item, seconds=seconds)
                else:
                    share = share if item is None else item
                    yield Trying(values=values, fraction=share, seconds=seconds)
    yield Finished(report=search.border(seen).to_dict())


def run_at(config: ToyConfig, axis: Axis, values: Sequence[float]) -> Generator[float | Trial, None, None]:
    """Run a configuration at several values of one field, yielding the share that is done, and each run's outcome.

    Args:
        config: the run; its other fields are kept.
        axis: the field.
        values: what it is set to.
    """
    places = []
    for index, value in enumerate(values):
        try:
            places.append(GridCell(index, {axis: value}, config.model_copy(update={axis: value})))
        except ConfigError as error:
            yield _failed(value, error)
    done = 0
    for batch in grid.batches(places, workers=1):
        yield done / len(values)
        yield from _shares(_run(batch.places, axis), done, len(batch.places), len(values))
        done += len(batch.places)


def _shares(items: Iterable[float | Trial], done: int, part: int, of: int) -> Iterator[float | Trial]:
    """Outcomes, and the share of all runs that is done, from that of a part of them, which comes after others."""
    for item in items:
        yield item if isinstance(item, Trial) else (done + item * part) / of


def _run(places: Sequence[GridCell], axis: Axis) -> Iterator[float | Trial]:
    """One batch; where one of its runs is refused, each of them alone."""
    values = [place.point[axis] for place in places]
    try:
        recorders, _ = yield from train_together([place.config for place in places], learners=False)
    except ConfigError as error:
        if len(places) == 1:
            yield _failed(*values, error)
        for k, place in enumerate(places if len(places) > 1 else ()):
            yield from _shares(_run([place], axis), k, 1, len(places))
        return
    for value, recorder in zip(values, recorders, strict=True):
        yield judged_at(value, recorder.learning_rate, recorder.history[-1].verdict)


def judged_at(value: float, learning_rate: float, verdict: Verdict) -> Trial:
    """Return a run's verdict as a trial at one value.

    Args:
        value: of the field that is searched.
        learning_rate: that the run took.
        verdict: of its last measurement.
    """
    known = {name: getattr(verdict, name) for name in ("label", "index", "interval", "agree", "reasons")}
    return Trial(value=value, learning_rate=learning_rate, **known)


def _failed(value: float, error: ConfigError) -> Trial:
    fields = {"learning_rate": None, "index": None, "interval": None}
    return Trial(value=value, label="no verdict", agree=FAILED, reasons=[str(error)], **fields)

"""What trains, and the events that its snapshots become: one loop for runs alone, runs together, and cells of a sweep."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import torch

from regime.composer.modes import in_own_modes
from regime.composer.pace import Clock, time_left
from regime.config import RunConfig, ToyConfig
from regime.dynamics.snapshot import GapSnapshot, Pause, Snapshot
from regime.errors import ConfigError
from regime.measures.measurement import between
from regime.record.events import Estimate, Event, Fetching, Measured, Progress, Reference
from regime.record.provenance import Run
from regime.record.recorder import Recorder
from regime.record.statistics import finite

IMPORTING = Lock()
"""Two threads that import transformers for the first time, at once, find it half made."""


class Producer(Run, Protocol):
    """What trains: it knows no measures."""

    learning_rate: float
    steps: int

    def estimate(self) -> Estimate:
        """Return the seconds and bytes that it will take."""

    def references(self) -> list[Reference]:
        """Return values to read measures against."""

    def independent(self) -> tuple[Snapshot, Snapshot] | None:
        """Return two independent initializations, where there are two."""

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """Train, with a snapshot at every measured step and pauses between."""


def produce(config: RunConfig, dtype: torch.dtype | None = None) -> Producer:
    """Return the producer of a configuration, at step 0; a toy's in a dtype, if one is given.

    Imports are local: toys must not wait for transformers to load.
    """
    if config.kind == "toy":
        from regime.toy.producer import ToyRun

        return ToyRun(config, dtype)
    with IMPORTING:
        from regime.models.checkpoints import CheckpointRun
        from regime.models.producer import ProbeRun
    return CheckpointRun(config) if config.kind == "checkpoints" else ProbeRun(config)


@dataclass
class Loop:
    """One pass through a producer's snapshots: what is recorded of each, and how far the run is."""

    clock: Clock
    steps: int
    expected: float
    """Seconds that it will take, as estimated."""
    began: float = 0.0
    """Seconds on the clock when it began."""

    def event(self, item: Pause | Snapshot, recorder: Recorder | None) -> Measured | Progress | None:
        """Return what is said at a point of the run: a measurement, progress if it is time, or nothing."""
        now = self.clock.seconds
        left = time_left(now - self.began, item.fraction, self.expected)
        if isinstance(item, Snapshot):
            measured = recorder.record(item, now, left)
            self.clock.spoke()
            return measured
        left = left or max(0.0, self.began + self.expected - now)  # the last measurement may take as long as the steps
        return Progress(step=item.step, steps=self.steps, seconds=now, seconds_left=left) if self.clock.due() else None


@in_own_modes
def stream_together(configs: Sequence[ToyConfig]) -> Generator[tuple[int | None, Event], None, None]:
    """Train configurations of one shape as one batch: the events that `stream` would send of each, with its number.

    They may differ in alpha, learning_rate and seed; no seeds are added (`max_seeds`). Progress, of all together, has no
    number; measurements have no pictures. Numbers agree with those of `stream` to rounding.

    Raises:
        ConfigError: they differ in more, have max_seeds, or one of them cannot run on this machine.
    """
    from regime.toy.producer import ToyRun

    if not isinstance(configs, Sequence):
        raise ConfigError(f"configs = {configs!r:.80} is not allowed; allowed: a list of ToyConfig")
    if any(isinstance(config, ToyConfig) and config.max_seeds is not None for config in configs):
        raise ConfigError("max_seeds is not allowed in configurations that train as one batch; allowed: null")

    clock = Clock()
    producer = ToyRun(configs)
    estimate = producer.estimate()
    pair = producer.independent()
    recorders = []
    for cell, (config, rate) in enumerate(zip(configs, producer.learning_rates, strict=True)):
        apart = distance_apart((pair[0].rows(producer.rows(cell)), pair[1].rows(producer.rows(cell))))
        recorders.append(Recorder(config, rate, producer.references() + apart, producer.steps))
        yield cell, recorders[cell].started(producer, estimate)
    loop = Loop(clock, producer.steps, estimate.seconds)
    for item in producer.snapshots():
        cell = item.cell if isinstance(item, Snapshot) else None
        if (event := loop.event(item, None if cell is None else recorders[cell])) is not None:
            yield cell, event
    for cell, recorder in enumerate(recorders):
        yield cell, recorder.finished(producer, clock.seconds)


@in_own_modes
def train_together(
    configs: Sequence[ToyConfig], at_loss: float | None = None, *, learners: bool = True
) -> Generator[float, None, tuple[list[Recorder], float]]:
    """Train configurations of one shape as one batch, each measured at its end alone: how much is done, five times a second.

    Returns each one's record, and the seconds spent in steps. See `ToyRun.endpoints` for `at_loss` and `learners`.

    Args:
        configs: they may differ in alpha, learning_rate and seed.
        at_loss: the share of its initial training loss at which each ends; None: after its last step.
        learners: whether the kernel predictors' errors are taken too.

    Raises:
        ConfigError: they differ in more than alpha, learning_rate and seed, or one of them cannot run on this machine.
    """
    from regime.toy.producer import ToyRun

    clock = Clock()
    run = ToyRun(configs)
    recorders = [Recorder(config, rate, [], run.steps) for config, rate in zip(configs, run.learning_rates, strict=True)]
    for item in run.endpoints(at_loss, learners=learners):
        if isinstance(item, GapSnapshot):
            recorders[item.cell].record_gap(item)
        elif isinstance(item, Snapshot):
            recorder = recorders[item.cell]
            recorder.record(item, 0.0, 0.0) if recorder.baseline else recorder.begin(item)
        if clock.due():
            yield item.fraction
    return recorders, run.experiment.seconds


def fetching(models: Iterable[tuple[str, str]], clock: Clock) -> Iterator[Fetching]:
    """Fetch models that are not here, and say how far their files are.

    Closed, it ends the download; the next one goes on from there.
    """
    with IMPORTING:
        from regime.models.loading import finding
    for model, revision in models:
        for done, total in finding(model, revision):
            if clock.due():
                yield Fetching(model=model, revision=revision, bytes=done, total=total, seconds=clock.seconds)


def distance_apart(pair: tuple[Snapshot, Snapshot] | None) -> list[Reference]:
    """Return how far apart independent initializations are, by measure."""
    if pair is None:
        return []
    known = {name: finite(values.mean().item()) for name, values in between(*pair).items()}
    meaning = "between two independent initializations"
    return [Reference(measure=name, value=value, meaning=meaning) for name, value in known.items() if value is not None]

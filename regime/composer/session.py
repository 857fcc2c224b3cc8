"""One run: a configuration's producer, its snapshots measured, as a stream of events that ends in a report."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from regime.config import RunConfig, ToyConfig, config_from_dict
from regime.dynamics.snapshot import GapSnapshot, Pause, Snapshot
from regime.errors import ConfigError, is_integer
from regime.measures.measurement import between
from regime.record import held
from regime.record.events import Estimate, Event, Fetching, Finished, Measured, Progress, Reference
from regime.record.recorder import Recorder, save_kernels
from regime.record.statistics import finite

IMPORTING = Lock()
"""Two threads that import transformers for the first time, at once, find it half made."""
HEARTBEAT = 0.2
"""Seconds without a measurement after which progress is sent, and between two looks at what comes from the Hub."""


class Producer(Protocol):
    """What trains: it knows no measures."""

    learning_rate: float
    device: torch.device
    parameters: int
    source: str
    steps: int

    def estimate(self) -> Estimate: ...
    def references(self) -> list[Reference]: ...
    def independent(self) -> tuple[Snapshot, Snapshot] | None: ...
    def view(self) -> dict[str, object]: ...
    def snapshots(self) -> Iterator[Pause | Snapshot]: ...


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


def stream_together(configs: Sequence[ToyConfig]) -> Iterator[tuple[int | None, Event]]:
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

    began = spoke = time.perf_counter()
    producer = ToyRun(configs)
    estimate = producer.estimate()
    pair = producer.independent()
    recorders = []
    for cell, (config, rate) in enumerate(zip(configs, producer.learning_rates, strict=True)):
        apart = _apart((pair[0].rows(producer.rows(cell)), pair[1].rows(producer.rows(cell))))
        recorders.append(Recorder(config, rate, producer.references() + apart, producer.steps))
        yield cell, recorders[cell].started(producer, estimate)
    for item in producer.snapshots():
        seconds = time.perf_counter() - began
        left = seconds * (1 - item.fraction) / item.fraction if item.fraction > 0.02 else estimate.seconds
        if isinstance(item, Snapshot):
            yield item.cell, recorders[item.cell].record(item, seconds, left)
            spoke = time.perf_counter()
        elif time.perf_counter() - spoke > HEARTBEAT:
            spoke = time.perf_counter()
            yield None, Progress(step=item.step, steps=configs[0].steps, seconds=seconds, seconds_left=left)
    for cell, recorder in enumerate(recorders):
        yield cell, recorder.finished(producer, time.perf_counter() - began)


def train_together(
    configs: Sequence[ToyConfig], at_loss: float | None = None, *, learners: bool = True
) -> Generator[float, None, tuple[list[Recorder], float]]:
    """Train configurations of one shape as one batch, each measured at its end alone: how much is done, five times a second.

    Returns each one's record, and the seconds spent in steps. See `ToyRun.endpoints` for `at_loss` and `learners`.

    Raises:
        ConfigError: they differ in more than alpha, learning_rate and seed, or one of them cannot run on this machine.
    """
    from regime.toy.producer import ToyRun

    spoke = time.perf_counter()
    run = ToyRun(configs)
    recorders = [Recorder(config, rate, [], run.steps) for config, rate in zip(configs, run.learning_rates, strict=True)]
    for item in run.endpoints(at_loss, learners=learners):
        if isinstance(item, GapSnapshot):
            recorders[item.cell].record_gap(item)
        elif isinstance(item, Snapshot):
            recorder = recorders[item.cell]
            recorder.record(item, 0.0, 0.0) if recorder.baseline else recorder.begin(item)
        if time.perf_counter() - spoke > HEARTBEAT:
            spoke = time.perf_counter()
            yield item.fraction
    return recorders, run.experiment.seconds


class Session:
    """A run that can be held: streamed in parts, saved to a file, taken up again.

    Its events and numbers are those of one `stream`, bit for bit, wherever it was held. Reset is a new session of the same
    configuration.

    Raises:
        ConfigError: not a configuration, or one that cannot run on this machine.
    """

    def __init__(self, config: RunConfig) -> None:
        if not isinstance(config, RunConfig):
            raise ConfigError(f"config = {config!r:.80} is not allowed; allowed: a ToyConfig, ProbeConfig or CheckpointConfig")
        self.config, self.finished = config, False
        self._seconds, self._spoke, self._began = 0.0, 0.0, 0.0
        self._producer: Producer | None = None
        self._recorder: Recorder | None = None
        """Of all seeds whose batches have ended, or of the first batch."""
        self._part: Recorder | None = None
        """Of the batch that is trained."""
        self._ended: list[dict[str, Any]] = []
        """States of the batches before it."""
        self._failure: Exception | None = None
        self._events = self._run()

    def stream(self, measurements: int | None = None) -> Iterator[Event]:
        """The events from here on: to the end, or until there were so many measurements more.

        Close the iterator, or leave it, to hold the run where it is; the next call goes on from there. A run that failed fails
        again in every call.

        Raises:
            ConfigError: the run needs what this machine has not.
            ValueError: fewer than one measurement is asked for, a loaded state is not one of such a run, or the run was
                interrupted within a step.
        """
        if measurements is not None and (not is_integer(measurements) or measurements < 1):
            raise ValueError(f"measurements = {measurements!r:.80} is not allowed; allowed: 1 or more, or None for all")
        left = measurements
        while not self.finished and left != 0:
            event = self._next()
            self.finished = isinstance(event, Finished)
            if left is not None and isinstance(event, Measured):
                left -= 1
            try:
                yield event
            except GeneratorExit:
                if isinstance(event, Fetching):  # a fetch that is held would go on: end it, and ask again next time
                    self._events.close()
                    self._events = self._run()
                raise
        if left == 0 and not self.finished and self._complete():
            yield from self.stream()

    def _next(self) -> Event:
        if self._failure is not None:
            raise self._failure
        self._began = time.perf_counter() - self._seconds
        try:
            return next(self._events)
        except BaseException as error:
            known = error if isinstance(error, Exception) else None
            self._failure = known or ValueError(
                "this run was interrupted within a step; begin another, or load one that was saved"
            )
            raise
        finally:
            self._seconds = time.perf_counter() - self._began

    def kernels(self) -> dict[str, Tensor]:
        """Each layer's tangent kernel on the probe points, (seeds, points, points), named as `save_kernels` names them.

        Raises:
            ValueError: nothing is measured yet.
        """
        if self._recorder is None or self._recorder.baseline is None:
            raise ValueError("kernels: nothing is measured yet")
        return {name: kernel.cpu() for name, kernel in self._recorder.kernels().items()}

    def save_kernels(self, path: str | os.PathLike[str]) -> None:
        """Write each layer's tangent kernel on the probe points, at the first measurement and the last, as safetensors.

        Tensors (seeds, points, points), named "start/layer" and "now/layer".

        Raises:
            ValueError: nothing is measured yet.
        """
        save_kernels(self._recorder, path)

    def _complete(self) -> bool:
        """Whether only the report is left."""
        return self._part.ended and self._recorder.more() is None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a toy run as it stands, after any measurement, whole or not at all.

        Raises:
            ValueError: not a toy's run, not measured yet, or finished: reports have their own `save`.
        """
        measured = self._recorder is not None and self._recorder.history
        if self.config.kind != "toy" or self.finished or not measured:
            raise ValueError(
                "save holds a toy's run between its first measurement and its end; a report is saved by Report.save"
            )
        batches = self._ended + ([self._state()] if self._part.history else [])
        held.write({"config": self.config.to_dict(), "batches": batches, "seconds": self._seconds}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Take up what `save` wrote; on the same machine the numbers are those of a run that was never held.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a session that this version saved.
        """
        state = held.read(path)
        session = cls(config_from_dict(state["config"]))
        session._seconds = state["seconds"]
        session._events = session._run(state["batches"])
        return session

    def _run(self, states: Sequence[dict[str, Any]] = ()) -> Iterator[Event]:
        """The run from its start, or from where its batches of seeds stood; the last one may have been under way."""
        config = self.config
        self._began = time.perf_counter() - self._seconds
        if config.kind != "toy":
            yield from fetching(config.named, self._elapsed)
        self._producer = producer = produce(config)
        references = producer.references() + _apart(producer.independent())
        self._recorder = self._part = recorder = Recorder(config, producer.learning_rate, references, producer.steps)
        yield recorder.started(producer, producer.estimate())
        self._spoke, self._ended = self._elapsed(), []
        yield from self._batch(states[0] if states else None, 0.0)
        while (more := self._recorder.more()) is not None:
            self._ended.append(self._state())
            known = states[len(self._ended)] if len(states) > len(self._ended) else None
            before = len(known["recorder"]["history"]) if known else 0
            self._producer = producer = produce(more, producer.dtype)
            self._part = Recorder(config, producer.learning_rate, [], producer.steps)
            yield from (event for event in self._batch(known, self._elapsed()) if isinstance(event, Progress))
            self._recorder = self._recorder.joined(self._part)
            if len(self._part.history) > before:
                yield self._recorder.history[-1]
        if config.kind == "toy":
            yield from self._try_advice()
        finished = self._recorder.finished(producer, self._elapsed())
        self._producer = producer = None  # what was trained is no longer needed, and may be large
        yield finished

    def _batch(self, state: dict[str, Any] | None, began: float) -> Iterator[Measured | Progress]:
        """Train a batch of seeds from its start, or from `state`, and record it."""
        producer, recorder = self._producer, self._part
        expected = producer.estimate().seconds
        for item in producer.snapshots(state["producer"]) if state else producer.snapshots():
            now = self._elapsed()
            left = (now - began) * (1 - item.fraction) / item.fraction if item.fraction > 0.02 else expected - now + began
            if not isinstance(item, Snapshot):
                if now - self._spoke > HEARTBEAT:
                    self._spoke = now
                    yield Progress(step=item.step, steps=producer.steps, seconds=now, seconds_left=max(0.0, left))
            elif state is not None:
                recorder.restore(state["recorder"], item)
                if recorder.ended:
                    return
                state = None
            else:
                event = recorder.record(item, now, max(0.0, left))
                self._spoke = now
                yield event

    def _state(self) -> dict[str, Any]:
        """Where the batch of seeds that is trained stands."""
        return {"producer": self._producer.state(), "recorder": self._part.state()}

    def _try_advice(self) -> Iterator[Progress]:
        """Try what the last verdict advises, and let the report say what was seen."""
        from regime.composer.trial import try_advice

        steps, recorder = self._producer.steps, self._recorder
        for item in try_advice(self.config, recorder.learning_rate, recorder.history[-1]):
            if isinstance(item, list):
                recorder.advise(item)
            elif (now := self._elapsed()) - self._spoke > HEARTBEAT:
                self._spoke = now
                yield Progress(step=steps, steps=steps, seconds=now, seconds_left=None)

    def _elapsed(self) -> float:
        """Seconds this run has been running, without those it was held."""
        return time.perf_counter() - self._began


def fetching(models: Iterable[tuple[str, str]], elapsed: Callable[[], float]) -> Iterator[Fetching]:
    """How far the files are of models that are not here. Closed, it ends the download; the next one goes on from there."""
    with IMPORTING:
        from regime.models.loading import finding
    spoke = elapsed()
    for model, revision in models:
        for done, total in finding(model, revision):
            if (now := elapsed()) - spoke > HEARTBEAT:
                spoke = now
                yield Fetching(model=model, revision=revision, bytes=done, total=total, seconds=now)


def _apart(pair: tuple[Snapshot, Snapshot] | None) -> list[Reference]:
    """How far apart independent initializations are."""
    if pair is None:
        return []
    known = {name: finite(values.mean().item()) for name, values in between(*pair).items()}
    meaning = "between two independent initializations"
    return [Reference(measure=name, value=value, meaning=meaning) for name, value in known.items() if value is not None]

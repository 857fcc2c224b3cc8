"""One run: a configuration's producer, its snapshots measured, as a stream of events that ends in a report."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from regime.composer.modes import in_modes
from regime.composer.pace import Clock
from regime.composer.producers import Loop, Producer, distance_apart, fetching, produce
from regime.config import RunConfig, config_from_dict
from regime.config.own import is_own
from regime.dynamics.optimizers import check_state
from regime.dynamics.pieces import OFTEN, Ahead
from regime.dynamics.snapshot import Snapshot
from regime.errors import ConfigError, is_integer
from regime.record import held
from regime.record.events import Estimate, Event, Fetching, Finished, Measured, Progress
from regime.record.kernels import save_kernels
from regime.record.recorder import Recorder
from regime.record.report import Report
from regime.resources.memory import MEMORY

PATIENCE = 5.0
"""Seconds until which the first thing that is heard of a run is that it starts, with its estimate; from then on, progress."""
LARGE = 2**28
"""Bytes of a toy's workspace from which on one operation may take longer than a run keeps silent: it computes in a thread."""


class Origin(NamedTuple):
    """What a report says of a run's producer, which may be gone by then."""

    device: torch.device
    parameters: int
    source: str


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
        self._clock = Clock()
        self._clock.hold()
        self._producer: Producer | None = None
        self._made: Origin | None = None
        self._recorder: Recorder | None = None
        """Of all seeds whose batches have ended, or of the first batch."""
        self._part: Recorder | None = None
        """Of the batch that is trained."""
        self._ended: list[dict[str, Any]] = []
        """States of the batches before it."""
        self._failure: Exception | None = None
        self._events = self._ahead()
        self._at: tuple[float, float, float | None] = 0, getattr(config, "steps", 0), None
        """Step, steps and seconds that were left when the run last said so."""
        self._begun = False
        """Whether it has said that it starts."""

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
                    self._events = self._ahead()
                raise
        if left == 0 and not self.finished and self._complete():
            yield from self.stream()

    def _next(self) -> Event:
        if self._failure is not None:
            raise self._failure
        try:
            while (event := self._events.item(OFTEN)) is None:
                if self._clock.late and (self._begun or self._clock.seconds > PATIENCE):
                    step, steps, left = self._at
                    return Progress(step=step, steps=steps, seconds=self._clock.seconds, seconds_left=left)
            self._begun |= not isinstance(event, Fetching)
            if isinstance(event, Measured | Progress):
                self._at = event.step, event.steps, event.seconds_left
            return event
        except BaseException as error:
            known = error if isinstance(error, Exception) else None
            self._failure = known or ValueError(
                "this run was interrupted within a step; begin another, or load one that was saved"
            )
            raise

    def close(self) -> None:
        """Let go of all that the run holds, at once rather than when Python comes to it; it cannot go on."""
        self._events.close()
        self._origin()
        self._producer, self._failure = None, ValueError("this run was closed; begin another, or load one that was saved")

    def report(self) -> Report:
        """Return the report of what is measured so far, of a run that is held or was interrupted; it says where.

        Raises:
            ValueError: nothing is measured yet, or the run is finished, whose last event has the report.
        """
        if self.finished or self._recorder is None or not self._recorder.history:
            raise ValueError("report: nothing is measured yet, or the run is finished, whose last event has the report")
        self._events.settle()
        recorder = self._recorder
        last = recorder.history[-1]
        where = f"at step {last.step} of {last.steps}" + ", while its verdict was settled" * recorder.ended
        return recorder.report(self._origin(), self._clock.seconds).model_copy(update={"interrupted": where})

    def _origin(self) -> Origin:
        """Of the producer as it is now, which may have named more sources since, or as it was before it was let go."""
        if (made := self._producer) is not None:
            self._made = Origin(made.device, made.parameters, made.source)
        return self._made

    def kernels(self) -> dict[str, Tensor]:
        """Each layer's tangent kernel on the probe points, (seeds, points, points), named as `save_kernels` names them.

        Raises:
            ValueError: nothing is measured yet.
        """
        self._events.settle()
        if self._recorder is None or self._recorder.baseline is None:
            raise ValueError("kernels: nothing is measured yet")
        return {name: kernel.cpu() for name, kernel in self._recorder.kernels().items()}

    def save_kernels(self, path: str | os.PathLike[str]) -> None:
        """Write each layer's tangent kernel on the probe points, at the first measurement and the last, as safetensors.

        Tensors (seeds, points, points), named "start/layer" and "now/layer".

        Raises:
            ValueError: nothing is measured yet.
        """
        self._events.settle()
        save_kernels(self._recorder, path)

    def _complete(self) -> bool:
        """Whether only the report is left."""
        return self._part.ended and self._recorder.more() is None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a toy run as it stands, after any measurement, whole or not at all.

        Raises:
            ValueError: not a toy's run, not measured yet, or finished: reports have their own `save`. Or the run failed, was
                closed or interrupted within a step. Or the steps of an optimizer of one's own depend on more than its state.
        """
        self._events.settle()
        if self._failure is not None:  # what a step left half done is no state to go on from
            raise self._failure
        measured = self._recorder is not None and self._recorder.history
        if self.config.kind != "toy" or self.finished or not measured:
            raise ValueError(
                "save holds a toy's run between its first measurement and its end; a report is saved by Report.save"
            )
        if is_own(self.config.optimizer):
            in_modes(check_state)(self.config.optimizer)
        batches = self._ended + ([self._state()] if self._part.history else [])
        held.write({"config": self.config.to_dict(), "batches": batches, "seconds": self._clock.seconds}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Take up what `save` wrote; on the same machine the numbers are those of a run that was never held.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a session that this version saved.
        """
        state = in_modes(held.read)(path)
        session = cls(config_from_dict(state["config"]))
        session._clock = Clock(state["seconds"])
        session._clock.hold()
        session._events = session._ahead(state["batches"])
        return session

    def _ahead(self, states: Sequence[dict[str, Any]] = ()) -> Ahead[Event]:
        return Ahead(self._run(states), apart=self.config.kind != "toy" or self.config.workspace > LARGE)

    def _run(self, states: Sequence[dict[str, Any]]) -> Generator[Event, None, None]:
        """The run's events in its own modes, on a clock that stands still between them."""
        with closing(self._compute(states)) as events:
            while True:
                self._clock.run()
                try:
                    event = in_modes(next)(events, None)
                finally:
                    self._clock.hold()
                if event is None:
                    return
                yield event

    def _compute(self, states: Sequence[dict[str, Any]]) -> Generator[Event, None, None]:
        """The run from its start, or from where its batches of seeds stood; the last one may have been under way."""
        config, clock = self.config, self._clock
        if config.kind != "toy":
            yield from fetching(config.named, clock)
        self._producer = produce(config)
        cost = self._producer.estimate()
        with MEMORY.promised(cost.bytes, self._producer.device):
            yield from self._train(cost, states)
            finished = self._recorder.finished(self._origin(), clock.seconds)
            self._producer = None  # what was trained is no longer needed, and may be large
        yield finished

    def _train(self, cost: Estimate, states: Sequence[dict[str, Any]]) -> Iterator[Event]:
        """The run between its loading and its report."""
        config, clock, producer = self.config, self._clock, self._producer
        references = producer.references() + distance_apart(producer.independent())
        self._recorder = self._part = recorder = Recorder(config, producer.learning_rate, references, producer.steps)
        yield recorder.started(producer, cost)
        self._ended = []
        clock.spoke()
        yield from self._batch(states[0] if states else None, 0.0)
        while (more := self._recorder.more()) is not None:
            self._ended.append(self._state())
            known = states[len(self._ended)] if len(states) > len(self._ended) else None
            before = len(known["recorder"]["history"]) if known else 0
            self._origin()
            dtype, self._producer, producer = producer.dtype, None, None  # two would not fit where one does
            self._producer = producer = produce(more, dtype)
            self._part = Recorder(config, producer.learning_rate, [], producer.steps)
            yield from (event for event in self._batch(known, clock.seconds) if isinstance(event, Progress))
            self._recorder = self._recorder.joined(self._part)
            if len(self._part.history) > before:
                yield self._recorder.history[-1]
        if config.kind == "toy":
            yield from self._try_advice()

    def _batch(self, state: dict[str, Any] | None, began: float) -> Iterator[Measured | Progress]:
        """Train a batch of seeds from its start, or from `state`, and record it."""
        producer, recorder = self._producer, self._part
        loop = Loop(self._clock, producer.steps, producer.estimate().seconds, began)
        for item in producer.snapshots(state["producer"]) if state else producer.snapshots():
            if state is not None and isinstance(item, Snapshot):
                recorder.restore(state["recorder"], item)
                if recorder.ended:
                    return
                state = None
            elif (event := loop.event(item, recorder)) is not None:
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
            else:  # as often as what is tried says so
                self._clock.spoke()
                yield Progress(step=steps, steps=steps, seconds=self._clock.seconds, seconds_left=None)

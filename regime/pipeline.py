"""The one composer: a configuration's producer, its snapshots measured, as a stream of events that ends in a report."""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from regime.advice import advise
from regime.config import ConfigError, ProbeConfig, ToyConfig, config_from_dict
from regime.events import Band, Estimate, Event, Finished, Measured, Number, Progress, Reference, Row, Started
from regime.measures.measurement import REASONS, Baseline, Measurement, between, total
from regime.measures.verdict import CONFIDENCE, Verdict, judge, seed_interval
from regime.report import Provenance, Report
from regime.snapshots import Pause, Snapshot, diverged

HEARTBEAT = 0.2
"""Seconds without a measurement after which progress is sent."""
VERSION = "0.1.0"


class Producer(Protocol):
    """What trains: it knows no measures."""

    learning_rate: float
    device: torch.device
    parameters: int
    linear: str
    source: str

    def estimate(self) -> Estimate: ...
    def references(self) -> list[Reference]: ...
    def independent(self) -> tuple[Snapshot, Snapshot] | None: ...
    def view(self) -> dict[str, object]: ...
    def snapshots(self) -> Iterator[Pause | Snapshot]: ...


def produce(config: ToyConfig | ProbeConfig) -> Producer:
    """The producer of a configuration, at step 0. Imports are local: toys must not wait for transformers to load."""
    if config.kind == "toy":
        from regime.toy.producer import ToyRun

        return ToyRun(config)
    from regime.models.producer import ProbeRun

    return ProbeRun(config)


def stream(config: ToyConfig | ProbeConfig) -> Iterator[Event]:
    """Run a configuration, one event at a time: started, measured (progress between distant ones), finished.

    Closing the iterator stops the run at once; nothing of it stays.

    Raises:
        ConfigError: not a configuration, or one that cannot run on this machine.
    """
    yield from Session(config).stream()


def run(config: ToyConfig | ProbeConfig) -> Report:
    """The report at the end of `stream`."""
    *_, last = stream(config)
    return Report.from_dict(last.report)


def stream_together(configs: Sequence[ToyConfig]) -> Iterator[tuple[int | None, Event]]:
    """Train configurations of one shape as one batch: the events that `stream` would send of each, with its number.

    They may differ in alpha, learning_rate and seed. Progress, of all together, has no number; measurements have no pictures.
    Numbers agree with those of `stream` to rounding.

    Raises:
        ConfigError: they differ in more, or one of them cannot run on this machine.
    """
    from regime.toy.producer import ToyRun

    began = spoke = time.perf_counter()
    producer = ToyRun(configs)
    estimate = producer.estimate()
    pair = producer.independent()
    recorders = []
    for cell, (config, rate) in enumerate(zip(configs, producer.learning_rates, strict=True)):
        apart = _apart((pair[0].rows(producer.rows(cell)), pair[1].rows(producer.rows(cell))))
        recorders.append(_Recorder(config, rate, producer.linear, producer.references() + apart))
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


class Session:
    """A run that can be held: streamed in parts, saved to a file, taken up again.

    Its events and numbers are those of one `stream`, bit for bit, wherever it was held. Reset is a new session of the same
    configuration.

    Raises:
        ConfigError: not a configuration, or one that cannot run on this machine.
    """

    def __init__(self, config: ToyConfig | ProbeConfig) -> None:
        if not isinstance(config, ToyConfig | ProbeConfig):
            raise ConfigError(f"config = {config!r:.80} is not allowed; allowed: a ToyConfig or a ProbeConfig")
        self.config, self.finished = config, False
        self._seconds, self._spoke, self._began = 0.0, 0.0, 0.0
        self._producer: Producer | None = None
        self._recorder: _Recorder | None = None
        self._events = self._run(None)

    def stream(self, measurements: int | None = None) -> Iterator[Event]:
        """The events from here on: to the end, or until there were so many measurements more.

        Close the iterator, or leave it, to hold the run where it is; the next call goes on from there.

        Raises:
            ValueError: fewer than one measurement is asked for.
        """
        if measurements is not None and measurements < 1:
            raise ValueError(f"measurements = {measurements} is not allowed; allowed: 1 or more, or None for all")
        left = measurements
        while not self.finished and left != 0:
            self._began = time.perf_counter() - self._seconds
            event = next(self._events, None)
            self._seconds = time.perf_counter() - self._began
            if event is None:
                return
            self.finished = isinstance(event, Finished)
            if left is not None and isinstance(event, Measured):
                left -= 1
            yield event
        if left == 0 and not self.finished and self._complete():
            yield from self.stream()

    def _complete(self) -> bool:
        """Whether only the report is left."""
        return self._recorder.diverged or self._recorder.history[-1].step == self.config.steps

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
        state = {
            "version": VERSION,
            "config": self.config.to_dict(),
            "producer": self._producer.state(),
            "recorder": self._recorder.state(),
            "seconds": self._seconds,
        }
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        torch.save(state, partial)
        partial.replace(target)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Take up what `save` wrote; on the same machine the numbers are those of a run that was never held.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a session that this version saved.
        """
        try:
            state = torch.load(path, weights_only=True)
            known = state["version"] == VERSION
        except FileNotFoundError:
            raise
        except Exception as error:  # torch.load documents none of those it raises
            raise ValueError(f"{path} is not a saved session: {type(error).__name__}") from None
        if not known:
            raise ValueError(f"{path} was saved by version {state['version']!r:.40}; allowed: {VERSION}")
        session = cls(config_from_dict(state["config"]))
        session._seconds = state["seconds"]
        session._events = session._run(state)
        return session

    def _run(self, state: dict[str, Any] | None) -> Iterator[Event]:
        config = self.config
        self._began = time.perf_counter() - self._seconds
        self._producer = producer = produce(config)
        estimate = producer.estimate()
        references = producer.references() + _apart(producer.independent())
        self._recorder = recorder = _Recorder(config, producer.learning_rate, producer.linear, references)
        yield recorder.started(producer, estimate)
        self._spoke = self._elapsed()
        skip = state is not None
        for item in producer.snapshots(state["producer"]) if state else producer.snapshots():
            now = self._elapsed()
            left = now * (1 - item.fraction) / item.fraction if item.fraction > 0.02 else max(0.0, estimate.seconds - now)
            if isinstance(item, Snapshot):
                if skip:
                    skip = False
                    recorder.restore(state["recorder"], item)
                    continue
                event = recorder.record(item, now, left)
                self._spoke = now
                yield event
            elif now - self._spoke > HEARTBEAT:
                self._spoke = now
                yield Progress(step=item.step, steps=config.steps, seconds=now, seconds_left=left)
        yield recorder.finished(producer, self._elapsed())

    def _elapsed(self) -> float:
        """Seconds this run has been running, without those it was held."""
        return time.perf_counter() - self._began


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")}
    return {"regime": VERSION, "python": platform.python_version(), **packages}


def _apart(pair: tuple[Snapshot, Snapshot] | None) -> list[Reference]:
    """How far apart independent initializations are."""
    if pair is None:
        return []
    known = {name: _mean(values) for name, values in between(*pair).items()}
    meaning = "between two independent initializations"
    return [Reference(measure=name, value=value, meaning=meaning) for name, value in known.items() if value is not None]


class _Recorder:
    """Turns snapshots into Measured events, remembering what measures and the verdict need of the past."""

    def __init__(self, config: ToyConfig | ProbeConfig, learning_rate: float, gap: str, references: list[Reference]) -> None:
        self.config, self.learning_rate, self.gap, self.references = config, learning_rate, gap, references
        self.history: list[Measured] = []
        self.baseline: Baseline | None = None
        self.diverged = False
        self.past: dict[str, Tensor] = {}
        """The largest gap, that of resamples, the last kernel and its time, and the forecast's squared misses, so far."""

    def started(self, producer: Producer, estimate: Estimate) -> Started:
        return Started(
            config=self.config.to_dict(),
            learning_rate=self.learning_rate,
            device=str(producer.device),
            parameters=producer.parameters,
            estimate=estimate,
            references=self.references,
            view=producer.view(),
        )

    def finished(self, producer: Producer, seconds: float) -> Finished:
        provenance = Provenance(
            versions=_versions(),
            device=str(producer.device),
            threads=torch.get_num_threads(),
            seconds=seconds,
            seed=self.config.seed,
            learning_rate=self.learning_rate,
            parameters=producer.parameters,
            source=producer.source,
        )
        report = Report.from_history(
            self.config, self.history, references=self.references, diverged=self.diverged, provenance=provenance
        )
        return Finished(report=report.to_dict())

    def state(self) -> dict[str, Any]:
        return {"history": [event.to_dict() for event in self.history], "past": self.past}

    def restore(self, state: dict[str, Any], start: Snapshot) -> None:
        """Go on from `state`, measuring against `start` again."""
        self.baseline = Baseline(start)
        self.history = [Measured.model_validate(fields) for fields in state["history"]]
        self.past = state["past"]

    def record(self, snapshot: Snapshot, seconds: float, left: float) -> Measured:
        """Measure a snapshot, against the first one that came."""
        if self.baseline is None:
            self.baseline = Baseline(snapshot)
        start = self.baseline.start
        previous = (self.past["time"].item(), self.past["kernel"]) if "kernel" in self.past else None
        measurement = self.baseline.measure(snapshot, previous)
        self.past |= {"kernel": total(snapshot), "time": torch.tensor(snapshot.time, dtype=torch.float64)}
        loss, start_loss = (part.losses["train_loss"] for part in (snapshot, start))
        self.diverged = self.diverged or snapshot.diverged or diverged(loss, start_loss)
        model = measurement.model | self._along_the_path(measurement)
        event = Measured(
            step=snapshot.step,
            steps=self.config.steps,
            time=snapshot.time,
            seconds=seconds,
            seconds_left=left,
            measures={name: _mean(values) for name, values in model.items()},
            spread={name: _deviation(values) for name, values in model.items()},
            seeds={name: _numbers(values) for name, values in model.items()},
            layers=self._rows(measurement.layers, snapshot, measurement),
            blocks=self._rows(measurement.blocks, snapshot, measurement),
            undefined=self._reasons(model, measurement.undefined, ""),
            floors=_floors(measurement.floors, ""),
            modes=self._modes(measurement) if snapshot.step > start.step else [],
            verdict=self._verdict(snapshot, measurement, model),
            view=snapshot.view,
        )
        if self.history:
            self.history[-1] = self.history[-1].model_copy(update={"view": {}})
        self.history.append(event)
        return event

    def _modes(self, measurement: Measurement) -> list[Band]:
        gaps = [_mean(values) for values in measurement.modes.unbind(-1)]
        bands = zip(self.baseline.bands, self.baseline.shares.tolist(), gaps, strict=True)
        return [
            Band(first=band.start + 1, last=band.stop, share=share if isfinite(share) else 0.0, gap=gap)
            for band, share, gap in bands
        ]

    def _along_the_path(self, measurement: Measurement) -> dict[str, Tensor]:
        """The largest gap to the twin so far, since both end near the targets, and how much of the path the twin foresaw."""
        if self.gap != "linearization_gap":
            return {}
        gap, largest = measurement.model[self.gap], f"{self.gap}_max"
        now = {largest: gap}
        if (drawn := measurement.resampled.get(self.gap)) is not None:
            now["drawn"] = drawn
        for name, values in now.items():
            self.past[name] = torch.fmax(self.past[name], values) if name in self.past else values
        for name in ("missed", "around"):
            self.past[name] = self.past.get(name, 0.0) + getattr(measurement, name)
        measurement.undefined.update({largest: REASONS["gap"], "forecast_skill": REASONS["gap"]})
        return {largest: self.past[largest], "forecast_skill": 1 - self.past["missed"] / self.past["around"]}

    def _verdict(self, snapshot: Snapshot, measurement: Measurement, model: dict[str, Tensor]) -> Verdict:
        """On kernel_change and the twin's largest gap; for a real model on its Taylor gap, and on how its kernel turned too."""
        twin = self.gap == "linearization_gap"
        gap = model[f"{self.gap}_max"] if twin else model[self.gap]
        drawn_gap = self.past.get("drawn") if twin else measurement.resampled.get(self.gap)
        kernel = _kernel_evidence(model, turn=not twin)
        drawn_kernel = _kernel_evidence(measurement.resampled, turn=not twin) if measurement.resampled else None
        losses = [part.losses["train_loss"].mean().item() for part in (self.baseline.start, snapshot)]
        return judge(
            kernel.tolist(),
            gap.tolist(),
            kernel_interval=_interval(kernel, drawn_kernel),
            gap_interval=_interval(gap, drawn_gap),
            start_loss=losses[0],
            loss=losses[1],
            diverged=self.diverged,
            kernel_name=_kernel_name(model, turn=not twin),
            gap_name=("Largest linearization gap" if twin else "Taylor gap"),
            remarks=_remarks(model),
            advise=lambda *evidence: advise(self.config, self.learning_rate, *evidence),
        )

    def _rows(self, part: dict[str, dict[str, Tensor]], snapshot: Snapshot, measurement: Measurement) -> list[Row]:
        return [
            Row(
                layer=name,
                block=snapshot.blocks.get(name, name),
                measures={measure: _mean(values) for measure, values in row.items()},
                undefined=self._reasons(row, measurement.undefined, f"{name}/"),
                floors=_floors(measurement.floors, f"{name}/"),
            )
            for name, row in part.items()
        ]

    def _reasons(self, values: dict[str, Tensor], reasons: dict[str, str], prefix: str) -> dict[str, str]:
        """Why each measure that is not a finite number is not."""
        known, overflow = ({}, REASONS["overflow"]) if self.diverged else (reasons, "not a finite number")
        return {name: known.get(prefix + name, overflow) for name, value in values.items() if _mean(value) is None}


def _floors(floors: dict[str, Tensor], prefix: str) -> dict[str, float]:
    """Of the mean over seeds, which share their probe points: the mean of theirs."""
    named = {name.removeprefix(prefix): _mean(values) for name, values in floors.items() if _owner(name) == prefix}
    return {name: value for name, value in named.items() if value is not None}


def _owner(name: str) -> str:
    """The layer a floor belongs to, with the slash, or nothing for the model's."""
    return name[: name.rfind("/") + 1]


def _finite(value: float) -> Number:
    return value if isfinite(value) else None


def _numbers(values: Tensor) -> list[Number]:
    return [_finite(value) for value in values.tolist()]


def _mean(values: Tensor) -> Number:
    return _finite(values.mean().item())


def _deviation(values: Tensor) -> Number:
    return _finite(values.std().item()) if len(values) > 1 else None


def _interval(values: Tensor, drawn: Tensor | None) -> tuple[float, float] | None:
    """The 95% interval of the mean over seeds; with one seed, of its bootstrap over probe points."""
    if not bool(values.isfinite().all()):
        return None
    if len(values) > 1:
        return seed_interval(values.tolist())
    if drawn is None or not bool(drawn.isfinite().all()):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = torch.quantile(drawn, torch.tensor([tail, 1 - tail], dtype=drawn.dtype, device=drawn.device)).tolist()
    return low, high


def _kernel_evidence(model: dict[str, Tensor], *, turn: bool) -> Tensor:
    """kernel_change, or, where it is larger, what the centered kernel's turn alone would make of it.

    For kernels of equal norm ||A - B|| / ||B|| = sqrt(2 (1 - cos)), so sqrt(2 kernel_distance_centered) is on the same scale.
    """
    change = model["kernel_change"]
    return torch.maximum(change, (2 * model["kernel_distance_centered"]).sqrt()) if turn else change


def _kernel_name(model: dict[str, Tensor], *, turn: bool) -> str:
    evidence, change = (values.mean() for values in (_kernel_evidence(model, turn=turn), model["kernel_change"]))
    return "Kernel change" if evidence <= 1.001 * change else "Kernel turn, sqrt(2 centered distance)"


def _remarks(model: dict[str, Tensor]) -> list[str]:
    change, distance = model["kernel_change"].mean().item(), model["kernel_distance"].mean().item()
    grew = isfinite(change) and isfinite(distance) and change > 0.1 and (2 * distance) ** 0.5 < change / 2
    return [f"The kernel grew more than it turned: its distance is {distance:.2g}"] if grew else []

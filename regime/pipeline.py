"""The one composer: a configuration's producer, its snapshots measured, as a stream of events that ends in a report."""

import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from regime.advice import advise
from regime.config import ConfigError, ProbeConfig, ToyConfig
from regime.events import Estimate, Event, Finished, Measured, Number, Progress, Row, Started
from regime.measures.measurement import REASONS, Measurement, measure
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
    if not isinstance(config, ToyConfig | ProbeConfig):
        raise ConfigError(f"config = {config!r:.80} is not allowed; allowed: a ToyConfig or a ProbeConfig")
    began = time.perf_counter()
    producer = produce(config)
    estimate = producer.estimate()
    yield Started(
        config=config.to_dict(),
        learning_rate=producer.learning_rate,
        device=str(producer.device),
        parameters=producer.parameters,
        estimate=estimate,
        view=producer.view(),
    )
    recorder = _Recorder(config, producer.learning_rate, producer.linear)
    spoke = time.perf_counter()
    for item in producer.snapshots():
        now = time.perf_counter()
        seconds = now - began
        left = seconds * (1 - item.fraction) / item.fraction if item.fraction > 0.02 else max(0.0, estimate.seconds - seconds)
        if isinstance(item, Snapshot):
            event = recorder.record(item, seconds, left)
            spoke = time.perf_counter()
            yield event
        elif now - spoke > HEARTBEAT:
            spoke = now
            yield Progress(step=item.step, steps=config.steps, seconds=seconds, seconds_left=left)
    provenance = Provenance(
        versions=_versions(),
        device=str(producer.device),
        threads=torch.get_num_threads(),
        seconds=time.perf_counter() - began,
        seed=config.seed,
        learning_rate=producer.learning_rate,
        parameters=producer.parameters,
        source=producer.source,
    )
    report = Report.from_history(config, recorder.history, diverged=recorder.diverged, provenance=provenance)
    yield Finished(report=report.to_dict())


def run(config: ToyConfig | ProbeConfig) -> Report:
    """The report at the end of `stream`."""
    *_, last = stream(config)
    return Report.from_dict(last.report)


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")}
    return {"regime": VERSION, "python": platform.python_version(), **packages}


class _Recorder:
    """Turns snapshots into Measured events, remembering what the verdict needs of the past."""

    def __init__(self, config: ToyConfig | ProbeConfig, learning_rate: float, gap: str) -> None:
        self.config, self.learning_rate, self.gap = config, learning_rate, gap
        self.history: list[Measured] = []
        self.start: Snapshot | None = None
        self.diverged = False
        self.largest: Tensor | None = None
        self.largest_drawn: Tensor | None = None

    def record(self, snapshot: Snapshot, seconds: float, left: float) -> Measured:
        if self.start is None:
            self.start = snapshot
        measurement = measure(snapshot, self.start)
        loss, start_loss = (part.losses["train_loss"] for part in (snapshot, self.start))
        self.diverged = self.diverged or diverged(loss, start_loss)
        model = self._with_largest_gap(measurement)
        event = Measured(
            step=snapshot.step,
            steps=self.config.steps,
            time=snapshot.time,
            seconds=seconds,
            seconds_left=left,
            measures={name: _mean(values) for name, values in model.items()},
            spread={name: _deviation(values) for name, values in model.items()},
            seeds={name: _numbers(values) for name, values in model.items()},
            layers=self._rows(measurement.layers, snapshot, measurement.undefined),
            blocks=self._rows(measurement.blocks, snapshot, measurement.undefined),
            undefined=self._reasons(model, measurement.undefined, ""),
            verdict=self._verdict(snapshot, measurement, model),
            view=snapshot.view,
        )
        if self.history:
            self.history[-1] = self.history[-1].model_copy(update={"view": {}})
        self.history.append(event)
        return event

    def _with_largest_gap(self, measurement: Measurement) -> dict[str, Tensor]:
        """The model's measures; for the twin also the largest gap so far, since both end near the targets."""
        if self.gap != "linearization_gap":
            return measurement.model
        gap = measurement.model[self.gap]
        self.largest = gap if self.largest is None else torch.fmax(self.largest, gap)
        if (drawn := measurement.resampled.get(self.gap)) is not None:
            self.largest_drawn = drawn if self.largest_drawn is None else torch.fmax(self.largest_drawn, drawn)
        measurement.undefined[f"{self.gap}_max"] = REASONS["gap"]
        return measurement.model | {f"{self.gap}_max": self.largest}

    def _verdict(self, snapshot: Snapshot, measurement: Measurement, model: dict[str, Tensor]) -> Verdict:
        """On kernel_change and the twin's largest gap; for a real model on its Taylor gap, and on how its kernel turned too."""
        twin = self.gap == "linearization_gap"
        gap = model[f"{self.gap}_max"] if twin else model[self.gap]
        drawn_gap = self.largest_drawn if twin else measurement.resampled.get(self.gap)
        kernel = _kernel_evidence(model, turn=not twin)
        drawn_kernel = _kernel_evidence(measurement.resampled, turn=not twin) if measurement.resampled else None
        losses = [part.losses["train_loss"].mean().item() for part in (self.start, snapshot)]
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
            advise=lambda label, change, miss: advise(self.config, self.learning_rate, label, change, miss),
        )

    def _rows(self, part: dict[str, dict[str, Tensor]], snapshot: Snapshot, reasons: dict[str, str]) -> list[Row]:
        return [
            Row(
                layer=name,
                block=snapshot.blocks.get(name, name),
                measures={measure: _mean(values) for measure, values in row.items()},
                undefined=self._reasons(row, reasons, f"{name}/"),
            )
            for name, row in part.items()
        ]

    def _reasons(self, values: dict[str, Tensor], reasons: dict[str, str], prefix: str) -> dict[str, str]:
        """Why each measure that is not a finite number is not."""
        known, overflow = ({}, REASONS["overflow"]) if self.diverged else (reasons, "not a finite number")
        return {name: known.get(prefix + name, overflow) for name, value in values.items() if _mean(value) is None}


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

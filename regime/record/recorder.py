"""Snapshots into measured events and a report, remembering what measures and the verdict need of the past."""

import os
import platform
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import accumulate
from math import isfinite
from typing import Any, Protocol

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from regime.config import AnyConfig, ToyConfig
from regime.dynamics.snapshot import TWIN_GAP, GapSnapshot, Snapshot, diverged, joined
from regime.measures.advice import advise
from regime.measures.intervals import at_look, interval_of_geometric_mean, interval_of_mean
from regime.measures.kernel import kernel_change
from regime.measures.measurement import REASONS, Along, Baseline, Measurement, total
from regime.measures.verdict import AXIS, Evidence, Verdict, judge
from regime.record.events import Band, Estimate, Finished, Measured, Number, Reference, Regime, Row, Started
from regime.record.files import whole
from regime.record.report import Provenance, Report
from regime.version import __version__

LARGEST = f"{TWIN_GAP}_max"
DRIFT = 0.1
"""What buffers alone may change the kernel by, before it is remarked on."""
SETTLE = "Settle the buffers before the start: pass training data through the network in training mode, without training it"


class Run(Protocol):
    """What a record says of the run it is of."""

    learning_rate: float
    device: torch.device
    parameters: int
    source: str

    def view(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class Point:
    """What is measured of one step, seed by seed."""

    step: int
    time: float
    loss: Float[Tensor, "S"] | None
    blocks: dict[str, str]
    moved: bool
    """Whether any parameter did."""
    diverged: bool
    measurement: Measurement


class Recorder:
    """Turns the snapshots of one run into Measured events."""

    def __init__(self, config: AnyConfig, learning_rate: float, references: list[Reference], steps: int | None) -> None:
        self.config, self.learning_rate, self.references = config, learning_rate, references
        self.steps = steps
        """The last step; None where nobody knows it."""
        self.history: list[Measured] = []
        self.baseline: Baseline | None = None
        self.diverged = False
        self.last: dict[str, Tensor] = {}
        """The layers' kernels at the last measurement."""
        self.past: dict[str, Tensor] = {}
        """The largest gap, on subsets too, and its rounding; the last kernel and its time; what the forecast missed so far."""
        self.rounds = config.rounds if config.kind == "toy" else []
        self.points: list[Point] = []
        """The history seed by seed, kept where seeds may be added."""

    def started(self, run: Run, estimate: Estimate) -> Started:
        return Started(
            config=self.config.to_dict(),
            learning_rate=self.learning_rate,
            device=str(run.device),
            parameters=run.parameters,
            estimate=estimate,
            references=self.references,
            view=run.view(),
        )

    def report(self, run: Run, seconds: float) -> Report:
        provenance = Provenance(
            versions=versions(),
            device=str(run.device),
            threads=torch.get_num_threads(),
            seconds=seconds,
            seed=self.config.seed,
            learning_rate=self.learning_rate,
            parameters=run.parameters,
            source=run.source,
            seeds=len(self.history[-1].verdict.seeds),
        )
        return Report.from_history(
            self.config, self.history, references=self.references, diverged=self.diverged, provenance=provenance
        )

    def finished(self, run: Run, seconds: float) -> Finished:
        return Finished(report=self.report(run, seconds).to_dict())

    def kernels(self) -> dict[str, Tensor]:
        """Theta^(l) on the probe points, (S, P, P), of the first measurement and the last: "start/layer" and "now/layer"."""
        known = {"start": self.baseline.start.kernels, "now": self.last}
        return {f"{when}/{name}": kernel for when, part in known.items() for name, kernel in part.items()}

    def state(self) -> dict[str, Any]:
        """Return what `restore` goes on from: tensors, numbers and strings."""
        return {
            "history": [event.to_dict() for event in self.history],
            "past": self.past,
            "last": self.last,
            "points": [asdict(point) for point in self.points],
            "diverged": self.diverged,
        }

    def restore(self, state: dict[str, Any], start: Snapshot) -> None:
        """Go on from `state`, measuring against `start` again."""
        self.begin(start)
        self.history = [Measured.model_validate(fields) for fields in state["history"]]
        self.past, self.last, self.diverged = state["past"], state["last"], state["diverged"]
        try:
            points = [Point(**fields | {"measurement": Measurement(**fields["measurement"])}) for fields in state["points"]]
        except (KeyError, TypeError):
            raise ValueError("not a saved session: its measured points are not those of a run") from None
        self.points = points

    def begin(self, start: Snapshot) -> None:
        """Measure against this one; `record` begins with the first it is given."""
        self.baseline = Baseline(start)

    def record(self, snapshot: Snapshot, seconds: float, left: float) -> Measured:
        """Measure a snapshot, against the first one that came."""
        if self.baseline is None:
            self.begin(snapshot)
        known = "kernel" in self.past and not snapshot.anew
        previous = (self.past["time"].item(), self.past["kernel"]) if known else None
        baseline = self.baseline.at(snapshot.start)
        measurement = baseline.measure(snapshot, previous)
        self.past |= {"kernel": total(snapshot), "time": torch.tensor(snapshot.time, dtype=torch.float64)}
        self.last = snapshot.kernels
        if snapshot.unmoved is not None:
            change = {"buffer_change": kernel_change(baseline.kernel, snapshot.unmoved.double())}
            undefined = {"buffer_change": REASONS["kernel"]} | measurement.undefined
            measurement = replace(measurement, model=measurement.model | change, undefined=undefined)
        if measurement.along is not None:
            measurement = self._along(measurement)
        loss = snapshot.losses.get("train_loss")
        if loss is not None:
            self.diverged = self.diverged or snapshot.diverged or diverged(loss, self._start_loss)
        moved = snapshot.step > self.baseline.start.step and any(bool((d != 0).any()) for d in snapshot.displacement.values())
        point = Point(snapshot.step, snapshot.time, loss, snapshot.blocks, moved, self.diverged, measurement)
        if len(self.rounds) > 1:
            self.points.append(point)
        if self.history:
            self.history[-1] = self.history[-1].model_copy(update={"view": {}})
        self.history.append(self._event(point, seconds, left, snapshot.view))
        return self.history[-1]

    @property
    def ended(self) -> bool:
        """Whether the last measurement is made."""
        return self.diverged or (bool(self.history) and self.history[-1].step == self.steps)

    def more(self) -> ToyConfig | None:
        """Return the configuration of the seeds to add: where the verdict straddles a bound, and more may run."""
        verdict = self.history[-1].verdict
        if self.config.kind != "toy" or not verdict.straddles:
            return None
        return self.config.further(len(verdict.seeds), self.learning_rate)

    def joined(self, other: "Recorder") -> "Recorder":
        """Return the record of both batches of seeds: every measurement of both, taken together.

        It ends where the shorter one does, which diverged there.
        """
        whole = Recorder(self.config, self.learning_rate, self.references, self.steps)
        whole.begin(joined(*(replace(part.baseline.start, train=None) for part in (self, other))))
        whole.last = joined(self.last, other.last)
        whole.diverged = self.diverged or other.diverged
        for one, two, event in zip(self.points, other.points, self.history, strict=False):
            whole.points.append(replace(joined(one, two), moved=one.moved or two.moved, diverged=one.diverged or two.diverged))
            whole.history.append(whole._event(whole.points[-1], event.seconds, event.seconds_left, event.view))
        return whole

    def advise(self, advice: list[str]) -> None:
        """Put advice that was tried in the place of the last verdict's."""
        last = self.history[-1]
        self.history[-1] = last.model_copy(update={"verdict": last.verdict.model_copy(update={"advice": advice})})

    def _event(self, point: Point, seconds: float, left: Number, view: dict[str, Any]) -> Measured:
        measurement = point.measurement
        return Measured(
            step=point.step,
            steps=point.step if self.steps is None else self.steps,
            time=point.time,
            seconds=seconds,
            seconds_left=left,
            measures={name: _mean(values) for name, values in measurement.model.items()},
            spread={name: _deviation(values) for name, values in measurement.model.items()},
            seeds={name: _numbers(values) for name, values in measurement.model.items()},
            intervals=self._intervals(measurement.model, point, ""),
            layers=self._rows(measurement.layers, point),
            blocks=self._rows(measurement.blocks, point, judged=True),
            undefined=_reasons(measurement.model, point, ""),
            floors=_floors(measurement.floors, ""),
            modes=self._modes(measurement) if point.step > self.baseline.start.step else [],
            verdict=self._verdict(point),
            view=view,
        )

    @property
    def _start_loss(self) -> Tensor | None:
        """Training loss at the start, where there is one."""
        return self.baseline.start.losses.get("train_loss")

    def _modes(self, measurement: Measurement) -> list[Band]:
        gaps = [_mean(values) for values in measurement.modes.unbind(-1)]
        bands = zip(self.baseline.bands, measurement.shares.mean(0).tolist(), gaps, strict=True)
        return [
            Band(first=band.start + 1, last=band.stop, share=share if isfinite(share) else 0.0, gap=gap)
            for band, share, gap in bands
        ]

    def record_gap(self, glance: GapSnapshot) -> None:
        """Take note of a point of the path that is not measured otherwise, after the first snapshot."""
        self._follow(self.baseline.along(glance.outputs, glance.linear, glance.step))

    def _follow(self, along: Along) -> None:
        """The largest gap to the twin so far, since both end near the targets, and how much of the path the twin foresaw."""
        past = self.past
        grew = along.gap > past[LARGEST].nan_to_num(-1.0) if LARGEST in past else torch.ones_like(along.gap, dtype=torch.bool)
        past["rounding"] = torch.where(grew, along.rounding, past.get("rounding", along.rounding))
        for name, values in ((LARGEST, along.gap), ("drawn", along.drawn)):
            past[name] = torch.fmax(past[name], values) if name in past else values
        for name in ("missed", "around"):
            past[name] = past.get(name, 0.0) + getattr(along, name)

    def _along(self, measurement: Measurement) -> Measurement:
        """The measurement with what its path so far tells."""
        self._follow(measurement.along)
        past = self.past
        path = {LARGEST: past[LARGEST], "forecast_skill": 1 - past["missed"] / past["around"]}
        return replace(
            measurement,
            model=measurement.model | path,
            undefined=measurement.undefined | dict.fromkeys(path, REASONS["gap"]),
            drawn=measurement.drawn | ({LARGEST: past["drawn"]} if measurement.drawn else {}),
            rounding=measurement.rounding | {LARGEST: past["rounding"]},
            along=None,
        )

    def _verdict(self, point: Point) -> Verdict:
        """On kernel_change and the twin's largest gap; for a real model on its Taylor gap, and on how its kernel turned too."""
        turn, model = self.config.kind != "toy", point.measurement.model
        names = ("taylor_gap", "Taylor gap") if turn else (LARGEST, "Largest linearization gap")
        advised = self.config.kind in ("toy", "probe")
        verdict = self._judged(point, model, "", self._evidence(point, model, "", *names), turn=turn, advised=advised)
        drift = model["buffer_change"].mean().item() if "buffer_change" in model else 0.0
        if not drift > DRIFT:
            return verdict
        said = f"Buffers alone, such as running statistics, changed the kernel by {drift:.2g}; that is not counted as training"
        return verdict.model_copy(update={"reasons": [*verdict.reasons, said], "advice": [SETTLE, *verdict.advice]})

    def _judged(
        self, point: Point, row: dict[str, Tensor], prefix: str, gap: Evidence, *, turn: bool, advised: bool
    ) -> Verdict:
        parts = (row, *(_own(part, prefix) for part in (point.measurement.drawn, point.measurement.rounding)))
        kernel = self._of(_kernel_name(row, turn=turn), *(_kernel_evidence(part, turn=turn) for part in parts))
        loss, start_loss = (None if part is None else part.mean().item() for part in (point.loss, self._start_loss))
        return judge(
            kernel,
            gap,
            start_loss=start_loss,
            loss=loss,
            diverged=point.diverged,
            moved=point.moved,
            remarks=[*_remarks(row), *self._added(len(kernel.seeds))],
            advise=lambda *evidence: advise(self.config, self.learning_rate, *evidence) if advised else [],
        )

    def _added(self, seeds: int) -> list[str]:
        if not self.rounds or seeds == self.rounds[0]:
            return []
        return [f"{seeds} seeds ran, since the interval of the first {self.rounds[0]} had two labels in it"]

    def _evidence(self, point: Point, row: dict[str, Tensor], prefix: str, measure: str, name: str) -> Evidence:
        drawn, rounding = (part.get(prefix + measure) for part in (point.measurement.drawn, point.measurement.rounding))
        return self._of(name, row[measure], drawn, rounding)

    def _of(self, name: str, values: Tensor, drawn: Tensor | None, rounding: Tensor | None) -> Evidence:
        ran = list(accumulate(self.rounds or [len(values)]))
        level = at_look(ran.index(len(values)) if len(values) in ran else 0, len(ran))
        points = self.baseline.subsets.shape[1]
        interval = interval_of_geometric_mean(values, drawn, points, least=AXIS[0], level=level)
        return Evidence(name, values.tolist(), interval, 0.0 if rounding is None else rounding.max().item())

    def _rows(self, part: dict[str, dict[str, Tensor]], point: Point, *, judged: bool = False) -> list[Row]:
        return [
            Row(
                layer=name,
                block=point.blocks.get(name, name),
                measures={measure: _mean(values) for measure, values in row.items()},
                undefined=_reasons(row, point, f"{name}/"),
                floors=_floors(point.measurement.floors, f"{name}/"),
                intervals=self._intervals(row, point, f"{name}/"),
                regime=self._regime(name, row, point) if judged else None,
            )
            for name, row in part.items()
        ]

    def _regime(self, name: str, row: dict[str, Tensor], point: Point) -> Regime | None:
        """A block's own verdict, from its own kernel and its own Taylor gap; None where it has none of either."""
        if not bool(row["kernel_share"].isfinite().all()):
            return None
        gap = self._evidence(point, row, f"{name}/", "taylor_gap", "Taylor gap of this block alone")
        own = self._judged(point, row, f"{name}/", gap, turn=True, advised=False)
        return Regime(label=own.label, index=own.index, interval=own.interval, reasons=own.reasons)

    def _intervals(self, row: dict[str, Tensor], point: Point, prefix: str) -> dict[str, tuple[float, float]]:
        """95% intervals of what was resampled, all at once."""
        drawn = _own(point.measurement.drawn, prefix)
        names = [name for name, values in row.items() if name in drawn and bool(values.isfinite().all())]
        if not names:
            return {}
        values, drawn = (torch.stack([part[name].double() for name in names]) for part in (row, drawn))
        low, high = interval_of_mean(values, drawn, self.baseline.subsets.shape[1])
        pairs = zip(names, low.tolist(), high.tolist(), strict=True)
        return {name: (low, high) for name, low, high in pairs if isfinite(low) and isfinite(high)}


@cache
def versions() -> dict[str, str]:
    """What a run depends on."""
    packages = {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")}
    return {"regime": __version__, "python": platform.python_version(), **packages}


def save_kernels(recorder: Recorder | None, path: str | os.PathLike[str]) -> None:
    """Write a record's kernels as safetensors, whole or not at all; raises ValueError where there are none yet."""
    if recorder is None or recorder.baseline is None:
        raise ValueError("save_kernels: nothing is measured yet")
    with whole(path) as partial:
        # the first measurement is the last one too, for a while: tensors of a file may not share memory
        copies = {name: kernel.clone(memory_format=torch.contiguous_format) for name, kernel in recorder.kernels().items()}
        save_file(copies, partial)


def _own(named: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """What belongs to a layer, or with no prefix to the model, by measure."""
    return {name.removeprefix(prefix): values for name, values in named.items() if _owner(name) == prefix}


def _reasons(values: dict[str, Tensor], point: Point, prefix: str) -> dict[str, str]:
    """Why each measure that is not a finite number is not."""
    known, overflow = ({}, REASONS["overflow"]) if point.diverged else (point.measurement.undefined, "not a finite number")
    return {name: known.get(prefix + name, overflow) for name, value in values.items() if _mean(value) is None}


def _floors(floors: dict[str, Tensor], prefix: str) -> dict[str, float]:
    """Of the mean over seeds, which share their probe points: the mean of theirs."""
    named = {name: _mean(values) for name, values in _own(floors, prefix).items()}
    return {name: value for name, value in named.items() if value is not None}


def _owner(name: str) -> str:
    """The layer a floor belongs to, with the slash, or nothing for the model's."""
    return name[: name.rfind("/") + 1]


def _kernel_evidence(model: dict[str, Tensor], *, turn: bool) -> Tensor | None:
    """kernel_change, or, where it is larger, what the centered kernel's turn alone would make of it.

    For kernels of equal norm ||A - B|| / ||B|| = sqrt(2 (1 - cos)), so sqrt(2 kernel_distance_centered) is on the same scale.
    """
    if "kernel_change" not in model:
        return None
    change = model["kernel_change"]
    return torch.maximum(change, (2 * model["kernel_distance_centered"]).sqrt()) if turn else change


def _kernel_name(model: dict[str, Tensor], *, turn: bool) -> str:
    evidence, change = (values.mean() for values in (_kernel_evidence(model, turn=turn), model["kernel_change"]))
    return "Kernel change" if evidence <= 1.001 * change else "Kernel turn, sqrt(2 centered distance)"


def _remarks(model: dict[str, Tensor]) -> list[str]:
    change, distance = model["kernel_change"].mean().item(), model["kernel_distance"].mean().item()
    grew = isfinite(change) and isfinite(distance) and change > 0.1 and (2 * distance) ** 0.5 < change / 2
    return [f"The kernel grew more than it turned: its distance is {distance:.2g}"] if grew else []


def finite(value: float) -> Number:
    return value if isfinite(value) else None


def _numbers(values: Tensor) -> list[Number]:
    return [finite(value) for value in values.tolist()]


def _mean(values: Tensor) -> Number:
    return finite(values.mean().item())


def _deviation(values: Tensor) -> Number:
    return finite(values.std().item()) if len(values) > 1 else None

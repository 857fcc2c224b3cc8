"""Snapshots into measured events and a report, remembering what measures and the verdict need of the past."""

import os
import platform
from functools import cache
from importlib.metadata import version
from math import isfinite
from typing import Any, Protocol

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from scipy.special import stdtrit
from torch import Tensor

from regime.advice import advise
from regime.config import AnyConfig
from regime.events import Band, Estimate, Finished, Measured, Number, Reference, Regime, Row, Started
from regime.files import whole
from regime.measures.kernel import kernel_change
from regime.measures.measurement import NORMAL, REASONS, Along, Baseline, Measurement, total
from regime.measures.verdict import CONFIDENCE, Verdict, judge, seed_interval
from regime.report import Provenance, Report
from regime.snapshots import TWIN_GAP, Glance, Snapshot, diverged

VERSION = "0.1.0"
LARGEST = f"{TWIN_GAP}_max"
TAIL = (1 - CONFIDENCE) / 2
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
        """The largest gap, that of resamples, the last kernel and its time, and the forecast's squared misses, so far."""

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
        return {"history": [event.to_dict() for event in self.history], "past": self.past}

    def restore(self, state: dict[str, Any], start: Snapshot) -> None:
        """Go on from `state`, measuring against `start` again."""
        self.begin(start)
        self.history = [Measured.model_validate(fields) for fields in state["history"]]
        self.past = state["past"]

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
        loss, start_loss = self._losses(snapshot)
        if loss is not None:
            self.diverged = self.diverged or snapshot.diverged or diverged(loss, start_loss)
        model = measurement.model
        if snapshot.unmoved is not None:
            model = model | {"buffer_change": kernel_change(baseline.kernel, snapshot.unmoved.double())}
            measurement.undefined.setdefault("buffer_change", REASONS["kernel"])
        if measurement.along is not None:
            measurement.undefined.update({LARGEST: REASONS["gap"], "forecast_skill": REASONS["gap"]})
            model = model | self._follow(measurement.along)
        event = Measured(
            step=snapshot.step,
            steps=snapshot.step if self.steps is None else self.steps,
            time=snapshot.time,
            seconds=seconds,
            seconds_left=left,
            measures={name: _mean(values) for name, values in model.items()},
            spread={name: _deviation(values) for name, values in model.items()},
            seeds={name: _numbers(values) for name, values in model.items()},
            intervals=_intervals(model, measurement, ""),
            layers=self._rows(measurement.layers, snapshot, measurement),
            blocks=self._rows(measurement.blocks, snapshot, measurement, judged=True),
            undefined=self._reasons(model, measurement.undefined, ""),
            floors=_floors(measurement.floors, ""),
            modes=self._modes(measurement, baseline) if snapshot.step > self.baseline.start.step else [],
            verdict=self._verdict(snapshot, measurement, model),
            view=snapshot.view,
        )
        if self.history:
            self.history[-1] = self.history[-1].model_copy(update={"view": {}})
        self.history.append(event)
        return event

    def _losses(self, snapshot: Snapshot) -> tuple[Tensor | None, Tensor | None]:
        """Training loss now and at the start, where there is one."""
        return snapshot.losses.get("train_loss"), self.baseline.start.losses.get("train_loss")

    def _modes(self, measurement: Measurement, baseline: Baseline) -> list[Band]:
        gaps = [_mean(values) for values in measurement.modes.unbind(-1)]
        bands = zip(baseline.bands, baseline.shares.tolist(), gaps, strict=True)
        return [
            Band(first=band.start + 1, last=band.stop, share=share if isfinite(share) else 0.0, gap=gap)
            for band, share, gap in bands
        ]

    def glance(self, glance: Glance) -> None:
        """Take note of a point of the path that is not measured otherwise, after the first snapshot."""
        self._follow(self.baseline.along(glance.outputs, glance.linear))

    def _follow(self, along: Along) -> dict[str, Tensor]:
        """The largest gap to the twin so far, since both end near the targets, and how much of the path the twin foresaw."""
        for name, values in ((LARGEST, along.gap), ("drawn", along.drawn)):
            if values is not None:
                self.past[name] = torch.fmax(self.past[name], values) if name in self.past else values
        for name in ("missed", "around"):
            self.past[name] = self.past.get(name, 0.0) + getattr(along, name)
        return {LARGEST: self.past[LARGEST], "forecast_skill": 1 - self.past["missed"] / self.past["around"]}

    def _verdict(self, snapshot: Snapshot, measurement: Measurement, model: dict[str, Tensor]) -> Verdict:
        """On kernel_change and the twin's largest gap; for a real model on its Taylor gap, and on how its kernel turned too."""
        turn = self.config.kind != "toy"
        gap, drawn = (
            (model["taylor_gap"], measurement.drawn.get("taylor_gap")) if turn else (model[LARGEST], self.past.get("drawn"))
        )
        verdict = self._judged(
            snapshot,
            model,
            {name: measurement.drawn[name] for name in EVIDENCE if name in measurement.drawn},
            (gap, drawn),
            turn=turn,
            gap_name="Taylor gap" if turn else "Largest linearization gap",
            advised=self.config.kind in ("toy", "probe"),
        )
        drift = model["buffer_change"].mean().item() if "buffer_change" in model else 0.0
        if not drift > DRIFT:
            return verdict
        said = f"Buffers alone, such as running statistics, changed the kernel by {drift:.2g}; that is not counted as training"
        return verdict.model_copy(update={"reasons": [*verdict.reasons, said], "advice": [SETTLE, *verdict.advice]})

    def _judged(
        self,
        snapshot: Snapshot,
        measures: dict[str, Tensor],
        drawn: dict[str, Tensor],
        gap: tuple[Tensor, Tensor | None],
        *,
        turn: bool,
        gap_name: str,
        advised: bool,
    ) -> Verdict:
        kernel = _kernel_evidence(measures, turn=turn)
        loss, start_loss = (None if part is None else part.mean().item() for part in self._losses(snapshot))
        return judge(
            kernel.tolist(),
            gap[0].tolist(),
            kernel_interval=_evidence_interval(kernel, _kernel_evidence(drawn, turn=turn) if drawn else None),
            gap_interval=_evidence_interval(*gap),
            start_loss=start_loss,
            loss=loss,
            diverged=self.diverged,
            moved=snapshot.step > self.baseline.start.step and bool((_moved(snapshot) != 0).any()),
            kernel_name=_kernel_name(measures, turn=turn),
            gap_name=gap_name,
            remarks=_remarks(measures),
            advise=lambda *evidence: advise(self.config, self.learning_rate, *evidence) if advised else [],
        )

    def _rows(
        self, part: dict[str, dict[str, Tensor]], snapshot: Snapshot, measurement: Measurement, *, judged: bool = False
    ) -> list[Row]:
        return [
            Row(
                layer=name,
                block=snapshot.blocks.get(name, name),
                measures={measure: _mean(values) for measure, values in row.items()},
                undefined=self._reasons(row, measurement.undefined, f"{name}/"),
                floors=_floors(measurement.floors, f"{name}/"),
                intervals=_intervals(row, measurement, f"{name}/"),
                regime=self._regime(name, row, snapshot, measurement) if judged else None,
            )
            for name, row in part.items()
        ]

    def _regime(self, name: str, row: dict[str, Tensor], snapshot: Snapshot, measurement: Measurement) -> Regime | None:
        """A block's own verdict, from its own kernel and its own Taylor gap; None where it has none of either."""
        if not bool(row["kernel_share"].isfinite().all()):
            return None
        drawn = {
            measure: measurement.drawn[f"{name}/{measure}"] for measure in EVIDENCE if f"{name}/{measure}" in measurement.drawn
        }
        gap = row["taylor_gap"], measurement.drawn.get(f"{name}/taylor_gap")
        own = self._judged(snapshot, row, drawn, gap, turn=True, gap_name="Taylor gap of this block alone", advised=False)
        return Regime(label=own.label, index=own.index, interval=own.interval, reasons=own.reasons)

    def _reasons(self, values: dict[str, Tensor], reasons: dict[str, str], prefix: str) -> dict[str, str]:
        """Why each measure that is not a finite number is not."""
        known, overflow = ({}, REASONS["overflow"]) if self.diverged else (reasons, "not a finite number")
        return {name: known.get(prefix + name, overflow) for name, value in values.items() if _mean(value) is None}


EVIDENCE = ("kernel_change", "kernel_distance_centered")
"""The kernel measures that verdicts rest on."""


@cache
def versions() -> dict[str, str]:
    """What a run depends on."""
    packages = {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")}
    return {"regime": VERSION, "python": platform.python_version(), **packages}


def save_kernels(recorder: Recorder | None, path: str | os.PathLike[str]) -> None:
    """Write a record's kernels as safetensors, whole or not at all; raises ValueError where there are none yet."""
    if recorder is None or recorder.baseline is None:
        raise ValueError("save_kernels: nothing is measured yet")
    with whole(path) as partial:
        # the first measurement is the last one too, for a while: tensors of a file may not share memory
        copies = {name: kernel.clone(memory_format=torch.contiguous_format) for name, kernel in recorder.kernels().items()}
        save_file(copies, partial)


def _floors(floors: dict[str, Tensor], prefix: str) -> dict[str, float]:
    """Of the mean over seeds, which share their probe points: the mean of theirs."""
    named = {name.removeprefix(prefix): _mean(values) for name, values in floors.items() if _owner(name) == prefix}
    return {name: value for name, value in named.items() if value is not None}


def _owner(name: str) -> str:
    """The layer a floor belongs to, with the slash, or nothing for the model's."""
    return name[: name.rfind("/") + 1]


def _intervals(row: dict[str, Tensor], measurement: Measurement, prefix: str) -> dict[str, tuple[float, float]]:
    """95% intervals of what was resampled, all at once."""
    names = [name for name, values in row.items() if prefix + name in measurement.drawn and bool(values.isfinite().all())]
    if not names:
        return {}
    values = torch.stack([row[name].double() for name in names])
    drawn = torch.stack([measurement.drawn[prefix + name].double() for name in names])
    low, high = bootstrap(values, drawn)
    pairs = zip(names, low.tolist(), high.tolist(), strict=True)
    return {name: (low, high) for name, low, high in pairs if isfinite(low) and isfinite(high)}


def bootstrap(values: Float[Tensor, "K S"], drawn: Float[Tensor, "K S B"]) -> tuple[Float[Tensor, " K"], Float[Tensor, " K"]]:
    """95% intervals of the mean over seeds, by a bootstrap over probe points and seeds; none reaches below zero.

    Every draw takes a random half of the points, and as many seeds as there are, with replacement. What resampled seeds add is
    widened by sqrt(S / (S - 1)) t / 1.96, since so few of them spread too little.
    """
    seeds, draws = drawn.shape[1:]
    means = drawn.mean(1)
    if seeds > 1:
        chosen = torch.randint(seeds, (draws, seeds), generator=torch.Generator().manual_seed(0)).to(drawn.device)
        resampled = values[:, chosen].mean(-1) - values.mean(1, keepdim=True)
        means = means + resampled * (seeds / (seeds - 1)) ** 0.5 * float(stdtrit(seeds - 1, 1 - TAIL)) / NORMAL
    low, high = torch.quantile(means, torch.tensor([TAIL, 1 - TAIL], dtype=means.dtype, device=means.device), dim=1)
    return low.clamp(min=0), high.clamp(min=0)


def _evidence_interval(values: Float[Tensor, "S"], drawn: Float[Tensor, "S B"] | None) -> tuple[float, float] | None:
    """The 95% interval of the mean over seeds; with one seed, of its bootstrap over probe points."""
    if not bool(values.isfinite().all()):
        return None
    if len(values) > 1:
        return seed_interval(values.tolist())
    if drawn is None or not bool(drawn.isfinite().all()):
        return None
    low, high = torch.quantile(drawn[0], torch.tensor([TAIL, 1 - TAIL], dtype=drawn.dtype, device=drawn.device)).tolist()
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


def finite(value: float) -> Number:
    return value if isfinite(value) else None


def _numbers(values: Tensor) -> list[Number]:
    return [finite(value) for value in values.tolist()]


def _moved(snapshot: Snapshot) -> Tensor:
    return torch.stack(list(snapshot.displacement.values()))


def _mean(values: Tensor) -> Number:
    return finite(values.mean().item())


def _deviation(values: Tensor) -> Number:
    return finite(values.std().item()) if len(values) > 1 else None

"""Snapshots into measured events and a report, remembering what measures and the verdict need of the past."""

from dataclasses import asdict, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from regime.config import AnyConfig, ToyConfig
from regime.dynamics.snapshot import GapSnapshot, Snapshot, diverged, joined, on_cpu
from regime.measures.baseline import Along, Baseline, total
from regime.measures.definitions import REASONS
from regime.measures.intervals import floor
from regime.measures.kernel import kernel_change
from regime.measures.measurement import Measurement, no_gap, take_measures
from regime.measures.own import OwnMeasure, evaluate, imported, intervals
from regime.record.clouds import representations
from regime.record.events import Band, Estimate, Finished, Measured, Number, Reference, Started
from regime.record.judging import LARGEST, Judge
from regime.record.point import Point
from regime.record.provenance import Made, Run, versions
from regime.record.report import Provenance, Report
from regime.record.rows import resampled_intervals, rows
from regime.record.statistics import by_owner, deviation, mean, mean_floors, numbers, reasons


class Recorder:
    """Turns the snapshots of one run into Measured events.

    Args:
        config: of the run.
        learning_rate: the step size that it takes.
        references: values to read measures against.
        steps: the last step; None where nobody knows it.
        measures: of one's own; None for those that the configuration names.

    Raises:
        ConfigError: the configuration names a measure that cannot be had.
    """

    def __init__(
        self,
        config: AnyConfig,
        learning_rate: float,
        references: list[Reference],
        steps: int | None,
        measures: list[OwnMeasure] | None = None,
    ) -> None:
        self.config, self.learning_rate, self.references = config, learning_rate, references
        self.steps = steps
        self.own = imported(getattr(config, "measures", ())) if measures is None else measures
        self.history: list[Measured] = []
        self.baseline: Baseline | None = None
        self.diverged = False
        self.last: dict[str, Tensor] = {}
        """The layers' kernels at the last measurement."""
        self.restarts = 0
        """How often the start had been taken anew by then."""
        self.past: dict[str, Tensor] = {}
        """The largest gap, on subsets too, and its rounding; the last kernel and its time; what the forecast missed so far."""
        self.points: list[Point] = []
        """The history seed by seed, kept where seeds may be added."""

    def started(self, run: Run, estimate: Estimate) -> Started:
        """Return the event that begins the run."""
        return Started(
            config=self.config.to_dict(),
            learning_rate=self.learning_rate,
            device=str(run.device),
            parameters=run.parameters,
            read=getattr(self.config, "read", None),
            estimate=estimate,
            references=self.references,
            view=run.view(),
        )

    def report(self, run: Made, seconds: float) -> Report:
        """Return the report of what is recorded so far, of a run that took so many seconds."""
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
            self.config,
            self.history,
            references=self.references,
            diverged=self.diverged,
            provenance=provenance,
            definitions={measure.name: measure.meaning for measure in self.own},
        )

    def finished(self, run: Made, seconds: float) -> Finished:
        """Return the event that ends the run, with its report."""
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
        self.past, self.diverged = state["past"], state["diverged"]
        self.last = {name: kernel.to(start.outputs.device) for name, kernel in state["last"].items()}
        self.points = [Point(**fields | {"measurement": Measurement(**fields["measurement"])}) for fields in state["points"]]

    @property
    def judge(self) -> Judge:
        """What gives verdicts against the start."""
        return Judge(self.config, self.learning_rate, self.baseline)

    def begin(self, start: Snapshot) -> None:
        """Measure against this one; `record` begins with the first it is given."""
        self.baseline = Baseline(start)

    def record(self, snapshot: Snapshot, seconds: float, left: float) -> Measured:
        """Measure a snapshot, against the first one that came.

        Args:
            snapshot: of the run at one step.
            seconds: that the run has taken.
            left: seconds that it will still take.
        """
        if self.baseline is None:
            self.begin(snapshot)
        known = "kernel" in self.past and snapshot.restarts == self.restarts
        previous = (self.past["time"].item(), self.past["kernel"].to(snapshot.outputs.device)) if known else None
        baseline = self.baseline.at(snapshot.start)
        measurement = take_measures(baseline, snapshot, previous)
        if "kernel" in self.past and not known:
            measurement = replace(measurement, undefined=measurement.undefined | {"kernel_velocity": REASONS["state"]})
        if snapshot.unmoved is not None:
            change = {"buffer_change": kernel_change(baseline.kernel, snapshot.unmoved.double())}
            undefined = {"buffer_change": REASONS["kernel"]} | measurement.undefined
            measurement = replace(measurement, model=measurement.model | change, undefined=undefined)
        measurement = on_cpu(measurement)
        if measurement.along is not None:
            measurement = self._along(measurement)
        if self.own:
            measurement = replace(measurement, model=measurement.model | evaluate(self.own, snapshot, baseline.start))
        self.past |= {"kernel": total(snapshot), "time": torch.tensor(snapshot.time, dtype=torch.float64, device="cpu")}
        self.last, self.restarts = snapshot.kernels, snapshot.restarts
        loss = on_cpu(snapshot.losses.get("train_loss"))
        if loss is not None:
            self.diverged = self.diverged or snapshot.diverged or diverged(loss, self.judge.start_loss)
        moved = snapshot.step > self.baseline.start.step and bool(torch.stack([*snapshot.displacement.values()]).any())
        point = Point(snapshot.step, snapshot.time, loss, snapshot.blocks, moved, self.diverged, measurement)
        if len(self.judge.rounds) > 1:
            self.points.append(point)
        if self.history:
            self.history[-1] = self.history[-1].model_copy(update={"view": {}})
        clouds = {} if self.config.kind == "toy" else representations(snapshot, self.baseline.start)
        self.history.append(self._event(point, seconds, left, snapshot.view | clouds))
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
        whole = Recorder(self.config, self.learning_rate, self.references, self.steps, self.own)
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
        model = {name: mean(values) for name, values in measurement.model.items()}
        floors = by_owner(mean_floors(measurement.floors))
        known = by_owner(resampled_intervals(measurement, self.baseline.subsets.shape[1]))
        layers = rows(measurement.layers, point, floors, known)
        alone = all(layer == block for layer, block in point.blocks.items())
        blocks = layers if alone else rows(measurement.blocks, point, floors, known)
        verdict, regimes = self.judge.verdicts(point)
        judged = zip(blocks, regimes, strict=True)
        return Measured(
            step=point.step,
            steps=point.step if self.steps is None else self.steps,
            time=point.time,
            seconds=seconds,
            seconds_left=left,
            measures=model,
            spread={name: deviation(values) for name, values in measurement.model.items()},
            seeds={name: numbers(values) for name, values in measurement.model.items()},
            intervals=known[""] | intervals(self.own, measurement.model),
            layers=layers,
            blocks=[row.model_copy(update={"block": row.layer, "regime": regime}) for row, regime in judged],
            undefined=reasons(model, measurement.undefined, "", diverged=point.diverged),
            floors=floors[""],
            modes=self._modes(measurement) if point.step > self.baseline.start.step else [],
            verdict=verdict,
            view=view,
        )

    def _modes(self, measurement: Measurement) -> list[Band]:
        gaps = [mean(values) for values in measurement.modes.unbind(-1)]
        bands = zip(self.baseline.bands, measurement.shares.mean(0).tolist(), gaps, strict=True)
        return [
            Band(first=band.start + 1, last=band.stop, share=share if isfinite(share) else 0.0, gap=gap)
            for band, share, gap in bands
        ]

    def record_gap(self, point: GapSnapshot) -> None:
        """Take note of a point of the path that is not measured otherwise, after the first snapshot."""
        self._follow(on_cpu(self.baseline.along(point.outputs, point.linear, point.step)))

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
        gap, gaps = no_gap(past[LARGEST]), past[LARGEST]
        skill = REASONS["alike"] if gaps.isfinite().any() and not gaps.isinf().any() else gap
        known = floor(past["drawn"], self.baseline.subsets.shape[1], past["rounding"])
        return replace(
            measurement,
            model=measurement.model | path,
            undefined=measurement.undefined | {LARGEST: gap, "forecast_skill": skill},
            drawn=measurement.drawn | ({LARGEST: past["drawn"]} if measurement.drawn else {}),
            floors=measurement.floors | ({LARGEST: known} if measurement.drawn else {}),
            rounding=measurement.rounding | {LARGEST: past["rounding"]},
            along=None,
        )

"""The evidence that a verdict rests on, taken from what is measured of a step."""

from dataclasses import dataclass
from itertools import accumulate
from math import isfinite

import torch
from torch import Tensor

from regime.config import AnyConfig
from regime.dynamics.snapshot import TWIN_GAP, on_cpu
from regime.measures.advice import advise
from regime.measures.baseline import Baseline
from regime.measures.intervals import at_look, interval_of_geometric_mean
from regime.measures.verdict import AXIS, Evidence, Verdict, judge
from regime.observe.reasons import CUT
from regime.record.events import Regime
from regime.record.point import Point

LARGEST = f"{TWIN_GAP}_max"
DRIFT = 0.1
"""What buffers alone may change the kernel by, before it is remarked on."""
SETTLE = "Settle the buffers before the start: pass training data through the network in training mode, without training it"


@dataclass(frozen=True)
class Judge:
    """What verdicts of one run have in common."""

    config: AnyConfig
    learning_rate: float
    baseline: Baseline

    @property
    def rounds(self) -> list[int]:
        """Seeds of each batch that may run; none where their number is fixed."""
        return self.config.rounds if self.config.kind == "toy" else []

    @property
    def start_loss(self) -> Tensor | None:
        """Training loss at the start, seed by seed, where there is one."""
        return on_cpu(self.baseline.start.losses.get("train_loss"))

    def verdict(self, point: Point) -> Verdict:
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
        parts = (row, ""), (point.measurement.drawn, prefix), (point.measurement.rounding, prefix)
        kernel = self._of(_kernel_name(row, turn=turn), *(_kernel_evidence(*part, turn=turn) for part in parts))
        loss, start_loss = (None if part is None else part.mean().item() for part in (point.loss, self.start_loss))
        return judge(
            kernel,
            gap,
            start_loss=start_loss,
            loss=loss,
            diverged=point.diverged,
            moved=point.moved,
            cut=CUT if point.measurement.undefined.get(f"{prefix}taylor_gap") == CUT else None,
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

    def regime(self, name: str, row: dict[str, Tensor], point: Point) -> Regime | None:
        """Return a block's own verdict, from its own kernel and its own Taylor gap; None where it has none of either.

        Args:
            name: of the block.
            row: its measures.
            point: what is measured of the step.
        """
        if not bool(row["kernel_share"].isfinite().all()):
            return None
        gap = self._evidence(point, row, f"{name}/", "taylor_gap", "Taylor gap of this block alone")
        own = self._judged(point, row, f"{name}/", gap, turn=True, advised=False)
        return Regime(label=own.label, index=own.index, interval=own.interval, reasons=own.reasons)


def _kernel_evidence(measures: dict[str, Tensor], prefix: str = "", *, turn: bool) -> Tensor | None:
    """kernel_change, or, where it is larger, what the centered kernel's turn alone would make of it.

    For kernels of equal norm ||A - B|| / ||B|| = sqrt(2 (1 - cos)), so sqrt(2 kernel_distance_centered) is on the same scale.
    """
    if (change := measures.get(f"{prefix}kernel_change")) is None:
        return None
    return torch.maximum(change, (2 * measures[f"{prefix}kernel_distance_centered"]).sqrt()) if turn else change


def _kernel_name(model: dict[str, Tensor], *, turn: bool) -> str:
    evidence, change = (values.mean() for values in (_kernel_evidence(model, turn=turn), model["kernel_change"]))
    return "Kernel change" if evidence <= 1.001 * change else "Kernel turn, sqrt(2 centered distance)"


def _remarks(model: dict[str, Tensor]) -> list[str]:
    change, distance = model["kernel_change"].mean().item(), model["kernel_distance"].mean().item()
    grew = isfinite(change) and isfinite(distance) and change > 0.1 and (2 * distance) ** 0.5 < change / 2
    return [f"The kernel grew more than it turned: its distance is {distance:.2g}"] if grew else []

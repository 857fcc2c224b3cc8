"""The evidence that a verdict rests on, taken from what is measured of a step."""

from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import isfinite
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import AnyConfig
from regime.dynamics.snapshot import TWIN_GAP, on_cpu
from regime.measures.advice import advise
from regime.measures.baseline import Baseline
from regime.measures.intervals import at_look, interval_of_geometric_mean
from regime.measures.verdict import AXIS, OVER, Evidence, Verdict, judge
from regime.observe.reasons import CUT
from regime.record.events import Regime
from regime.record.point import Point

LARGEST = f"{TWIN_GAP}_max"
DIVERGED = 10 * OVER
"""What a larger gap counts as, or an infinite one: its prediction diverged, and how far in one seed or another says nothing."""
DRIFT = 0.1
"""What all that is not trained may change the kernel by, before it is remarked on."""
SETTLE = "Settle what is not trained before the start, as buffers by passing training data through the network in training mode"


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

    def verdicts(self, point: Point) -> tuple[Verdict, list[Regime | None]]:
        """Return the verdict on the whole network, and each block's own; None of a block that has no kernel.

        The whole network's rests on kernel_change and the twin's largest gap; a real model's on its Taylor gap, and on how its
        kernel turned too. A block's rests on the same of its own kernel and its own Taylor gap.
        """
        turn, blocks = self.config.kind != "toy", point.measurement.blocks
        gap = ("taylor_gap", "Taylor gap") if turn else (LARGEST, "Largest linearization gap")
        parts = [_Part("", point.measurement.model, turn, *gap)]
        parts += [_Part(f"{name}/", row, True, "taylor_gap", "Taylor gap of this block alone") for name, row in blocks.items()]
        whole, *others = self._judged(point, parts)
        known = [bool(row["kernel_share"].isfinite().all()) for row in blocks.values()]
        own = [Regime(label=v.label, index=v.index, interval=v.interval, reasons=v.reasons) for v in others]
        return self._remarked(whole, point), [regime if there else None for regime, there in zip(own, known, strict=True)]

    def _remarked(self, verdict: Verdict, point: Point) -> Verdict:
        """The verdict, with a remark where buffers, frozen weights or attributes alone changed the kernel."""
        model = point.measurement.model
        drift = model["buffer_change"].mean().item() if "buffer_change" in model else 0.0
        if not drift > DRIFT:
            return verdict
        what = "What is not trained, such as running statistics or frozen weights,"
        said = f"{what} changed the kernel by {drift:.2g}; that is not counted as training"
        return verdict.model_copy(update={"reasons": [*verdict.reasons, said], "advice": [SETTLE, *verdict.advice]})

    def _judged(self, point: Point, parts: list["_Part"]) -> list[Verdict]:
        evidence = self._evidence([part.kernel(point) for part in parts] + [part.gap(point) for part in parts])
        loss, start_loss = (None if losses is None else losses.mean().item() for losses in (point.loss, self.start_loss))
        advised = self.config.kind in ("toy", "probe")
        return [
            judge(
                kernel,
                gap,
                start_loss=start_loss,
                loss=loss,
                diverged=point.diverged,
                moved=point.moved,
                cut=CUT if point.measurement.undefined.get(f"{part.prefix}taylor_gap") == CUT else None,
                remarks=[*_remarks(part.row), *self._added(len(kernel.seeds))],
                advise=partial(advise, self.config, self.learning_rate) if advised and not part.prefix else _nothing,
            )
            for part, kernel, gap in zip(parts, evidence[: len(parts)], evidence[len(parts) :], strict=True)
        ]

    def _added(self, seeds: int) -> list[str]:
        if not self.rounds or seeds == self.rounds[0]:
            return []
        return [f"{seeds} seeds ran, since the interval of the first {self.rounds[0]} had two labels in it"]

    def _evidence(self, found: list["_Found"]) -> list[Evidence]:
        """What was found as evidence, with all the intervals taken at once."""
        seeds = len(found[0].values)
        ran = list(accumulate(self.rounds or [seeds]))
        level = at_look(ran.index(seeds) if seeds in ran else 0, len(ran))
        intervals: list[tuple[float, float] | None] = [None] * len(found)
        for drawn in (False, True):
            chosen = [k for k, each in enumerate(found) if (each.drawn is not None) == drawn]
            if not chosen:
                continue
            low, high = interval_of_geometric_mean(
                torch.stack([found[k].values.double() for k in chosen]),
                torch.stack([found[k].drawn for k in chosen]) if drawn else None,
                self.baseline.subsets.shape[1],
                least=AXIS[0],
                level=level,
            )
            for k, *ends in zip(chosen, low.tolist(), high.tolist(), strict=True):
                intervals[k] = (ends[0], ends[1]) if isfinite(ends[0]) else None
        return [
            Evidence(each.name, each.values.tolist(), ends, each.rounded, each.missing)
            for each, ends in zip(found, intervals, strict=True)
        ]


class _Found(NamedTuple):
    """What a measure came to: seed by seed, on subsets of the probe points, and how far rounding may have moved it."""

    name: str
    values: Float[Tensor, "S"]
    drawn: Float[Tensor, "S B"] | None
    rounding: Float[Tensor, "S"] | None
    missing: str = ""
    """Why it is undefined, where it is."""

    @property
    def rounded(self) -> float:
        """How far rounding may have moved any seed's."""
        return 0.0 if self.rounding is None else self.rounding.max().item()


class _Part(NamedTuple):
    """The whole network or a block: where its measures are, and what its verdict rests on."""

    prefix: str
    row: dict[str, Tensor]
    turn: bool
    """Whether the kernel's turn counts, too."""
    measure: str
    """Of the gap."""
    said: str
    """What the gap is called."""

    def kernel(self, point: Point) -> _Found:
        measured = point.measurement
        parts = (self.row, ""), (measured.drawn, self.prefix), (measured.rounding, self.prefix)
        found = [_kernel_evidence(*part, turn=self.turn) for part in parts]
        lost = "kernel_distance_centered" if bool(self.row["kernel_change"].isfinite().all()) else "kernel_change"
        missing = measured.undefined.get(self.prefix + lost, "")
        return _Found(_kernel_name(self.row, turn=self.turn), *found, missing)

    def gap(self, point: Point) -> _Found:
        name, measured = self.prefix + self.measure, point.measurement
        found = self.row[self.measure], measured.drawn.get(name)
        values, drawn = (part if part is None else part.clamp(max=DIVERGED) for part in found)
        return _Found(self.said, values, drawn, measured.rounding.get(name))


def _nothing(*_: object) -> list[str]:
    """No advice."""
    return []


def _kernel_evidence(measures: dict[str, Tensor], prefix: str = "", *, turn: bool) -> Tensor | None:
    """kernel_change, or, where it is larger, what the centered kernel's turn alone would make of it.

    For kernels of equal norm ||A - B|| / ||B|| = sqrt(2 (1 - cos)), so sqrt(2 kernel_distance_centered) is on the same scale.
    """
    if (change := measures.get(f"{prefix}kernel_change")) is None:
        return None
    return torch.maximum(change, (2 * measures[f"{prefix}kernel_distance_centered"]).sqrt()) if turn else change


def _kernel_name(model: dict[str, Tensor], *, turn: bool) -> str:
    evidence, change = (values.mean() for values in (_kernel_evidence(model, turn=turn), model["kernel_change"]))
    turned = bool(change.isfinite()) and not evidence <= 1.001 * change
    return "Kernel turn, sqrt(2 centered distance)" if turned else "Kernel change"


def _remarks(model: dict[str, Tensor]) -> list[str]:
    change, distance = model["kernel_change"].mean().item(), model["kernel_distance"].mean().item()
    sized = isfinite(change) and isfinite(distance) and change > 0.1 and (2 * distance) ** 0.5 < change / 2
    return [f"The kernel changed its size more than its direction: its distance is {distance:.2g}"] if sized else []

"""Lazy, mixed, rich, or no verdict: every threshold and the regime index live here.

The index puts a run between 0 (lazy) and 1 (rich). The kernel sets it, on a log axis of kernel_change from 0.01 to 10, and
the gap between the network and its linear prediction bounds it: a gap above 0.1 rules lazy out, one below 0.1 rules rich
out. So the label is the zone of the index: lazy needs both below 0.1, rich needs a kernel above 0.5 with a gap above 0.1.
"""

from collections.abc import Callable, Sequence
from math import isfinite, log10
from statistics import fmean, geometric_mean
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from regime.measures.definitions import REASONS

LAZY_BELOW = 0.1
"""Kernel and gap below this: lazy."""
RICH_ABOVE = 0.5
"""Kernel above this, with a gap above LAZY_BELOW: rich."""
LEARNED = 0.1
"""Share of the initial loss that must be gone before a verdict means anything."""
UNLEARNED = "not learned yet"
"""What is said, instead of how far seeds agree, where it is not."""
AXIS = (0.01, 10.0)
"""Kernel changes at index 0 and 1."""
OVER = 100.0
"""A kernel change or a gap beyond it is said to be over it."""

FEW = "too few points"
"""What is said where evidence hangs on a few probe points."""
ADVICE = {
    "diverged": "Lower the step size",
    "nothing moved": "Train for some steps",
    "no gap": "Read kernel and representation change by themselves; for a verdict, let gradients flow as outputs depend",
    "no kernel": "Start where outputs depend on parameters, as with a head that is not zero: change is relative to the start",
    FEW: "Take more probe points, some of which training changes",
    REASONS["centered"]: "Take probe points that differ from one another",
    REASONS["large"]: "Take smaller inputs or weights, or double precision",
}
"""What to do where there is no verdict; of a kernel that is undefined, by the reason where there is more to say."""

Label = Literal["lazy", "mixed", "rich", "no verdict"]


class Evidence(NamedTuple):
    """What a verdict rests on: the kernel's change, or the gap."""

    name: str
    seeds: list[float]
    interval: tuple[float, float] | None
    """Of the mean, over the choice of probe points too; None where that is not defined."""
    rounding: float = 0.0
    """How far rounding alone may have moved it."""
    missing: str = ""
    """Why it is undefined in a seed, where it is."""

    @property
    def mean(self) -> float:
        """Geometric where no seed has zero; beside larger values, those below the axis count as its least, as in intervals."""
        least = AXIS[0] if max(self.seeds) > AXIS[0] else 0.0
        values = [max(value, least) for value in self.seeds]
        return geometric_mean(values) if min(values) > 0 else fmean(values)

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, each end moved by what rounding may have added or hidden: a norm is off by at most the error's."""
        low, high = self.interval
        return max(0.0, low - self.rounding), high + self.rounding


class Verdict(BaseModel):
    """The regime of a run: its label, the index with its interval, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: Label = Field(description="lazy, mixed, rich, or no verdict")
    index: float | None = Field(description="regime index, 0 lazy to 1 rich; null where nothing moved or training diverged")
    interval: tuple[float, float] | None = Field(description="95% interval of the index")
    seeds: list[float | None] = Field(description="the index of each seed")
    agree: str = Field(description="how far the seeds agree, in words")
    straddles: bool = Field(default=False, description="whether the interval has a bound of two labels in it")
    reasons: list[str] = Field(description="why, in sentences")
    advice: list[str] = Field(description="what to change for another regime or a surer verdict, in sentences")


def _axis(value: float) -> float:
    low, high = log10(AXIS[0]), log10(AXIS[1])
    return min(1.0, max(0.0, (log10(value) - low) / (high - low))) if value > 0 else 0.0


ZONES = (_axis(LAZY_BELOW), _axis(RICH_ABOVE))
"""Indices at which lazy ends and rich begins."""


def regime_index(kernel: float, gap: float) -> float:
    """The index of one kernel change and one gap: non-decreasing in both, continuous, and consistent with the thresholds."""
    lowest = min(_axis(gap), ZONES[0])
    highest = max(ZONES[1], ZONES[1] + (1 - ZONES[1]) * min(1.0, log10(gap / LAZY_BELOW))) if gap > 0 else ZONES[1]
    return min(max(_axis(kernel), lowest), highest)


def zone(index: float) -> Label:
    """Return the label of an index that is known for sure."""
    return "lazy" if index < ZONES[0] else "rich" if index > ZONES[1] else "mixed"


def _kernel_reason(kernel: Evidence) -> str:
    value = kernel.mean
    where = (
        f"lazy below {LAZY_BELOW}"
        if value < LAZY_BELOW
        else f"rich above {RICH_ABOVE}"
        if value > RICH_ABOVE
        else f"between {LAZY_BELOW} and {RICH_ABOVE}"
    )
    return f"{kernel.name} {_amount(value)} ({_between(kernel.ends)}); {where}"


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    end = AXIS[0] * 1.001  # an interval that was cut at the axis ends there to rounding
    if high <= end:
        return f"95% below {AXIS[0]}"
    return f"95% over {OVER:g}" if low > OVER else f"95% {'0' if low <= end else _told(low)} to {_amount(high)}"


def _amount(value: float) -> str:
    """Return a relative change in words: one far beyond all bounds, as of a twin that diverged, is no number to compare."""
    return f"over {OVER:g}" if value > OVER else _told(value)


def _told(value: float, *bounds: float) -> str:
    """Return a number with two digits, or with as many more as put it on its own side of the bounds it is held against."""
    bounds = bounds or (LAZY_BELOW, RICH_ABOVE, OVER)
    texts = [f"{value:.{digits}g}" for digits in range(2, 8)]
    return next((text for text in texts if float(text) not in bounds), texts[0])


def judge(
    kernel: Evidence,
    gap: Evidence,
    *,
    start_loss: float | None,
    loss: float | None,
    diverged: bool,
    moved: bool,
    cut: str | None = None,
    remarks: Sequence[str] = (),
    advise: Callable[[Label, Sequence[float], Sequence[float]], list[str]],
) -> Verdict:
    """Return the verdict on a run from its evidence.

    Args:
        kernel, gap: kernel evidence and gap.
        start_loss, loss: training loss before the first step and now, averaged over seeds; None where nobody knows it.
        diverged: whether training did.
        moved: whether there was a step.
        cut: why there can be no gap.
        remarks: what else to say.
        advise: the label, and each seed's kernel evidence and gap -> what would cross to the other side.
    """
    count = len(kernel.seeds)
    if diverged:
        return _abstain("diverged", "Training diverged: the loss is no longer a finite, bounded number", count)
    if cut:
        return _abstain("no gap", f"{gap.name} is undefined: {cut}", count)
    if unknown := _undefined(kernel, gap, moved=moved):
        return _abstain(*unknown, count, ADVICE.get(kernel.missing) if unknown[0] == "no kernel" else None)
    each = [regime_index(k, g) for k, g in zip(kernel.seeds, gap.seeds, strict=True)]
    low, high = (regime_index(k, g) for k, g in zip(kernel.ends, gap.ends, strict=True))
    index = regime_index(kernel.mean, gap.mean)
    label, labels = zone(index), [zone(value) for value in each]
    majority = max(dict.fromkeys([label, *labels]), key=labels.count)
    agree = f"{labels.count(majority)} of {count} seeds {majority}" if count > 1 else "one seed"
    evidence = [_kernel_reason(kernel), _gap_reason(gap)]
    fields = {"index": index, "interval": (low, high), "seeds": each}
    if unknown := _unknown(start_loss, loss):
        remarks = [*remarks, unknown]
    elif (fall := 1 - loss / start_loss) < LEARNED:
        change, other = (f"fell by {_told(100 * fall, 100 * LEARNED)}%", "raise") if fall >= 0 else ("rose", "lower")
        reasons = [f"The training loss {change}; a verdict needs {100 * LEARNED:.0f}%", *evidence]
        advice = [f"Train longer, or {other} the step size"]
        return Verdict(label="no verdict", agree=UNLEARNED, reasons=reasons, advice=advice, **fields)
    if zone(low) != zone(high):
        sides = " and ".join(dict.fromkeys([zone(low), zone(high)]))
        reasons = [f"The interval has both {sides} in it, so the label would be a guess", *evidence, *remarks]
        settle, straddles = _settle(kernel, gap)
        fields |= {"agree": agree, "reasons": reasons, "advice": [settle], "straddles": straddles}
        return Verdict(label="no verdict", **fields)
    reasons, advice = [*evidence, *remarks], advise(label, kernel.seeds, gap.seeds)
    return Verdict(label=label, agree=agree, reasons=reasons, advice=advice, **fields)


def _unknown(start_loss: float | None, loss: float | None) -> str | None:
    """Why the share by which a loss fell is not known; that of one at or below zero would depend on its constant."""
    if start_loss is None or loss is None:
        return "The training loss is not known here, so whether anything was learned was not checked"
    if start_loss > 0 and loss >= 0:
        return None
    return (
        f"The training loss went from {start_loss:.2g} to {loss:.2g}; one at or below zero has no share to fall by, so whether "
        "anything was learned was not checked: pass the loss without its constant, so that 0 is its least, or None"
    )


def _settle(kernel: Evidence, gap: Evidence) -> tuple[str, bool]:
    """What may settle a verdict whose interval straddles a bound, and whether more seeds may."""
    zones = {zone(regime_index(k, g)) for k, g in zip(kernel.interval, gap.interval, strict=True)}
    if len(zones) == 1:
        rounded = max(kernel, gap, key=lambda evidence: evidence.rounding)
        name = rounded.name[0].lower() + rounded.name[1:]
        return f"Raise the precision: rounding alone may move {name} by {rounded.rounding:.2g}", False
    more = "More seeds" if len(kernel.seeds) > 1 else "More seeds or more probe points"
    return f"{more} may settle it", True


def _gap_reason(gap: Evidence) -> str:
    side = f"lazy below {LAZY_BELOW}" if gap.mean < LAZY_BELOW else f"rich needs above {LAZY_BELOW}"
    return f"{gap.name} {_amount(gap.mean)} ({_between(gap.ends)}); {side}"


def _undefined(kernel: Evidence, gap: Evidence, *, moved: bool) -> tuple[str, str] | None:
    """What is said where evidence is undefined, and why it is; None where it is not."""
    lost, still = (_without(evidence) for evidence in (kernel, gap))
    if moved and lost is not None:
        return "no kernel", f"{kernel.name} is undefined{lost}, since {kernel.missing or REASONS['kernel']}"
    if not moved or still is not None:
        return "nothing moved", f"The function has not moved yet{still or ''}, so there is no gap to judge"
    for evidence in (kernel, gap):
        if evidence.interval is None:
            return FEW, f"{evidence.name} hangs on too few probe points: without some of them it is undefined"
    return None


def _without(evidence: Evidence) -> str | None:
    """In which seeds it is undefined, in words: nothing of all; None where it is defined in every seed."""
    count = sum(not isfinite(value) for value in evidence.seeds)
    return None if count == 0 else "" if count == len(evidence.seeds) else f" in {count} of {len(evidence.seeds)} seeds"


def _abstain(agree: str, reason: str, seeds: int, advice: str | None = None) -> Verdict:
    fields = {"index": None, "interval": None, "seeds": [None] * seeds}
    return Verdict(label="no verdict", agree=agree, reasons=[reason], advice=[advice or ADVICE[agree]], **fields)

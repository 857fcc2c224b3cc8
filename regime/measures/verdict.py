"""Lazy, mixed, rich, or no verdict: every threshold and the regime index live here.

The index puts a run between 0 (lazy) and 1 (rich). The kernel sets it, on a log axis of kernel_change from 0.01 to 10, and
the gap between the network and its linear prediction bounds it: a gap above 0.1 rules lazy out, one below 0.1 rules rich
out. So the label is the zone of the index: lazy needs both below 0.1, rich needs a kernel above 0.5 with a gap above 0.1.
"""

from collections.abc import Callable, Sequence
from math import exp, isfinite, log, log10
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

LAZY_BELOW = 0.1
"""Kernel and gap below this: lazy."""
RICH_ABOVE = 0.5
"""Kernel above this, with a gap above LAZY_BELOW: rich."""
LEARNED = 0.1
"""Share of the initial loss that must be gone before a verdict means anything."""
CONFIDENCE = 0.95
AXIS = (0.01, 10.0)
"""Kernel changes at index 0 and 1."""

Label = Literal["lazy", "mixed", "rich", "no verdict"]


class Verdict(BaseModel):
    """The regime of a run: its label, the index with its interval, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    index: float | None = Field(description="regime index, 0 lazy to 1 rich; null where nothing moved or training diverged")
    interval: tuple[float, float] | None = Field(description="95% interval of the index")
    seeds: list[float | None] = Field(description="the index of each seed")
    agree: str = Field(description="how far the seeds agree, in words")
    reasons: list[str]
    advice: list[str]


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


def _zone(index: float) -> Label:
    return "lazy" if index < ZONES[0] else "rich" if index > ZONES[1] else "mixed"


def seed_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95% interval of the geometric mean, over at least two seeds.

    Values below the axis count as its end: noise among tiny values says nothing about the regime.
    """
    logs = [log(max(value, AXIS[0])) for value in values]
    n, mean = len(logs), sum(logs) / len(logs)
    variance = sum((value - mean) ** 2 for value in logs) / (n - 1)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * (variance / n) ** 0.5
    return exp(mean - half), exp(min(mean + half, 700.0))


def _spell(name: str, value: float, interval: tuple[float, float]) -> str:
    where = (
        f"lazy below {LAZY_BELOW}"
        if value < LAZY_BELOW
        else f"rich above {RICH_ABOVE}"
        if value > RICH_ABOVE
        else f"between {LAZY_BELOW} and {RICH_ABOVE}"
    )
    return f"{name} {value:.2g} ({_between(interval)}); {where}"


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    end = AXIS[0] * 1.001  # an interval that was cut at the axis ends there to rounding
    return f"95% below {AXIS[0]}" if high <= end else f"95% {'0' if low <= end else f'{low:.2g}'} to {high:.2g}"


def judge(
    kernel: Sequence[float],
    gap: Sequence[float],
    *,
    kernel_interval: tuple[float, float] | None,
    gap_interval: tuple[float, float] | None,
    start_loss: float | None,
    loss: float | None,
    diverged: bool,
    moved: bool,
    kernel_name: str,
    gap_name: str,
    remarks: Sequence[str] = (),
    advise: Callable[[Label, tuple[float, float], tuple[float, float]], list[str]],
) -> Verdict:
    """The verdict on a run from its evidence.

    Args:
        kernel, gap: kernel evidence and gap of each seed.
        kernel_interval, gap_interval: 95% intervals of their means, over seeds or, with one seed, over probe points.
        start_loss, loss: training loss before the first step and now, averaged over seeds; None where nobody knows it.
        moved: whether there was a step.
        kernel_name, gap_name: what the evidence is called; the reasons give geometric means.
        advise: the label, and the intervals of kernel evidence and gap -> what would cross to the other side.
    """
    if diverged:
        return _abstain("diverged", ["Training diverged: the loss is no longer a finite, bounded number"], len(kernel))
    if not all(isfinite(value) for value in (*kernel, *gap)) or kernel_interval is None or gap_interval is None:
        if moved and all(isfinite(value) for value in gap):
            return _abstain("no kernel", [f"{kernel_name} is undefined: the kernel is zero at the start or now"], len(kernel))
        return _abstain("nothing moved", ["The function has not moved yet, so there is no gap to judge"], len(kernel))
    each = [regime_index(k, g) for k, g in zip(kernel, gap, strict=True)]
    low = regime_index(kernel_interval[0], gap_interval[0])
    high = regime_index(kernel_interval[1], gap_interval[1])
    mean_kernel, mean_gap = (_center(values) for values in (kernel, gap))
    index = regime_index(mean_kernel, mean_gap)
    labels = [_zone(value) for value in each]
    majority = max(set(labels), key=lambda zone: (labels.count(zone), zone == _zone(index)))
    agree = f"{labels.count(majority)} of {len(labels)} seeds {majority}" if len(labels) > 1 else "one seed"
    evidence = [_spell(kernel_name, mean_kernel, kernel_interval), _gap_reason(gap_name, mean_gap, gap_interval)]
    fields = {"index": index, "interval": (low, high), "seeds": each}
    if start_loss is None or loss is None:
        remarks = [*remarks, "The training loss is not known here, so whether anything was learned was not checked"]
    elif (fall := 1 - loss / start_loss if start_loss > 0 else 0.0) < LEARNED:
        change = f"fell by {100 * fall:.2g}%" if fall >= 0 else "rose"
        reasons = [f"The training loss {change}; a verdict needs {100 * LEARNED:.0f}%", *evidence]
        advice = ["Train longer, or raise the step size"]
        return Verdict(label="no verdict", agree="not learned yet", reasons=reasons, advice=advice, **fields)
    if _zone(low) != _zone(high):
        sides = " and ".join(dict.fromkeys([_zone(low), _zone(high)]))
        reasons = [f"The interval has both {sides} in it, so the label would be a guess", *evidence]
        settle = "More seeds may settle it" if len(labels) > 1 else "More seeds or more probe points may settle it"
        return Verdict(label="no verdict", agree=agree, reasons=[*reasons, *remarks], advice=[settle], **fields)
    label = _zone(index)
    return Verdict(
        label=label, agree=agree, reasons=[*evidence, *remarks], advice=advise(label, kernel_interval, gap_interval), **fields
    )


def _center(values: Sequence[float]) -> float:
    return exp(sum(log(value) for value in values) / len(values)) if min(values) > 0 else sum(values) / len(values)


def _gap_reason(name: str, value: float, interval: tuple[float, float]) -> str:
    side = f"lazy below {LAZY_BELOW}" if value < LAZY_BELOW else f"rich needs above {LAZY_BELOW}"
    return f"{name} {value:.2g} ({_between(interval)}); {side}"


def _abstain(agree: str, reasons: list[str], seeds: int) -> Verdict:
    advice = {
        "diverged": "Lower the step size",
        "nothing moved": "Train for some steps",
        "no kernel": "Start from a head that is not zero: relative change needs something to be relative to",
    }[agree]
    return Verdict(
        label="no verdict", index=None, interval=None, seeds=[None] * seeds, agree=agree, reasons=reasons, advice=[advice]
    )

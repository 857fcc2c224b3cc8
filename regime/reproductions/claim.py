"""A published claim, and what its reproduction says: numbers with their intervals, figures, and an outcome."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field

from regime.config import Runnable, SweepConfig, ToyConfig
from regime.dynamics.pieces import at_once
from regime.measures.baseline import Baseline
from regime.measures.intervals import PointEstimate
from regime.measures.measurement import Measurement, take_measures
from regime.record.events import Interval, Message, Number
from regime.record.report import Report
from regime.runner import stream
from regime.sweep.fits import power_law
from regime.sweep.report import SweepReport
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun
from regime.toy.snapshots import take_snapshot

STEPS = 50_000
"""Steps after which training to a loss gives up."""
Outcome = Literal["pass", "fail", "undecided", "shown"]


class Paper(Message):
    """Where a claim was published."""

    authors: str = Field(description="the first author, and et al. where there are more")
    year: int = Field(description="of the first version")
    title: str = Field(description="of the paper")
    arxiv: str | None = Field(default=None, description="id on arXiv; null where it is not there")


class Finding(Message):
    """One number of a reproduction, with what was expected of it.

    It passes where its whole interval lies within the tolerance, fails where all of it lies outside, and is undecided between.
    Without a tolerance it is only shown.
    """

    what: str = Field(description="what was measured, in words that can be read alone")
    expected: str = Field(description="the published number or sign")
    value: float = Field(description="ours")
    interval: Interval = Field(description="95% interval of ours; both ends are the value where nothing is random")
    low: Number = Field(default=None, description="lower end of the tolerance; null: none")
    high: Number = Field(default=None, description="upper end of the tolerance; null: none")
    against: str = Field(
        default="", description="the independent implementation that the expected number is of; empty: the paper's"
    )
    configs: list[dict[str, Any]] = Field(
        default=[], description="runs that the number rests on, in full; empty: it needs none"
    )
    outcome: Outcome = Field(default="shown", description="pass, fail, undecided, or shown where nothing was expected")


def finding(
    what: str,
    expected: str,
    ours: PointEstimate,
    low: float | None = None,
    high: float | None = None,
    *,
    against: str = "",
    configs: Sequence[Runnable] = (),
) -> Finding:
    """Judge a number by its interval.

    Args:
        what: was measured.
        expected: the published number or sign, in words.
        ours: the number and its interval.
        low: lower end of the tolerance; None: there is none.
        high: upper end of the tolerance; None: there is none.
        against: the independent implementation that the expected number is of.
        configs: of the runs that the number rests on.
    """
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    if low is None and high is None:
        outcome: Outcome = "shown"
    elif least <= ours.low and ours.high <= most:
        outcome = "pass"
    else:
        outcome = "fail" if ours.high < least or ours.low > most else "undecided"
    rests = [config.to_dict() for config in configs]
    return Finding(
        what=what,
        expected=expected,
        value=ours.value,
        interval=(ours.low, ours.high),
        low=low,
        high=high,
        against=against,
        configs=rests,
        outcome=outcome,
    )


class Series(Message):
    """One line, or one row of dots, of a figure."""

    name: str = Field(description="as it stands in the legend")
    x: list[float] = Field(description="places")
    y: list[Number] = Field(description="values there; null leaves a gap")
    low: list[Number] | None = Field(default=None, description="lower ends of the 95% intervals; null: none are drawn")
    high: list[Number] | None = Field(default=None, description="upper ends of the 95% intervals; null: none are drawn")
    style: Literal["dots", "line", "guide"] = Field(
        default="dots", description="measured dots, a curve, or an expected line, dashed"
    )


class Figure(Message):
    """What a card draws."""

    title: str = Field(description="what is seen, as a sentence without a period")
    x: str = Field(description="label of the horizontal axis")
    y: str = Field(description="label of the vertical axis")
    log_x: bool = Field(default=False, description="whether the horizontal axis is logarithmic")
    log_y: bool = Field(default=False, description="whether the vertical axis is logarithmic")
    series: list[Series] = Field(description="what is drawn, the most important first")


def log_log(title: str, x: str, y: str, series: list[Series]) -> Figure:
    """Return a figure whose axes are both logarithmic.

    Args:
        title: what is seen.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        series: what is drawn.
    """
    return Figure(title=title, x=x, y=y, log_x=True, log_y=True, series=series)


class Step(NamedTuple):
    """How far a reproduction is; without a share, only that it goes on."""

    done: float | None = None
    doing: str = ""


Found = Step | Finding | Figure


@dataclass(frozen=True)
class Claim:
    """A claim, and the generator that measures it: its quick form under a minute on two cores, its full form without limit."""

    id: str
    title: str
    claim: str
    """One sentence."""
    paper: Paper
    published: str
    """The paper's own number or sign."""
    method: str
    """What is run here, what the tolerance is and why, and what was tried where the claim does not come out."""
    measure: Callable[[bool], Iterator[Found]]
    """Of whether to take the full form; yields at least twice a second, so that it can be stopped."""
    needs: tuple[str, ...] = ()
    """Packages beyond the app's own, from an optional extra; without them the claim is skipped."""


def outcome_of(findings: Sequence[Finding]) -> Outcome:
    """Return the outcome of a whole card: the worst of its numbers'."""
    found = {found.outcome for found in findings}
    return next((worst for worst in ("fail", "undecided", "pass") if worst in found), "shown")  # type: ignore[return-value]


def exponent(x: Sequence[float], y: np.ndarray) -> PointEstimate:
    """Return the exponent of y (K, S) ~ x^exponent, fitted seed by seed, with Student's interval."""
    return power_law(np.asarray(x), y, by_seed=True).exponent


def train_to(config: ToyConfig, share: float, dtype: torch.dtype | None = None) -> Generator[Step, None, Measurement]:
    """Train until the loss, averaged over seeds, first falls below a share of its start; return everything measured then.

    Args:
        config: of the run.
        share: of the initial loss.
        dtype: to compute in; None chooses as a run does.

    Raises:
        RuntimeError: it does not, or training diverges.
    """
    experiment = at_once(Experiment.begun(ToyRun(config, dtype), learners=False))
    yield Step()
    baseline = Baseline(at_once(take_snapshot(experiment)))
    target = share * baseline.start.losses["train_loss"].mean()
    for _ in range(STEPS):
        yield Step()
        if experiment.advance().mean() <= target:
            return take_measures(baseline, at_once(take_snapshot(experiment)), None)
    raise RuntimeError(f"the training loss did not fall to {share:g} of its start in {STEPS} steps")


def watched(config: Runnable) -> Generator[Step, None, Any]:
    """Run a configuration and return its report, a `Report` or a `SweepReport`."""
    event: Any = None
    for event in stream(config):  # noqa: B007
        yield Step()
    return (SweepReport if isinstance(config, SweepConfig) else Report).from_dict(event.report)

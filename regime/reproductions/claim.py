"""The result of a reproduction: a claim, the number expected, and ours with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import torch

from regime.config import ToyConfig
from regime.measures.intervals import PointEstimate
from regime.measures.measurement import Baseline, Measurement
from regime.sweep.fits import power_law
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun
from regime.toy.snapshots import take_snapshot

STEPS = 50_000
"""Steps after which training to a loss gives up."""


@dataclass(frozen=True)
class Result:
    """One number of a claim: `ours` is right where its value lies within `low` and `high`."""

    id: str
    claim: str
    expected: str
    ours: PointEstimate
    low: float = -inf
    high: float = inf

    @property
    def passed(self) -> bool:
        """Whether our number lies within the tolerance."""
        return self.low <= self.ours.value <= self.high


def exponent(x: Sequence[float], y: np.ndarray) -> PointEstimate:
    """Return the exponent of y (K, S) ~ x^exponent, fitted seed by seed, with Student's interval."""
    return power_law(np.asarray(x), y, by_seed=True).exponent


def train_to(config: ToyConfig, share: float, dtype: torch.dtype | None = None) -> Measurement:
    """Return everything measured when the training loss, averaged over seeds, first falls below a share of its start.

    Args:
        config: of the run.
        share: of the initial loss.
        dtype: to compute in; None chooses as a run does.

    Raises:
        RuntimeError: it does not, or training diverges.
    """
    experiment = Experiment(ToyRun(config, dtype))
    baseline = Baseline(take_snapshot(experiment))
    target = share * baseline.start.losses["train_loss"].mean()
    for _ in range(STEPS):
        if experiment.advance().mean() <= target:
            return baseline.measure(take_snapshot(experiment), None)
    raise RuntimeError(f"the training loss did not fall to {share:g} of its start in {STEPS} steps")

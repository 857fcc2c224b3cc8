"""Power laws through measured points, with intervals over seeds."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A number over seeds: its mean and the 95% interval of the mean."""

    value: float
    low: float
    high: float


def mean_over_seeds(values: np.ndarray) -> Estimate:
    """Mean and Student's 95% interval of values (S,), S at least 2."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"values = {values!r:.80} is not allowed; allowed: finite numbers of at least two seeds")
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half)


def power_law(x: np.ndarray, y: np.ndarray) -> Estimate:
    """The exponent p of y ~ x^p: the least-squares slope of log y on log x, fitted seed by seed.

    Args:
        x: scales (K,), at least two different ones, positive.
        y: (K, S) positive values, one column a seed.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or y.shape[:1] != x.shape or y.ndim != 2 or len(set(x.tolist())) < 2:
        raise ValueError(f"x of shape {x.shape} with y of shape {y.shape} is not allowed; allowed: (K,) and (K, S), K >= 2")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise ValueError("x, y: an entry is not positive and finite; allowed: positive numbers")
    log_x = np.log(x) - np.log(x).mean()
    return mean_over_seeds(log_x @ np.log(y) / (log_x @ log_x))

"""Power laws through measured points, with intervals over seeds."""

import numpy as np

from regime.measures.intervals import PointEstimate, mean_over_seeds


def power_law(x: np.ndarray, y: np.ndarray) -> PointEstimate:
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

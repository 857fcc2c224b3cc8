"""Least squares of a power law that ends in a floor."""

import numpy as np

EXPONENTS = (0.01, 10.0)
"""Smallest and largest exponent of a law with a floor that is looked for."""
TRIED, ROUNDS = 48, 5
"""Exponents that are tried at once, and how often: each time between the neighbors of the best one."""


def floored(log_x: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return exponent, floor and coefficient, (B, 3), of means (B, K) of log y."""
    rows, along = np.arange(len(means)), log_x - log_x.min()
    one = np.exp(-means)[:, None]
    tried = np.broadcast_to(np.geomspace(*EXPONENTS, TRIED), (len(means), TRIED))
    for _ in range(ROUNDS):
        power = np.exp(-tried[..., None] * along) * one
        # Least squares of (floor + height x^-exponent) / y - 1: two equations, and where a number is negative one.
        squares, mixed, ones = (power**2).sum(2), (power * one).sum(2), (one**2).sum(2)
        sums, units = power.sum(2), one.sum(2)
        left = squares * ones - mixed**2
        floor, height = ((squares * units - mixed * sums) / left, (ones * sums - mixed * units) / left)
        floor, height = np.where(height < 0, units / ones, np.maximum(floor, 0)), np.where(floor < 0, sums / squares, height)
        height = np.maximum(height, 0)
        best = ((floor[..., None] * one + height[..., None] * power - 1) ** 2).sum(2).argmin(1)
        found = np.stack([tried[rows, best], floor[rows, best], height[rows, best]], 1)
        ends = tried[rows, np.maximum(best - 1, 0)], tried[rows, np.minimum(best + 1, TRIED - 1)]
        tried = np.geomspace(*ends, TRIED, axis=1)
    return found * np.exp(np.outer(found[:, 0], [0, 0, log_x.min()]))

"""Laws fitted to a sweep's cells: power laws, the lazy-rich boundary, scaling laws with a floor, peaks, and predictions.

Cells enter as tables (K, S): K values of a field, S seeds. Fits are of means of logarithms over seeds. Intervals are 95%, by a
bootstrap over seeds: drawn anew in every cell by itself, or, where all cells have the same networks (`paired`), the same ones
in all.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from regime.errors import is_finite, show
from regime.measures.intervals import PointEstimate, mean_over_seeds, percentile, resampled_means, student
from regime.sweep.floored import EXPONENTS, floored

ENOUGH = 5
"""Points that a fit of the asymptotic part needs."""


def _logs(x: np.ndarray, y: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or y.ndim != 2 or len(x) != len(y) or len(set(x.tolist())) < least or y.shape[1] < 2:
        raise ValueError(
            f"x of shape {x.shape} with y of shape {y.shape} is not allowed; "
            f"allowed: (K,) and (K, S), at least {least} different x and 2 seeds"
        )
    _check_positive("x, y", x, y)
    return np.log(x), np.log(y)


def _check_positive(names: str, *parts: np.ndarray) -> None:
    if not all(np.isfinite(part).all() and (part > 0).all() for part in parts):
        raise ValueError(f"{names}: an entry is not positive and finite; allowed: positive numbers")


def _line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of least squares, for y (..., K)."""
    centered = x - x.mean()
    slope = y @ centered / (centered @ centered)
    return slope, y.mean(-1) - slope * x.mean()


def _at_one(height: float) -> float:
    """Return a law's value at 1; raises ValueError where that is beyond all numbers, as the slope over near x has it."""
    if abs(height) > 700:
        raise ValueError(f"x: they hardly differ, so that the law is exp({height:.3g}) at 1; allowed: x further apart")
    return float(np.exp(height))


def _intervals(
    values: Sequence[float], logs: np.ndarray, paired: bool, fit: Callable[[np.ndarray], np.ndarray]
) -> list[PointEstimate]:
    """Several numbers (L,) with their intervals, of a fit (B, K) -> (B, L) to means over seeds of cells (K, S)."""
    means = resampled_means(logs, paired)
    parts = None if paired else means
    return [percentile(value, drawn, logs.shape[1], parts) for value, drawn in zip(values, fit(means).T, strict=True)]


def from_least(x: np.ndarray, least: float) -> np.ndarray:
    """Return which points a fit takes: those from `least` up where they are enough for one, else all."""
    asymptotic = x >= least
    return asymptotic if asymptotic.sum() >= ENOUGH else np.ones_like(asymptotic)


class PowerLaw(NamedTuple):
    """y = coefficient x^exponent, for x from `smallest` up."""

    exponent: PointEstimate
    coefficient: float
    smallest: float
    points: int


def power_law(x: np.ndarray, y: np.ndarray, *, paired: bool = False, least: float = 0.0, by_seed: bool = False) -> PowerLaw:
    """Fit y ~ x^exponent: the least-squares line of log y on log x.

    Args:
        x: scales (K,), positive, at least three different ones.
        y: positive values (K, S), one column a seed.
        paired: whether one column has the same networks at every x, so that the bootstrap draws the same seeds everywhere.
        least: where five points or more are from here up, the line is fitted to those alone.
        by_seed: fit every column by itself, for Student's interval of the mean exponent instead of the bootstrap's.

    Raises:
        ValueError: fewer than three different x or two seeds, an entry that is not positive and finite, or x hardly apart.
    """
    log_x, log_y = _logs(x, y, 3)
    taken = from_least(np.asarray(x, dtype=float), least)
    log_x, log_y = log_x[taken], log_y[taken]
    slope, height = _line(log_x, log_y.mean(1))
    if by_seed:
        exponent = mean_over_seeds(_line(log_x, log_y.T)[0])
    else:
        (exponent,) = _intervals([slope], log_y, paired, lambda means: _line(log_x, means)[0][:, None])
    return PowerLaw(exponent, _at_one(height), float(np.asarray(x)[taken].min()), len(log_x))


class Extrapolation(NamedTuple):
    """What a law fitted to small x says of larger ones, and what is there."""

    x: float
    predicted: PointEstimate
    measured: float

    @property
    def inside(self) -> bool:
        """Whether the measured value lies within the prediction's interval."""
        return self.predicted.low <= self.measured <= self.predicted.high


def extrapolate(x: np.ndarray, y: np.ndarray, upto: float) -> list[Extrapolation]:
    """Predict y at larger x from a power law fitted to smaller ones, with Student's prediction interval of a new mean.

    The residuals of the fit, curvature included, are its only source of error: s^2 (1 + 1/K + (x - mean)^2 / S_xx), K - 2
    degrees of freedom.

    Args:
        x: scales (K,).
        y: values (K, S), one column a seed.
        upto: the largest x that is fitted.

    Raises:
        ValueError: as `power_law`, of the part that is fitted too; or `upto` is no number.
    """
    if not is_finite(upto):
        raise ValueError(f"upto = {show(upto)} is not allowed; allowed: a finite number")
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    _logs(x, y, 3)  # what is not fitted is compared, and has to be there too
    low, high = x <= upto, x > upto
    log_x, log_y = _logs(x[low], y[low], 3)
    means = log_y.mean(1)
    slope, height = _line(log_x, means)
    count, spread = len(log_x), ((log_x - log_x.mean()) ** 2).sum()
    variance = ((means - slope * log_x - height) ** 2).sum() / (count - 2)
    far = np.log(x[high])
    half = student(count - 2) * (variance * (1 + 1 / count + (far - log_x.mean()) ** 2 / spread)) ** 0.5
    predicted = np.exp(slope * far + height + np.outer((0, -1, 1), half)).T.tolist()
    found = zip(x[high].tolist(), predicted, np.exp(np.log(y[high]).mean(1)).tolist(), strict=True)
    return [Extrapolation(value, PointEstimate(*ends), measured) for value, ends, measured in found]


class Boundary(NamedTuple):
    """Where a measure takes one level: the knob's value there against a size, and the power law from `smallest` up."""

    sizes: np.ndarray
    crossings: list[PointEstimate]
    exponent: PointEstimate
    coefficient: float
    smallest: float


def crossing(log_knob: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """Return the log of the knob at which values first cross a level, going from the knob's large end; nan where they never do.

    Between neighboring cells values are linear in log knob.

    Args:
        log_knob: (K,), increasing.
        values: (..., K).
        level: to cross.
    """
    knob, ordered = log_knob[::-1], values[..., ::-1]
    first = (ordered > level).argmax(-1)
    right = np.maximum(first, 1)
    y0, y1 = (np.take_along_axis(ordered, index[..., None], -1)[..., 0] for index in (right - 1, right))
    share = (level - y0) / np.where(y1 == y0, 1.0, y1 - y0)
    return np.where(first > 0, knob[right - 1] + share * (knob[right] - knob[right - 1]), np.nan)


def boundary(
    size: np.ndarray,
    knob: np.ndarray,
    y: np.ndarray,
    level: float,
    *,
    logarithmic: bool = True,
    paired: bool = True,
    least: float = 0.0,
) -> Boundary:
    """Find the knob's value at which a measure takes one level, against size, and fit its exponent.

    Args:
        size: (M,), positive.
        knob: (K,), increasing; y falls with it, as measures of change fall with alpha.
        y: measures, nan where there are none; where `logarithmic`, positive, and interpolated in their logarithm.
        level: of y.
        paired: whether the networks of one size are the same at every value of the knob.
        least: where the level is crossed at five sizes or more from here up, the law is that of those alone.

    Raises:
        ValueError: at fewer than three different sizes the level is crossed within the knob's values, or there are fewer than
            two values of the knob, or two seeds; sizes hardly differ; or a size, a value of the knob or a level whose logarithm
            is taken is not positive and finite.
    """
    size, knob, y = (np.asarray(part, dtype=float) for part in (size, knob, y))
    if y.ndim != 3 or y.shape[:2] != (len(size), len(knob)) or min(y.shape[1:]) < 2:
        shape = f"{(len(size), len(knob))} and at least 2 seeds, of 2 values of the knob or more"
        raise ValueError(f"y of shape {y.shape} is not allowed; allowed: {shape}")
    _check_positive("size, knob", size, knob)
    if not is_finite(level) or (logarithmic and level <= 0):
        raise ValueError(f"level = {show(level)} is not allowed; allowed: a finite number{', above 0' * logarithmic}")
    logs, mark = (np.log(np.where(y > 0, y, np.nan)), np.log(level)) if logarithmic else (y, level)
    order = np.argsort(knob)
    log_knob, logs = np.log(knob[order]), logs[:, order]
    seeds, centers = y.shape[2], crossing(log_knob, logs.mean(2), mark)
    drawn = np.stack([crossing(log_knob, resampled_means(part, paired, number), mark) for number, part in enumerate(logs)], 1)
    there = np.isfinite(centers) & (np.isfinite(drawn).mean(0) > 0.9)
    if (count := len(set(size[there].tolist()))) < 3:
        raise ValueError(f"the level {level:g} is crossed at {count} sizes; a boundary needs 3 different ones")
    fitted = from_least(size[there], least)
    log_size = np.log(size[there][fitted])
    slope, height = _line(log_size, centers[there][fitted])
    whole = drawn[:, there][:, fitted]
    whole = whole[np.isfinite(whole).all(1)]
    found = [percentile(center, part, seeds) for center, part in zip(centers[there], drawn[:, there].T, strict=True)]
    crossings = [PointEstimate(*np.exp(estimate).tolist()) for estimate in found]
    exponent = percentile(slope, _line(log_size, whole)[0], seeds, whole)
    return Boundary(size[there], crossings, exponent, _at_one(height), float(size[there][fitted].min()))


class ScalingLaw(NamedTuple):
    """y = floor + coefficient x^-exponent."""

    exponent: PointEstimate
    floor: PointEstimate
    coefficient: float


def scaling_law(x: np.ndarray, y: np.ndarray, *, paired: bool = False) -> ScalingLaw:
    """Fit y = floor + coefficient x^-exponent, a power law that ends in a floor (Hestness et al. 2017, arXiv 1712.00409).

    Least squares of log y, to first order: every exponent has its best floor and coefficient, neither of them negative.

    Args:
        x: scales (K,).
        y: values (K, S), one column a seed.
        paired: as for `power_law`.

    Raises:
        ValueError: fewer than four different x, fewer than two seeds, an entry that is not positive and finite, or values from
            which no exponent can be told: its interval would reach an end of what is looked for, EXPONENTS.
    """
    log_x, log_y = _logs(x, y, 4)
    size, log_y = np.exp(log_y.mean()), log_y - log_y.mean()  # squares of values of any size are finite
    best = floored(log_x, log_y.mean(1)[None])[0]
    exponent, floor, _ = _intervals(best, log_y, paired, lambda means: floored(log_x, means))
    if exponent.low <= 1.01 * EXPONENTS[0] or exponent.high >= 0.99 * EXPONENTS[1]:
        raise ValueError(
            f"y: no exponent between {EXPONENTS[0]:g} and {EXPONENTS[1]:g} can be told, only {exponent.low:.2g} to "
            f"{exponent.high:.2g}; allowed: values that fall by more than they vary, at four x or more"
        )
    return ScalingLaw(exponent, PointEstimate(*(size * np.maximum(floor, 0)).tolist()), float(size * best[2]))


class Peak(NamedTuple):
    """The largest value along a field, over the lowest before and after it: the shape of double descent."""

    x: PointEstimate
    before: PointEstimate
    after: PointEstimate


def peak(x: np.ndarray, y: np.ndarray, *, paired: bool = False) -> Peak:
    """Find where y is largest, and its height over the lowest points before and after (Belkin et al. 2019, arXiv 1812.11118).

    Args:
        x: scales (K,).
        y: values (K, S), one column a seed.
        paired: as for `power_law`.

    Raises:
        ValueError: as `power_law`.
    """
    log_x, log_y = _logs(x, y, 3)
    order = np.argsort(log_x)
    log_x, log_y = log_x[order], log_y[order]

    def shape(means: np.ndarray) -> np.ndarray:
        top = int(means.argmax())
        return np.array([log_x[top], means[top] - means[: top + 1].min(), means[top] - means[top:].min()])

    found = _intervals(shape(log_y.mean(1)), log_y, paired, lambda means: np.stack([shape(row) for row in means]))
    top, *heights = (PointEstimate(*np.exp(estimate).tolist()) for estimate in found)
    known = np.asarray(x, dtype=float)
    nearest = known[np.abs(np.subtract.outer(top, known)).argmin(1)]
    exact = np.where(np.isclose(nearest, top, rtol=1e-12), nearest, top)  # the exponential of a logarithm is off by rounding
    return Peak(PointEstimate(*exact.tolist()), *heights)

"""The laws that a sweep's report states: fitted along its axes, named with norm and activation, held against what is known."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from pydantic import Field

from regime.config.sweep import SweepConfig
from regime.measures.definitions import INDEX
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.record.events import Interval, Message
from regime.sweep import fits
from regime.sweep.cell import Cell
from regime.sweep.expected import Expected, expectation
from regime.sweep.lines import SHAPES, FitTable, Fitted, conditions

FALLING = ("kernel_change", "kernel_distance", "parameter_movement", "feature_movement")
"""Measures whose power laws are fitted."""
CONTOURS = (("kernel_change", RICH_ABOVE), ("kernel_change", LAZY_BELOW), ("linearization_gap_max", LAZY_BELOW))
"""Where the kernel starts to be rich, and where kernel and gap stop being lazy."""
LEAST = {"width": 64.0, "alpha": 1.0}
"""From where exponents are asymptotic: fits take the points from there up, if there are enough of them."""


class Foretold(Message):
    """What the law of the smaller values says of a larger one, and what is there."""

    x: float = Field(description="value of the axis")
    predicted: float = Field(description="of the measure, by the law of the smaller values")
    interval: Interval = Field(description="95%, of the prediction")
    measured: float = Field(description="what is there")
    inside: bool = Field(description="whether it lies in the interval")


class Law(Fitted):
    """`measure ~ axis^exponent` where the other axes are held."""

    exponent: float = Field(description="of the axis")
    interval: Interval = Field(description="95%, by a bootstrap over seeds")
    coefficient: float = Field(description="value of the measure where the axis is 1")
    smallest: float = Field(description="value of the axis that the fit begins with")
    points: int = Field(description="values of the axis in the fit")
    expected: Expected | None = Field(description="exponent that theory or measurements give; null where none is known")
    agrees: bool | None = Field(description="whether the interval meets what is expected; null where nothing is")
    foretold: list[Foretold] = Field(description="the last two points, from a fit of the others; none of fewer than five")


class Crossing(Message):
    """The knob's value at which a contour passes one size."""

    size: float = Field(description="value of the axis")
    knob: float = Field(description="value of the knob there")
    interval: Interval = Field(description="95%, of the knob's value")


class Contour(Fitted):
    """The lazy-rich boundary: alpha*, at which a measure takes one level, against a size of the network or of the data."""

    level: float = Field(description="value of the measure on the contour")
    knob: str = Field(description="field that is turned until the measure takes the level")
    crossings: list[Crossing] = Field(description="the contour, size by size")
    smallest: float = Field(description="size that the fit begins with")
    exponent: float = Field(description="of the knob's value against the size")
    interval: Interval = Field(description="95%, of the exponent")
    coefficient: float = Field(description="value of the knob where the size is 1")
    expected: Expected | None = Field(description="exponent that theory or measurements give; null where none is known")
    agrees: bool | None = Field(description="whether the interval meets what is expected; null where nothing is")


def power_laws(config: SweepConfig, cells: Sequence[Cell], measures: Sequence[str] = FALLING) -> list[Law]:
    """Fit every measure's power law along every axis of three or more positive numbers, at each value of the other axes.

    Lines with fewer than three cells that have the measure, and sweeps of probes, have no law.

    Args:
        config: of the sweep.
        cells: those that are there.
        measures: to fit.
    """
    found = []
    for line in FitTable(config, cells).lines(measures):
        least = LEAST.get(line.axis, 0.0)
        try:
            law = fits.power_law(line.x, line.y, paired=line.paired, least=least)
        except ValueError:
            continue
        fit = {"coefficient": law.coefficient, "smallest": law.smallest, "points": law.points}
        more = {"foretold": _foretold(line.x[line.x >= law.smallest], line.y[line.x >= law.smallest])}
        expected = expectation(line.measure, line.axis, line.base)
        found.append(Law(**line.named(), **fit, **more, **_judged(law.exponent, expected)))
    return found


def _foretold(x: np.ndarray, y: np.ndarray) -> list[Foretold]:
    """Predictions of the last two points, from a fit of the others where these are three or more."""
    if len(x) < 5:
        return []
    points = fits.extrapolate(x, y, upto=float(np.sort(x)[-3]))
    return [
        Foretold(x=p.x, predicted=p.predicted.value, interval=p.predicted[1:], measured=p.measured, inside=p.inside)
        for p in points
    ]


def contours(
    config: SweepConfig, cells: Sequence[Cell], levels: Sequence[tuple[str, float]] = CONTOURS, knob: str = "alpha"
) -> list[Contour]:
    """Find the knob's value at each level, against every other axis of three or more positive numbers.

    Args:
        config: of the sweep; of probes there are no contours.
        cells: those that are there, with two seeds or more.
        levels: measures and the values that they are to take.
        knob: an axis along which the measures fall.
    """
    if config.base.kind != "toy" or knob not in config.axes:
        return []
    table, found = FitTable(config, cells), []
    turned = table.scales(knob)
    for axis, (measure, level) in product(config.axes, levels):
        if axis == knob or (sizes := table.scales(axis)) is None:
            continue
        held = [name for name in config.axes if name not in (axis, knob)]
        for at, places in table.slices(held):
            where = dict(zip(held, places, strict=True))
            y = table.line(measure, [axis, knob], where)
            try:
                how = {"logarithmic": measure != INDEX, "paired": knob not in SHAPES, "least": LEAST.get(axis, 0.0)}
                edge = fits.boundary(sizes, turned, y, level, **how)
            except ValueError:
                continue
            base = table.first(where)
            expected = expectation(f"{knob} at {measure} = {level:g}", axis, base)
            head = {"measure": measure, "level": level, "knob": knob, "axis": axis, "at": at}
            crossings = [
                Crossing(size=size, knob=there.value, interval=(there.low, there.high))
                for size, there in zip(edge.sizes.tolist(), edge.crossings, strict=True)
            ]
            fit = {"crossings": crossings, "coefficient": edge.coefficient, "smallest": edge.smallest}
            found.append(Contour(**head, **fit, **conditions(measure, base, y.shape[2]), **_judged(edge.exponent, expected)))
    return found


def _judged(exponent: fits.PointEstimate, expected: Expected | None) -> dict[str, Any]:
    agrees = None if expected is None else exponent.low <= expected.high and exponent.high >= expected.low
    ends = exponent.low, exponent.high
    return {"exponent": exponent.value, "interval": ends, "expected": expected, "agrees": agrees}

"""The laws that a sweep's report states: fitted along its axes, named with norm and activation, held against what is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from pydantic import Field

from regime.config import ToyConfig
from regime.config.sweep import Scalar, SweepConfig
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.record.events import Interval, Message
from regime.sweep import fits
from regime.sweep.cell import Cell

INDEX = "regime_index"
"""Of each seed, as the verdict has it: 0 lazy to 1 rich."""
FALLING = ("kernel_change", "kernel_distance", "parameter_movement", "feature_movement")
"""Measures whose power laws are fitted."""
CONTOURS = (("kernel_change", RICH_ABOVE), ("kernel_change", LAZY_BELOW), ("linearization_gap_max", LAZY_BELOW))
"""Where the kernel starts to be rich, and where kernel and gap stop being lazy."""
NORMS = {
    "kernel_change": "Frobenius norm of the trace kernel on held-out points",
    "kernel_distance": "cosine of the trace kernels on held-out points",
    "parameter_movement": "Euclidean norm of all parameters",
    "feature_movement": "Frobenius norm of the last hidden layer on held-out points",
    **dict.fromkeys(("test_loss", "kernel_start_test_loss"), "mean over held-out points"),
    "linearization_gap_max": "Euclidean norm of the outputs on held-out points",
}
NAMES = ("seed", "data_seed")
"""Fields whose numbers are names."""
SHAPES = ("task", "width", "depth", "bottleneck", "bottleneck_layer", "seed")
"""Fields that change the random numbers a network is drawn with; cells that differ in others have the same networks."""
LEAST = {"width": 64.0, "alpha": 1.0}
"""From where exponents are asymptotic: fits take the points from there up, if there are enough of them."""
RICH = f"alpha at kernel_change = {RICH_ABOVE:g}"
"""The contour whose exponent is known; lower ones are steeper, on their way to the kernel's own exponent."""
SMOOTH = ("tanh", "erf", "gelu")
LEE = "Lee et al. 2019, arXiv 1902.06720"
YANG = "Yang and Hu 2021, arXiv 2011.14522"
CHIZAT = "Chizat et al. 2019, arXiv 1812.07956"


class Expected(Message):
    """An exponent that theory or earlier measurements give, for wide networks or large alpha."""

    low: float
    high: float
    source: str


class Foretold(Message):
    """What the law of the smaller values says of a larger one, and what is there."""

    x: float
    predicted: float
    interval: Interval
    measured: float
    inside: bool


class Law(Message):
    """`measure ~ axis^exponent` where the other axes are held."""

    measure: str
    axis: str
    at: dict[str, Scalar] = Field(description="the other axes' values")
    exponent: float
    interval: Interval = Field(description="95%, by a bootstrap over seeds")
    coefficient: float
    smallest: float = Field(description="value of the axis that the fit begins with")
    points: int
    seeds: int
    norm: str
    activation: str
    parameterization: str
    expected: Expected | None
    agrees: bool | None = Field(description="whether the interval meets what is expected; null where nothing is")
    foretold: list[Foretold] = Field(description="the last two points, from a fit of the others; none of fewer than five")


class Crossing(Message):
    """The knob's value at which a contour passes one size."""

    size: float
    knob: float
    interval: Interval


class Contour(Message):
    """The lazy-rich boundary: alpha*, at which a measure takes one level, against a size of the network or of the data."""

    measure: str
    level: float
    knob: str
    axis: str
    at: dict[str, Scalar]
    crossings: list[Crossing]
    smallest: float = Field(description="size that the fit begins with")
    exponent: float
    interval: Interval
    coefficient: float
    seeds: int
    norm: str
    activation: str
    parameterization: str
    expected: Expected | None
    agrees: bool | None


@dataclass(frozen=True)
class Line:
    """A measure along one axis, the others held: cells that have it, seeds last."""

    measure: str
    axis: str
    at: dict[str, Scalar]
    x: np.ndarray
    y: np.ndarray
    base: ToyConfig

    @property
    def paired(self) -> bool:
        """Whether all its cells have the same networks."""
        return self.axis not in SHAPES

    def named(self) -> dict[str, Any]:
        """What it is of, as a law says it."""
        return {"measure": self.measure, "axis": self.axis, "at": self.at, **_named(self.measure, self.base, self.y.shape[1])}


class FitTable:
    """A sweep's cells as an array over its axes; a cell counts where it finished and reached what was asked."""

    def __init__(self, config: SweepConfig, cells: Sequence[Cell]) -> None:
        self.config = config
        self.axes = {name: [getattr(config.cell(index), name) for index in indices] for name, indices in _along(config).items()}
        self.cells = {cell.index: cell for cell in cells}
        self.shape = tuple(len(values) for values in config.axes.values())
        self._known: dict[str, np.ndarray] = {}

    def values(self, measure: str) -> np.ndarray:
        """(*axes, S); nan where there is none."""
        if measure not in self._known:
            self._known[measure] = self._table(measure)
        return self._known[measure]

    def _table(self, measure: str) -> np.ndarray:
        seeds = self.config.seeds or self.config.base.seeds
        table = np.full((int(np.prod(self.shape)), seeds), np.nan)
        for index, cell in self.cells.items():
            if cell.status == "finished" and cell.reached:
                each = cell.verdict.seeds if measure == INDEX else cell.seeds.get(measure, [])
                table[index] = [np.nan if value is None else value for value in each] or np.nan
        return table.reshape(*self.shape, seeds)

    def scales(self, name: str) -> np.ndarray | None:
        """An axis as positive numbers; None if it is none of those, or numbers that only tell apart."""
        values = self.axes[name]
        if name not in NAMES and all(
            isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in values
        ):
            return np.array(values, dtype=float)
        return None

    def slices(self, held: Sequence[str]) -> Iterator[tuple[dict[str, Scalar], tuple[int, ...]]]:
        """Every combination of the values of some axes, and their places."""
        for places in product(*(range(len(self.axes[name])) for name in held)):
            yield {name: self.axes[name][place] for name, place in zip(held, places, strict=True)}, places

    def lines(self, measures: Sequence[str], axes: Sequence[str] | None = None) -> Iterator[Line]:
        """Every measure along every axis of positive numbers, or some of them, at each combination of the others' values."""
        if self.config.base.kind != "toy":
            return
        for axis, measure in product(self.axes, measures):
            if (axes is not None and axis not in axes) or (scales := self.scales(axis)) is None:
                continue
            held = [name for name in self.axes if name != axis]
            for at, places in self.slices(held):
                where = dict(zip(held, places, strict=True))
                y = self.line(measure, [axis], where)
                good = np.isfinite(y).all(1) & (np.nan_to_num(y) > 0).all(1)
                yield Line(measure, axis, at, scales[good], y[good], self.first(where))

    def first(self, places: dict[str, int]) -> ToyConfig:
        """Return the first cell's configuration along a line: the base with what is held alone may contradict itself."""
        return self.config.cell(int(np.ravel_multi_index([places.get(name, 0) for name in self.axes], self.shape)))

    def line(self, measure: str, axes: Sequence[str], places: dict[str, int]) -> np.ndarray:
        """Values along some axes, in this order, the others held: (*axes, S)."""
        names = list(self.axes)
        taken = self.values(measure)[tuple(places.get(name, slice(None)) for name in names)]
        left = [name for name in names if name not in places]
        return taken.transpose(*(left.index(name) for name in axes), len(left))


def _along(config: SweepConfig) -> dict[str, list[int]]:
    """For each axis, the cells at its values with the other axes at their first."""
    stride, found = 1, {}
    for name, values in reversed(config.axes.items()):
        found[name] = [stride * place for place in range(len(values))]
        stride *= len(values)
    return {name: found[name] for name in config.axes}


def power_laws(config: SweepConfig, cells: Sequence[Cell], measures: Sequence[str] = FALLING) -> list[Law]:
    """Every measure's power law along every axis of three or more positive numbers, at each combination of the others' values.

    None where fewer than three cells of the line have it; a toy's alone.
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
    """The last two points, from a fit of the others, where these are three or more."""
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
    """The knob's value at each level against every other axis of three or more positive numbers; none without seeds."""
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
            found.append(Contour(**head, **fit, **_named(measure, base, y.shape[2]), **_judged(edge.exponent, expected)))
    return found


def _named(measure: str, base: ToyConfig, seeds: int) -> dict[str, Any]:
    """What an exponent depends on, beside its axis."""
    named = {"activation": base.activation, "parameterization": base.parameterization}
    return {"norm": NORMS.get(measure, measure), "seeds": seeds, **named}


def _judged(exponent: fits.PointEstimate, expected: Expected | None) -> dict[str, Any]:
    agrees = None if expected is None else exponent.low <= expected.high and exponent.high >= expected.low
    ends = exponent.low, exponent.high
    return {"exponent": exponent.value, "interval": ends, "expected": expected, "agrees": agrees}


def expectation(measure: str, axis: str, base: ToyConfig) -> Expected | None:
    """The exponent known of a measure, or of alpha where the kernel changes by half of itself, in wide networks."""
    known: dict[tuple[str, str, str], tuple[float, float, str]] = {
        ("parameter_movement", "width", "ntk"): (
            (-0.5, -0.5, LEE) if base.depth == 1 else (-1.0, -1.0, f"{LEE}; square layers have most of the parameters")
        ),
        ("feature_movement", "width", "ntk"): (-0.5, -0.5, YANG),
        ("feature_movement", "width", "mup"): (0.0, 0.0, YANG),
        (RICH, "width", "ntk"): (-0.5, -0.5, "Geiger et al. 2020, arXiv 1906.08034"),
        (RICH, "width", "mup"): (0.0, 0.0, YANG),
        ("parameter_movement", "alpha", "ntk"): (-1.0, -1.0, CHIZAT),
        ("kernel_change", "alpha", "ntk"): (-1.0, -1.0, CHIZAT),
    }
    if base.activation in (*SMOOTH, "relu"):
        smooth = base.activation in SMOOTH
        known["kernel_change", "width", "ntk"] = (
            (-1.0, -0.96, "measured, smooth activations") if smooth else (-0.78, -0.67, "measured, ReLU")
        )
    found = known.get((measure, axis, base.parameterization))
    return None if found is None else Expected(low=found[0], high=found[1], source=found[2])

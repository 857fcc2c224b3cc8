"""The array that a sweep's cells make over its axes, and the lines through it that laws are fitted along."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from pydantic import Field

from regime.config import ToyConfig
from regime.config.sweep import Scalar, SweepConfig
from regime.measures.definitions import INDEX
from regime.record.events import Message
from regime.sweep.cell import Cell

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


class Fitted(Message):
    """What a law is of, and what it depends on beside its axis."""

    measure: str = Field(description="that it is of")
    axis: str = Field(description="field, or size, along which it is fitted")
    at: dict[str, Scalar] = Field(description="the other axes' values")
    seeds: int = Field(description="in the fit")
    norm: str = Field(description="that the measure is taken in")
    activation: str = Field(description="of the networks")
    parameterization: str = Field(description="of the networks")


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
        """Return the fields of a law that name the line: measure, axis, what is held, and the conditions."""
        where = {"measure": self.measure, "axis": self.axis, "at": self.at}
        return where | conditions(self.measure, self.base, self.y.shape[1])


class FitTable:
    """A sweep's cells as an array over its axes; a cell counts where it finished and reached what was asked."""

    def __init__(self, config: SweepConfig, cells: Sequence[Cell]) -> None:
        self.config = config
        self.axes = {name: [getattr(config.cell(index), name) for index in indices] for name, indices in _along(config).items()}
        self.cells = {cell.index: cell for cell in cells}
        self.shape = tuple(len(values) for values in config.axes.values())
        self._known: dict[str, np.ndarray] = {}

    def values(self, measure: str) -> np.ndarray:
        """Return a measure as an array (*axes, S); nan where there is none."""
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
        """Return an axis as positive numbers; None if it is none of those, or numbers that are names."""
        values = self.axes[name]
        if name not in NAMES and all(
            isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in values
        ):
            return np.array(values, dtype=float)
        return None

    def slices(self, held: Sequence[str]) -> Iterator[tuple[dict[str, Scalar], tuple[int, ...]]]:
        """Yield every combination of the values of some axes, and their places."""
        for places in product(*(range(len(self.axes[name])) for name in held)):
            yield {name: self.axes[name][place] for name, place in zip(held, places, strict=True)}, places

    def lines(self, measures: Sequence[str], axes: Sequence[str] | None = None) -> Iterator[Line]:
        """Yield every measure along every axis of positive numbers, or some of them, at each value of the other axes."""
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
        """Return a measure (*axes, S) along some axes, the others held.

        Args:
            measure: its name.
            axes: in this order.
            places: where each other axis is held.
        """
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


def conditions(measure: str, base: ToyConfig, seeds: int) -> dict[str, Any]:
    """Return what an exponent depends on beside its axis, as fields of a law.

    Args:
        measure: that the exponent is of; its norm is named.
        base: a configuration along the line.
        seeds: of each cell.
    """
    named = {"activation": base.activation, "parameterization": base.parameterization}
    return {"norm": NORMS.get(measure, measure), "seeds": seeds, **named}

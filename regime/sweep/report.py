"""A sweep that ended: its cells, the laws they obey, and what it took."""

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from regime.config.sweep import SweepConfig
from regime.errors import show
from regime.measures.definitions import DEFINITIONS, INDEX
from regime.record.events import Message
from regime.record.saved import Saved
from regime.sweep.cell import Cell
from regime.sweep.curves import DoubleDescent, Scaling
from regime.sweep.findings import Contour, Law
from regime.sweep.lines import FitTable
from regime.sweep.store import cells_to_csv


class SweepProvenance(Message):
    """What a sweep's numbers need to be trusted and made again, and what they took."""

    versions: dict[str, str] = Field(description="package -> its version")
    device: str = Field(description="on which it was run; of a cluster, what was asked for")
    workers: int = Field(description="processes that ran cells side by side")
    seconds: float = Field(description="of this process, until the last cell was there")
    training_seconds: float = Field(description="spent in steps, by probes in all, all cells together, wherever they were run")
    cell_seconds: float = Field(description="spent in all, all cells together: the rest is measuring")
    found: int = Field(description="cells that the store had")


class SweepReport(Saved):
    """The result of `regime.run` of a SweepConfig; `cells` are in their order, the last axis turning fastest."""

    file: ClassVar[str] = "sweep.json"

    kind: Literal["sweep-report"] = "sweep-report"
    version: Literal[1] = Field(default=1, description="of this format")
    config: SweepConfig = Field(description="the configuration in full")
    cells: list[Cell] = Field(description="in their order, the last axis turning fastest")
    laws: list[Law] = Field(description="power laws of measures along the axes")
    contours: list[Contour] = Field(description="lazy-rich boundaries: where a measure takes one level")
    scaling: list[Scaling] = Field(description="held-out loss against size, with a floor")
    descents: list[DoubleDescent] = Field(description="peaks of the held-out loss along a size")
    provenance: SweepProvenance = Field(description="where the numbers came from, and what they took")
    interrupted: str | None = Field(
        default=None, description="where the sweep was interrupted, such as 'at cell 5 of 9': other cells lack; null at its end"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        places, size = [cell.index for cell in self.cells], self.config.size
        known = places == sorted(set(places) & set(range(size))) if self.interrupted else places == list(range(size))
        if not known:
            raise ValueError(f"cells: {len(self.cells)} are not allowed; allowed: one for each of {size}, in order")
        for cell in self.cells:
            cell.check_seeds(self.config.seeds or self.config.base.seeds)
        return self

    def values(self, measure: str) -> np.ndarray:
        """Return a measure seed by seed, (*axes, S), nan where a cell has none; `regime_index` is the verdict's.

        Raises:
            ValueError: there is no measure of that name.
        """
        known = {INDEX, *DEFINITIONS, *(name for cell in self.cells for name in cell.seeds)}
        if not isinstance(measure, str) or measure not in known:
            raise ValueError(f"measure = {show(measure)} is not allowed; allowed: one of {', '.join(sorted(known))}")
        return FitTable(self.config, self.cells).values(measure)

    def to_csv(self) -> str:
        """Return every cell as a row of CSV: its point, its regime, its measures with their intervals."""
        return cells_to_csv([(cell.point, cell.model_dump(mode="json")) for cell in self.cells])

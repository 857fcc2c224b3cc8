"""The state of one sweep as a page shows it: its cells, folded from its events."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from regime.config import SweepConfig
from regime.sweep.cell import Cell
from regime.sweep.findings import Contour, contours
from regime.ui.run.board import Board
from regime.ui.run.mapcell import NO_VERDICT, ShortCell, cell_label, short_cell, unlabeled_reason

AGAIN = 16
"""How often contours are found during a sweep."""
SHIPPED = "shipped"
"""What stands for the run of a map that comes with the package."""


@dataclass
class MapBoard(Board):
    """State of one visitor's sweep, whose cells are here; `history` stays empty. An event costs as much as its own cell."""

    cells: list[dict[str, Any]] = field(default_factory=list)
    opening = 0
    run: str = field(default_factory=lambda: uuid4().hex)
    """What tells this sweep's cells from another's in the page."""
    short: list[ShortCell] = field(default_factory=list)
    """Cells as the page draws them, in the order in which they came."""
    sent: int = 0
    """Cells that the page has been sent."""
    labels: Counter[str] = field(default_factory=Counter)
    """Cells of each label."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why cells have no verdict, and how many."""
    boundaries: list[Contour] = field(default_factory=list)
    """Contours as they were last found."""
    found: int = 0
    """How often they were found."""
    drawn: int = 0
    """How often they had been found when they were last sent."""
    _next: int = 0
    """Cells at which they are found again."""
    _parsed: SweepConfig | None = None

    @classmethod
    def replay(cls, events: list[dict[str, Any]]) -> Self:
        """Return the board at the end of a shipped sweep's events."""
        board = super().replay(events)
        board.run = SHIPPED
        return board

    def parsed(self) -> SweepConfig:
        """Return the configuration, checked once: of many cells that takes a second."""
        if self._parsed is None:
            self._parsed = SweepConfig(**self.config)
        return self._parsed

    def find_boundaries(self) -> None:
        """Find the contours anew where a sixteenth of the cells is new, since of 10,000 cells that takes seconds."""
        if self.cells and not self.report and len(self.cells) >= self._next:
            self._next = len(self.cells) + max(1, self.steps // AGAIN)
            # the cells were checked when they were made, and a verdict is no part of a contour
            self._keep(contours(self.parsed(), [Cell.model_construct(**cell) for cell in self.cells]))

    def take(self, event: dict[str, Any]) -> None:
        """Fold an event into the board."""
        match event["kind"]:
            case "measured":
                self.tick = event
                self.cells.append(event["cell"])
                self._count(event["cell"])
            case "finished":
                self.report, self.status = event["report"], "finished"
                self.config = self.report["config"]
                known = {cell["index"] for cell in self.cells}
                self.cells = self.report["cells"]
                for cell in self.cells:
                    if cell["index"] not in known:
                        self._count(cell)
                self._keep([Contour(**fields) for fields in self.report["contours"]])
            case _:
                super().take(event)

    def _count(self, cell: dict[str, Any]) -> None:
        label = cell_label(cell)
        self.short.append(short_cell(cell, self.config["base"]["kind"]))
        self.labels[label] += 1
        if label == NO_VERDICT:
            self.reasons[unlabeled_reason(cell["verdict"])] += 1

    def _keep(self, found: list[Contour]) -> None:
        self.boundaries, self.found = found, self.found + 1

    @property
    def steps(self) -> int:
        """Cells in all."""
        return self.started["cells"] if self.started else 0

    @property
    def step(self) -> int:
        """Cells that are there."""
        return len(self.cells)

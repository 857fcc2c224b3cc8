"""The state of one sweep as a page shows it: its cells, folded from its events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from regime.config import SweepConfig
from regime.ui.run.board import Board

AGAIN = 16
"""How often contours are found during a sweep."""


@dataclass
class MapBoard(Board):
    """State of one visitor's sweep, whose cells are here; `history` stays empty."""

    cells: dict[int, dict[str, Any]] = field(default_factory=dict)
    unit = "cell"
    opening = 0
    painted: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Cells as the page draws them."""
    _parsed: SweepConfig | None = None
    _contours: tuple[int, list[Any]] = (0, [])
    """Of how many cells, and the contours."""

    def parsed(self) -> SweepConfig:
        """Return the configuration, checked once: of many cells that takes a second."""
        if self._parsed is None:
            self._parsed = SweepConfig(**self.config)
        return self._parsed

    def latest_contours(self, contours: Callable[[], list[Any]]) -> list[Any]:
        """Return the contours, found anew after every sixteenth of the cells, since that takes some tenths of a second."""
        if len(self.cells) >= self._contours[0] + max(1, self.steps // AGAIN):
            self._contours = len(self.cells), contours()
        return self._contours[1]

    def take(self, event: dict[str, Any]) -> None:
        """Fold an event into the board."""
        match event["kind"]:
            case "measured":
                self.tick = event
                self.cells[event["cell"]["index"]] = event["cell"]
            case "finished":
                self.report, self.status = event["report"], "finished"
                self.config = self.report["config"]
                self.cells = {cell["index"]: cell for cell in self.report["cells"]}
            case _:
                super().take(event)

    @property
    def steps(self) -> int:
        """Cells in all."""
        return self.started["cells"] if self.started else 0

    @property
    def step(self) -> int:
        """Cells that are there."""
        return len(self.cells)

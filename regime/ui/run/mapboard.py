"""The state of one sweep as a page shows it: its cells, folded from its events."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

from regime.config import SweepConfig
from regime.measures.verdict import LEARNED, UNLEARNED
from regime.sweep.cell import Cell
from regime.sweep.findings import INDEX, Contour, contours
from regime.ui.run.board import Board

AGAIN = 16
"""How often contours are found during a sweep."""
SHIPPED = "shipped"
"""What stands for the run of a map that comes with the package."""
OF_TOY = (
    INDEX,
    "kernel_change",
    "linearization_gap_max",
    "kernel_distance",
    "representation_change",
    "feature_movement",
    "parameter_movement",
    "forecast_skill",
    "train_loss",
    "test_loss",
    "test_error",
    "twin_test_error",
    "kernel_start_test_error",
    "kernel_now_test_error",
)
MEASURES = {"toy": OF_TOY, "probe": (INDEX, "kernel_change", "kernel_distance", "representation_change")}
"""What a map can be colored by, by kind of run."""
NO_VERDICT = "no verdict"
DIGITS = 4
ShortCell = tuple[int, str, list[float | None], str | None, bool]


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

    @cached_property
    def parsed(self) -> SweepConfig:
        """The configuration, checked once: of many cells that takes a second."""
        return SweepConfig(**self.config)

    def find_boundaries(self) -> None:
        """Find the contours anew where a sixteenth of the cells is new, since of 10,000 cells that takes seconds."""
        if self.cells and not self.report and len(self.cells) >= self._next:
            self._next = len(self.cells) + max(1, self.steps // AGAIN)
            # the cells were checked when they were made, and a verdict is no part of a contour
            self._keep(contours(self.parsed, [Cell.model_construct(**cell) for cell in self.cells]))

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


def cell_label(cell: dict[str, Any]) -> str:
    """Return the label of a cell's verdict; or "diverged", or "failed"."""
    if cell["status"] == "diverged":
        return "diverged"
    return cell["verdict"]["label"] if cell["verdict"] else "failed"


def unlabeled_reason(verdict: dict[str, Any]) -> str:
    """Return why a verdict has no label, in words that cells share."""
    if verdict["agree"] == UNLEARNED:
        return f"the training loss fell by less than {100 * LEARNED:.0f}%"
    reason = verdict["reasons"][0].partition(", so")[0]
    return reason[:1].lower() + reason[1:]


def short_cell(cell: dict[str, Any], kind: str) -> ShortCell:
    """Return a cell as the page draws it: index, label, numbers, error, whether the loss that was asked for was reached.

    The numbers are value, low end and high end of each measure in turn, to four digits.
    """
    verdict = cell["verdict"] or {"index": None, "interval": None}
    values, intervals = cell["measures"] | {INDEX: verdict["index"]}, cell["intervals"] | {INDEX: verdict["interval"]}
    numbers = [number for name in MEASURES[kind] for number in (values.get(name), *(intervals.get(name) or (None, None)))]
    short = [None if number is None else float(f"{number:.{DIGITS}g}") for number in numbers]
    return cell["index"], cell_label(cell), short, cell["error"], cell["reached"]

"""What a map says in words: how many cells of each regime, the boundary's slope, and the power laws along its edges."""

from typing import Any

from regime.sweep.findings import Contour
from regime.ui.markup import render
from regime.ui.run.mapboard import MapBoard

ORDER = ("lazy", "mixed", "rich", "no verdict", "diverged", "failed")
SHOWN = ("kernel_change", "parameter_movement", "feature_movement")


def counts(board: MapBoard) -> str:
    """Draw how many cells of a map there are of each regime, and why some have none."""
    labels = [(label, board.labels[label]) for label in ORDER if label in board.labels]
    return render("counts", labels=labels, reasons=board.reasons.most_common(), spoiled=board.started and board.started["kept"])


def laws(board: MapBoard) -> str:
    """Draw the boundary and the power laws of a map, each with its interval, its network, and the exponent that is expected."""
    board.find_boundaries()
    fitted = [*map(Contour.model_dump, board.boundaries), *(law for law in _edges(board, "laws") if law["measure"] in SHOWN)]
    return render("laws", fitted=[*fitted, *map(_falling, _edges(board, "scaling"))], peaks=_edges(board, "descents"))


def _falling(law: dict[str, Any]) -> dict[str, Any]:
    """Return a scaling law, whose exponent says how fast a loss falls, as one that says how it grows."""
    low, high = law["interval"]
    return law | {"exponent": -law["exponent"], "interval": (-high, -low)}


def _edges(board: MapBoard, kind: str) -> list[dict[str, Any]]:
    """Return the laws of a finished map at the largest values of its other axes."""
    if not board.report:
        return []
    axes = board.config["axes"]
    ends = {
        name: max((value for value in values if isinstance(value, int | float)), default=None) for name, values in axes.items()
    }
    return [law for law in board.report[kind] if all(ends[name] in (None, value) for name, value in law["at"].items())]

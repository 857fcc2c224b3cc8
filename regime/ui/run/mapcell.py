"""A cell of a sweep as the page has it: its label, why it has none, and its numbers in short."""

from typing import Any

from regime.measures.verdict import LEARNED, UNLEARNED
from regime.sweep.lines import INDEX

OF_PROBE = (INDEX, "kernel_change", "kernel_distance", "representation_change")
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
MEASURES = {"toy": OF_TOY, "probe": OF_PROBE}
"""What a map can be colored by, by kind of run."""
NO_VERDICT = "no verdict"
DIGITS = 4
ShortCell = tuple[int, str, list[float | None], str | None, bool]


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
    numbers = [_short(number) for measure in MEASURES[kind] for number in _numbers(cell, measure)]
    return cell["index"], cell_label(cell), numbers, cell["error"], cell["reached"]


def _numbers(cell: dict[str, Any], measure: str) -> tuple[float | None, ...]:
    """Return the value of a measure and its interval."""
    if measure == INDEX:
        verdict = cell["verdict"] or {"index": None, "interval": None}
        value, interval = verdict["index"], verdict["interval"]
    else:
        value, interval = cell["measures"].get(measure), cell["intervals"].get(measure)
    return value, *(interval or (None, None))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")

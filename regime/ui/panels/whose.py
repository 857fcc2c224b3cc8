"""Whose the shown results are, where the form asks for another run."""

from collections.abc import Mapping
from typing import Any

from regime.config.base import ROWS
from regime.ui.run.board import Board

SHOWN = 3
"""Settings that are named; more are counted."""
CALLED = {"learning_rate": "step size", "csv": "rows", "texts": "rows"}


def whose(board: Board, asked: Mapping[str, Any] | None) -> str:
    """Return a sentence that says what the shown run has other than the form; empty where it has the same.

    Args:
        board: of the run that is shown.
        asked: the form's configuration; None: the form has an error.
    """
    if asked is None:
        return "These results are of settings from before: the form has an error."
    changed = [name for name, value in board.config.items() if asked.get(name, value) != value]
    parts = [
        "other rows" if name in ROWS else f"{CALLED.get(name, name.replace('_', ' '))} {_value(board.config[name])}"
        for name in changed[:SHOWN]
    ]
    more = [f"{len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
    return f"These results are of a run with {', '.join(parts + more)}. Press Run for the form's." if changed else ""


def _value(value: Any) -> str:
    return "auto" if value is None else f"{value:g}" if isinstance(value, float) else str(value)[:40]

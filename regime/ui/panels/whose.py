"""Whose the shown results are, where the form asks for another run."""

from collections.abc import Mapping
from typing import Any

from regime.config.base import ROWS
from regime.plots.words import field_name
from regime.ui.form.ranges import format_values
from regime.ui.run.board import Board
from regime.ui.text import OFF

SHOWN = 3
"""Settings that are named; more are counted."""


def whose(board: Board, asked: Mapping[str, Any] | None) -> str:
    """Return a sentence that says what the shown run has other than the form; empty where it has the same.

    Args:
        board: of the run that is shown.
        asked: the form's configuration; None: the form has an error.
    """
    if asked is None:
        return "These results are of settings from before: the form has an error."
    shown, wanted = _flat(board.config), _flat(asked)
    changed = [name for name, value in shown.items() if wanted.get(name, value) != value]
    parts = ["other rows" if name in ROWS else f"{_label(name)} {_value(name, shown[name])}" for name in changed[:SHOWN]]
    more = [f"{len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
    return f"These results are of a run with {', '.join(parts + more)}." if changed else ""


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration's fields by name; of a sweep those of its base too, and the values of an axis in their place."""
    base = config.get("base", {})
    return {**base, **config, "base": base.get("kind"), **config.get("axes", {}), "axes": None}


def _label(name: str) -> str:
    label = field_name(name)
    return label[:1].lower() + label[1:]


def _value(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return format_values(value, whole=all(isinstance(each, int) for each in value))[:40]
    if value is None:
        return "none" if name in OFF else "auto"
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]

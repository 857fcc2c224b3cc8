"""What the page gets of a sweep: frames of its cells, which the page keeps and draws, and its counts and laws as markup.

A frame has the cells that are new. It says where they begin among all that were sent, and how often contours had been found. A
page that lacks what was before, since one of two frames in a moment never reaches it, asks for what it has missed.
"""

import json
from functools import cache
from typing import Any

from regime.sweep.findings import Contour
from regime.ui.run.examples import example
from regime.ui.run.mapboard import MEASURES, SHIPPED, MapBoard
from regime.ui.static_files import address, offer
from regime.ui.text import render

DRAWN = dict.fromkeys(("measure", "level", "axis", "knob", "at", "expected"), True)
LINE: Any = {**DRAWN, "crossings": {"__all__": {"size", "knob"}}}
"""What is drawn of a contour."""
ORDER = ("lazy", "mixed", "rich", "no verdict", "diverged", "failed")
SHOWN = ("kernel_change", "parameter_movement", "feature_movement")


def heatmap(board: MapBoard) -> str:
    """Return the frame of what is new in a map since the last one; of the shipped map, where the page finds it."""
    if board.run == SHIPPED:
        return json.dumps({"run": SHIPPED, "address": shipped_address()})
    board.find_boundaries()
    since, board.sent = board.sent, len(board.short)
    drawn, board.drawn = board.drawn, board.found
    return _frame(board, since, lines=board.drawn > drawn)


def missing_frame(board: MapBoard, asked: Any) -> str | None:
    """Return the frame of what a page lacks that asks with the number of cells it `have`, and the `run` that they are of.

    None where nothing has been run, or what was is forgotten: the page keeps what it has.
    """
    if board.run == SHIPPED:
        return None
    have = asked.get("have") if isinstance(asked, dict) and asked.get("run") == board.run else 0
    since = have if isinstance(have, int) and 0 <= have <= len(board.short) else 0
    return _frame(board, since, lines=True)


def _frame(board: MapBoard, since: int, *, lines: bool) -> str:
    """Return the cells from one on; with contours, and at the start with what they are drawn by.

    As text, which Gradio passes on as it is: a dict it would copy and compare field by field.
    """
    frame = {"run": board.run, "from": since, "cells": board.short[since:], "found": board.found}
    if lines:
        frame["lines"] = [contour.model_dump(include=LINE) for contour in board.boundaries]
    if since == 0 and board.config:
        frame |= {"axes": board.config["axes"], "measures": MEASURES[board.config["base"]["kind"]]}
    return json.dumps(frame, separators=(",", ":"))


@cache
def shipped_frame() -> str:
    """Return the frame of the whole shipped map."""
    return _frame(example("sweep"), 0, lines=True)


def shipped_address() -> str:
    """Return where the page finds the shipped map, relative to itself."""
    return f"{address()}/{offer('map', shipped_frame(), shipped_frame)}"


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

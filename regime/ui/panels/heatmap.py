"""The map as it is sent to the page, which keeps the cells and draws them: a frame has those that are new.

A frame says where its cells begin among all that were sent, and how often contours had been found. A page that lacks what was
before, since one of two frames in a moment never reaches it, asks for what it has missed.
"""

import json
from functools import cache
from typing import Any

import gradio as gr

from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.words import NAMES, field_name
from regime.sweep.findings import INDEX, Contour
from regime.ui.markup import render
from regime.ui.panels.glossary import meaning
from regime.ui.run.examples import example
from regime.ui.run.mapboard import SHIPPED, MapBoard
from regime.ui.run.mapcell import MEASURES
from regime.ui.static_files import address, offer, script

LINEAR = (INDEX, "forecast_skill", "test_error", "twin_test_error", "kernel_start_test_error", "kernel_now_test_error")
"""Measures that are colored by their value; the others by its logarithm."""
LOOKS = {("kernel_change", RICH_ABOVE): "kernel", ("kernel_change", LAZY_BELOW): "kernel thin"}
"""Classes of the boundaries' lines."""
Fields = dict[str, Any]


def heatmap(board: MapBoard) -> str:
    """Return the frame of what is new in a map since the last one; of the shipped map, where the page finds it."""
    if board.run == SHIPPED:
        return _text({"run": SHIPPED, "address": shipped_address()})
    board.find_boundaries()
    since, board.sent = board.sent, len(board.short)
    drawn, board.drawn = board.drawn, board.found
    return _text(_frame(board, since, lines=board.drawn > drawn))


def missing_frame(board: MapBoard, asked: Any) -> str | None:
    """Return the frame of what a page lacks that asks with the number of cells it `have`, and the `run` that they are of.

    None where nothing has been run, or what was is forgotten: the page keeps what it has.
    """
    if board.run == SHIPPED:
        return None
    have = asked.get("have") if isinstance(asked, dict) and asked.get("run") == board.run else 0
    since = have if isinstance(have, int) and 0 <= have <= len(board.short) else 0
    return _text(_frame(board, since, lines=True))


def _frame(board: MapBoard, since: int, *, lines: bool) -> Fields:
    """Return the cells from one on; with contours, and at the start with what they are drawn by."""
    frame = {"run": board.run, "from": since, "cells": board.short[since:], "found": board.found}
    if lines:
        frame["lines"] = [_contour_line(contour) for contour in board.boundaries]
    return frame | _scales(board) if since == 0 and board.config else frame


def _scales(board: MapBoard) -> Fields:
    """Return axes and measures of a map."""
    base, axes = board.config["base"]["kind"], board.config["axes"]
    return {
        "axes": [
            {"name": name, "label": field_name(name), "values": [_word(value) for value in values]}
            for name, values in axes.items()
        ],
        "measures": [
            {
                "name": name,
                "label": NAMES.get(name, name),
                "linear": name in LINEAR,
                "meaning": meaning(name) or "0 is lazy and 1 is rich, from kernel and function together.",
            }
            for name in MEASURES[base]
        ],
    }


def _word(value: Any) -> Any:
    return "none" if value is None else value


def _contour_line(contour: Contour) -> Fields:
    """Return a contour as the page draws it: its crossings, and the slope that is expected through their middle."""
    expected = contour.expected
    return {
        "measure": contour.measure,
        "look": LOOKS.get((contour.measure, contour.level), "gap"),
        "axis": contour.axis,
        "knob": contour.knob,
        "at": {name: _word(value) for name, value in contour.at.items()},
        "name": f"{NAMES.get(contour.measure, contour.measure)} is {contour.level:g}",
        "points": [[part.size, part.knob] for part in contour.crossings],
        "expected": None if expected is None else (expected.low + expected.high) / 2,
    }


def _text(frame: Fields) -> str:
    """Return a frame as text, which Gradio passes on as it is: a dict it would copy and compare field by field."""
    return json.dumps(frame, separators=(",", ":"))


@cache
def shipped_frame() -> str:
    """Return the frame of the whole shipped map."""
    return _text(_frame(example("sweep"), 0, lines=True))


def shipped_address() -> str:
    """Return where the page finds the shipped map, relative to itself."""
    return f"{address()}/{offer('map', shipped_frame(), shipped_frame)}"


TEMPLATE = render("map")


def map_view() -> gr.HTML:
    """Build the map as a component, first the shipped one.

    A press submits it with `picked`: [number of the cell, number of presses]; so does a map that lacks cells, with `have`.
    """
    return gr.HTML(
        heatmap(example("sweep")),
        html_template=TEMPLATE,
        js_on_load=script("map"),
        elem_id="map",
        elem_classes="view v-map",
        apply_default_css=False,
    )


def picked(value: object) -> int | None:
    """Return the number of the cell that was pressed, if one was."""
    chosen = value.get("picked") if isinstance(value, dict) else None
    if isinstance(chosen, list) and chosen and isinstance(chosen[0], int) and not isinstance(chosen[0], bool):
        return chosen[0]
    return None

"""The map: every cell a button colored by its regime or a measure, with the boundary over it, drawn in the page."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from regime.config.sweep import SweepConfig
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE, ZONES
from regime.sweep.cell import Cell
from regime.sweep.findings import INDEX, Contour, contours
from regime.ui.panels.glossary import meaning
from regime.ui.run.mapboard import MapBoard
from regime.ui.static_files import static
from regime.ui.text import NAMES, field_name

MEASURES = (
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
"""What a map can be colored by."""
LINEAR = (INDEX, "forecast_skill", "test_error", "twin_test_error", "kernel_start_test_error", "kernel_now_test_error")
BOUNDS = {INDEX: ZONES, "kernel_change": (LAZY_BELOW, RICH_ABOVE), "linearization_gap_max": (LAZY_BELOW,)}
LOOKS = {("kernel_change", RICH_ABOVE): "kernel", ("kernel_change", LAZY_BELOW): "kernel thin"}
"""Classes of the boundaries' lines."""
DIGITS = 4
Numbers = list[float | None]


def heatmap(board: MapBoard) -> dict[str, Any]:
    """Return what the page draws of a map: axes, measures, cells with their numbers, and lines."""
    if not board.config:
        return {"axes": [], "measures": [], "cells": {}, "lines": [], "total": 0, "status": board.status}
    config = board.parsed()
    toy = config.base.kind == "toy"
    known = [name for name in MEASURES if toy or name in (INDEX, "kernel_change", "kernel_distance", "representation_change")]
    axes = [{"name": name, "label": field_name(name), "values": _shown(config, name)} for name in config.axes]
    measures = [
        {
            "name": name,
            "label": NAMES.get(name, name),
            "linear": name in LINEAR,
            "bounds": list(BOUNDS.get(name, ())),
            "meaning": meaning(name) or "0 is lazy and 1 is rich, from kernel and function together.",
        }
        for name in known
    ]
    board.painted |= {index: _cell(cell, known) for index, cell in board.cells.items() if index not in board.painted}
    cells = {str(index): cell for index, cell in board.painted.items()}
    lines = [_contour_line(contour) for contour in boundaries(board)]
    return {"axes": axes, "measures": measures, "cells": cells, "lines": lines, "total": config.size, "status": board.status}


def boundaries(board: MapBoard) -> list[Contour]:
    """Return the contours of the cells that are there, as the report has them or as they stand."""
    if board.report:
        return [Contour(**fields) for fields in board.report["contours"]]
    return board.latest_contours(lambda: contours(board.parsed(), [Cell(**cell) for cell in board.cells.values()]))


def _shown(config: SweepConfig, name: str) -> list[Any]:
    return [_word(value) for value in config.axes[name]]


def _word(value: Any) -> Any:
    return "none" if value is None else value


def cell_label(cell: dict[str, Any]) -> str:
    """Return the label of a cell's verdict; or "diverged", or "failed"."""
    if cell["status"] == "diverged":
        return "diverged"
    return cell["verdict"]["label"] if cell["verdict"] else "failed"


def _cell(cell: dict[str, Any], measures: Sequence[str]) -> dict[str, Any]:
    """Return a cell as the page draws it: label, the mean and interval of each measure, error, whether the loss was reached."""
    return {"l": cell_label(cell), "v": [_numbers(cell, name) for name in measures], "e": cell["error"], "r": cell["reached"]}


def _numbers(cell: dict[str, Any], measure: str) -> Numbers:
    verdict = cell["verdict"]
    if measure == INDEX:
        value, interval = (verdict["index"], verdict["interval"]) if verdict else (None, None)
    else:
        value, interval = cell["measures"].get(measure), cell["intervals"].get(measure)
    return [_short(value), *map(_short, interval or (None, None))]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _contour_line(contour: Contour) -> dict[str, Any]:
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


TEMPLATE = """
<div class="map-tools">
  <label>Color by <select class="measure"></select></label><span class="held"></span>
  <span class="map-key"><span class="low"></span><i></i><span class="high"></span></span>
</div>
<div class="map-plot"><p class="y-name"></p><div class="y-ticks"></div>
  <div class="map-area"><div class="cells" role="grid" aria-label="Map of regimes"></div>
    <svg class="lines" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"></svg></div>
  <div class="x-ticks"></div><p class="x-name"></p></div>
<ul class="map-legend" aria-label="Legend"></ul>
<p class="told" role="status">Point at a cell for its numbers; press it to open that run in Train.</p>
"""


def map_view(board: MapBoard) -> gr.HTML:
    """Build the map as a component; a press submits it with `picked`: [number of the cell, number of presses]."""
    return gr.HTML(
        heatmap(board),
        html_template=TEMPLATE,
        js_on_load=static("heatmap.js"),
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

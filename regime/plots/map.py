"""A sweep's report as a figure: the map of regimes with its boundary, or, with one axis, measures along it."""

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from regime.measures.verdict import ZONES
from regime.plots.palette import LIGHT
from regime.sweep.findings import INDEX
from regime.sweep.report import SweepReport

AMOUNT = LinearSegmentedColormap.from_list("amount", [LIGHT[f"amount-{stop}"] for stop in range(4)])
INK, QUIET = LIGHT["ink"], LIGHT["ink-2"]


def map_figure(report: SweepReport, measure: str = INDEX) -> Figure:
    """Draw the mean over seeds of a measure over a sweep's first two axes; further axes are held at their first values."""
    drawing = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = drawing.subplots()
    names = list(report.config.axes)
    cells = np.full(report.config.size, np.nan)  # of an interrupted sweep, some stay empty
    for cell in report.cells:
        value = (cell.verdict.index if cell.verdict else None) if measure == INDEX else cell.measures.get(measure)
        cells[cell.index] = np.nan if value is None else value
    cells = cells.reshape([len(values) for values in report.config.axes.values()])
    while cells.ndim > 2:
        cells = cells[..., 0]
    if len(names) == 1:
        cells = cells[:, None]
    ends = {"vmin": 0, "vmax": 1} if measure == INDEX else {}
    image = axes.pcolormesh(np.ma.masked_invalid(cells.T), cmap=AMOUNT, **ends)
    _label_ticks(axes, names, report)
    for contour in report.contours:
        if {contour.axis, contour.knob} == set(names[:2]) and not any(
            report.config.axes[n][0] != v for n, v in contour.at.items()
        ):
            _draw_contour(axes, contour, report)
    bar = drawing.colorbar(image, ax=axes)
    bar.set_label("regime index: 0 lazy, 1 rich" if measure == INDEX else measure)
    if measure == INDEX:
        bar.ax.hlines(ZONES, 0, 1, colors=INK, linewidth=0.8)
    base = report.config.base
    if base.kind == "toy":
        axes.set_title(f"{base.task}, {base.activation}, {base.parameterization}", loc="left", fontsize=11, fontweight="bold")
    if report.contours:
        axes.legend(frameon=True, fontsize=8, loc="upper left")
    return drawing


def _label_ticks(axes: Any, names: list[str], report: SweepReport) -> None:
    for name, setter, label in zip(
        names[:2], (axes.set_xticks, axes.set_yticks), (axes.set_xlabel, axes.set_ylabel), strict=False
    ):
        values = report.config.axes[name]
        setter(
            np.arange(len(values)) + 0.5, [f"{value:.3g}" if isinstance(value, int | float) else str(value) for value in values]
        )
        label(name)
    if len(names) == 1:
        axes.set_yticks([])
    axes.tick_params(labelsize=8, colors=QUIET, length=0)


def _draw_contour(axes: Any, contour: Any, report: SweepReport) -> None:
    names = list(report.config.axes)
    points = {contour.axis: [part.size for part in contour.crossings], contour.knob: [part.knob for part in contour.crossings]}
    x, y = (_places(report.config.axes[name], points[name]) for name in names[:2])
    low, high = contour.interval
    law = f"{contour.knob}* ~ {contour.axis}^{contour.exponent:.2f} [{low:.2f}, {high:.2f}]"
    style = "-" if contour.measure == "kernel_change" else ":"
    axes.plot(
        x, y, style, color=INK, linewidth=1.6, marker="o", markersize=3, label=f"{contour.measure} = {contour.level:g}: {law}"
    )


def _places(values: list[Any], points: list[float]) -> np.ndarray:
    """Return where numbers lie among an axis's cells, whose centers are at 0.5, 1.5, ...; between them on a log scale."""
    order = np.argsort(values)
    return np.interp(np.log(points), np.log(np.array(values, dtype=float)[order]), order + 0.5)

"""A sweep's report as a figure: the map of regimes with its boundary, or, with one axis, measures along it."""

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, withStroke

from regime.measures.definitions import INDEX
from regime.measures.verdict import RICH_ABOVE, ZONES
from regime.plots.palette import LIGHT
from regime.plots.words import NAMES, field_name, literal, option_name
from regime.sweep.report import SweepReport

AMOUNT = LinearSegmentedColormap.from_list("amount", [LIGHT[f"amount-{stop}"] for stop in range(4)])
INK, QUIET = LIGHT["ink"], LIGHT["ink-2"]
FAINT = to_rgba(QUIET, 0.5)
HALO = withStroke(linewidth=4, foreground=LIGHT["ground"])


def map_figure(report: SweepReport, measure: str = INDEX) -> Figure:
    """Draw the mean over seeds of a measure over a sweep's first two axes; further axes are held at their first values."""
    drawing = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes = drawing.subplots()
    names = list(report.config.axes)
    cells = np.full(report.config.size, np.nan)  # of an interrupted sweep, some stay empty
    unsure = np.zeros(report.config.size, bool)
    for cell in report.cells:
        value = (cell.verdict.index if cell.verdict else None) if measure == INDEX else cell.measures.get(measure)
        cells[cell.index] = np.nan if value is None else value
        unsure[cell.index] = measure == INDEX and cell.verdict is not None and cell.verdict.label == "no verdict"
    ends = {"vmin": 0, "vmax": 1} if measure == INDEX else {}
    image = axes.pcolormesh(_plane(np.ma.masked_invalid(cells), report), cmap=AMOUNT, **ends)
    if unsure.any():
        hatched = _plane(np.ma.masked_array(np.zeros(len(unsure)), ~unsure), report)
        axes.pcolor(hatched, hatch="////", facecolor="none", edgecolor=FAINT, linewidth=0)
    _label_ticks(axes, names, report)
    for contour in report.contours:
        if {contour.axis, contour.knob} == set(names[:2]) and not any(
            report.config.axes[n][0] != v for n, v in contour.at.items()
        ):
            _draw_contour(axes, contour, report)
    bar = drawing.colorbar(image, ax=axes)
    bar.set_label("regime: 0 lazy, 1 rich" if measure == INDEX else NAMES.get(measure, literal(measure)))
    if measure == INDEX:
        bar.ax.hlines(ZONES, 0, 1, colors=INK, linewidth=0.8)
    base = report.config.base
    if base.kind == "toy":
        title = ", ".join(literal(option_name(option)) for option in (base.task, base.activation, base.parameterization))
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    shown, labels = axes.get_legend_handles_labels()
    if unsure.any():
        shown, labels = [*shown, Patch(facecolor="none", edgecolor=FAINT, hatch="////", linewidth=0)], [*labels, "No verdict"]
    if shown:
        drawing.legend(shown, labels, frameon=False, fontsize=8, loc="outside lower left")
    return drawing


def _plane(cells: np.ma.MaskedArray, report: SweepReport) -> np.ma.MaskedArray:
    """Return values of all cells as a row for each of the second axis; further axes are at their first values."""
    cells = cells.reshape([len(values) for values in report.config.axes.values()])
    while cells.ndim > 2:
        cells = cells[..., 0]
    return cells.T if cells.ndim == 2 else cells[None, :]


def _label_ticks(axes: Any, names: list[str], report: SweepReport) -> None:
    for name, setter, label in zip(
        names[:2], (axes.set_xticks, axes.set_yticks), (axes.set_xlabel, axes.set_ylabel), strict=False
    ):
        values = report.config.axes[name]
        setter(
            np.arange(len(values)) + 0.5,
            [f"{value:g}" if isinstance(value, float) else literal(str(value)) for value in values],
        )
        label(field_name(name))
    if len(names) == 1:
        axes.set_yticks([])
    axes.tick_params(labelsize=8, colors=QUIET, length=0)


def _draw_contour(axes: Any, contour: Any, report: SweepReport) -> None:
    """Draw a contour in the looks that the page gives it, and the slope that is expected through its middle."""
    names = list(report.config.axes)
    low, high = contour.interval
    law = f"exponent {contour.exponent:.2f}, 95% {low:.2f} to {high:.2f}"
    label = f"{NAMES.get(contour.measure, contour.measure)} is {contour.level:g}: {law}".replace("-", "\N{MINUS SIGN}")

    def plot(sizes: list[float], knobs: list[float], **look: Any) -> None:
        points = {contour.axis: sizes, contour.knob: knobs}
        places = [_places(report.config.axes[name], points[name]) for name in names[:2]]
        axes.plot(*places, **look)

    sizes, knobs = zip(*((part.size, part.knob) for part in contour.crossings), strict=True)
    if contour.measure != "kernel_change":
        look = {"color": LIGHT["twin"], "linestyle": (0, (1, 1.6)), "linewidth": 1.9}
    else:
        look = {"color": INK, "linewidth": 1.7 if contour.level == RICH_ABOVE else 0.9}
    plot(sizes, knobs, label=label, path_effects=[HALO, Normal()], **look)
    if contour.expected is not None:
        slope, ends = (contour.expected.low + contour.expected.high) / 2, np.array([sizes[0], sizes[-1]])
        middle = np.exp(np.mean(np.log(knobs)) + slope * (np.log(ends) - np.mean(np.log(sizes))))
        known = axes.get_legend_handles_labels()[1]
        name = "Slope that theory expects"
        plot(ends, middle, label=None if name in known else name, color=INK, linewidth=1, linestyle=(0, (6, 5)))


def _places(values: list[Any], points: list[float]) -> np.ndarray:
    """Return where numbers lie among an axis's cells, whose centers are at 0.5, 1.5, ...; between them on a log scale."""
    order = np.argsort(values)
    return np.interp(np.log(points), np.log(np.array(values, dtype=float)[order]), order + 0.5)

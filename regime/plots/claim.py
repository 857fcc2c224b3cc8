"""A figure of a claim's card as a matplotlib figure, made without pyplot, so that threads share no state."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from regime.plots.looks import looks
from regime.plots.palette import LIGHT
from regime.plots.words import axis_name, printed

MARKS = {"disc": "o", "square": "s", "diamond": "D", "triangle": "^"}
STYLES = {"dots": "none", "line": "-", "guide": "--"}


def claim_figure(drawn: Mapping[str, Any]) -> Figure:
    """Draw the fields of a card's `Figure`: dots with their 95% intervals, curves, and dashed guides."""
    drawing = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawing.subplots()
    for series, look in zip(drawn["series"], looks(drawn["series"]), strict=True):
        _plot(axes, series, LIGHT[look["color"]], MARKS[look["marker"]])
    axes.set(xscale="log" if drawn["log_x"] else "linear", yscale="log" if drawn["log_y"] else "linear")
    axes.set_title(printed(drawn["title"]), loc="left", fontweight="bold", fontsize=10, wrap=True)
    axes.set(xlabel=axis_name(drawn["x"]), ylabel=axis_name(drawn["y"]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return drawing


def _plot(axes: Any, series: Mapping[str, Any], color: str, marker: str) -> None:
    """Draw one series; a null leaves a gap."""
    y = [float("nan") if value is None else value for value in series["y"]]
    dots = series["style"] == "dots"
    axes.plot(
        series["x"],
        y,
        STYLES[series["style"]],
        marker=marker if dots else "",
        markersize=5,
        linewidth=1.2 if series["style"] == "guide" else 1.8,
        color=color,
        label=printed(series["name"]),
    )
    if not (series["low"] and series["high"]):
        return
    ends = [
        (x, low, high)
        for x, low, high in zip(series["x"], series["low"], series["high"], strict=True)
        if None not in (low, high)
    ]
    if not ends:
        return
    if dots:
        axes.vlines(*zip(*ends, strict=True), color=color, linewidth=1.2)
    else:
        axes.fill_between(*zip(*ends, strict=True), color=color, alpha=0.15, linewidth=0)

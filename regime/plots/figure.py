"""A report as a matplotlib figure, to save and print, with the page's charts, colors and marks.

It is made without pyplot, so that threads share no state.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.charts import CURVES, DISTANCES, LOOKS, Curve
from regime.plots.dial import DIAL
from regime.plots.palette import LIGHT
from regime.plots.words import NAMES, literal
from regime.record.report import Report

INK, QUIET, PURPLE = LIGHT["ink"], LIGHT["ink-2"], LIGHT["rich-ink"]
WORDS = {"rich": PURPLE, "mixed": LIGHT["mixed-ink"], "lazy": INK}
"""Colors of a verdict's word."""
BOUNDS = {"kernel_change": (LAZY_BELOW, RICH_ABOVE), "linearization_gap": (LAZY_BELOW,), "taylor_gap": (LAZY_BELOW,)}
PIXEL = 0.72
"""Points of a pixel of the page."""


class Chart(NamedTuple):
    """Curves over one list of steps."""

    title: str
    curves: Sequence[Curve]
    share: bool = False
    """Whether the axis goes from 0 to 1; else it is a log axis."""
    alone: bool = False
    """Whether it is one distance, with floor, bounds and references."""


def figure(report: Report) -> Figure:
    """Draw the verdict and the charts of a run of any kind, as its tab has them."""
    shown = [chart for chart in charts(report) if any(curve.measure in report.final for curve in chart.curves)]
    drawing = Figure(figsize=(11, 4.2), layout="constrained")
    dial, panels = drawing.subfigures(2, 1, height_ratios=(1, 3))
    _draw_dial(dial.subplots(), report)
    widths = [1 if chart.alone else 2 for chart in shown]
    for axes, chart in zip(panels.subplots(1, len(shown), squeeze=False, width_ratios=widths)[0], shown, strict=True):
        _draw_chart(axes, report, chart)
    return drawing


def charts(report: Report) -> list[Chart]:
    """Return the charts of a report's kind; of networks of one's own, those of a toy."""
    match report.config.kind:
        case "probe":
            return [Chart("Loss", CURVES["probe-loss"]), Chart("Kernel, all layers", CURVES["probe-kernels"])]
        case "checkpoints":
            words = report.config.readout == "next-token"
            able = Chart("Loss", CURVES["text-loss"]) if words else Chart("What it can do", CURVES["abilities"], share=True)
            return [able, Chart("Distance from the first checkpoint", CURVES["from-first"])]
    gap = {} if "linearization_gap" in report.final else {"linearization_gap": "taylor_gap"}
    names = [gap.get(name, name) for name in DISTANCES]
    apart = [Chart(NAMES[name], (Curve(name, NAMES[name], "net"),), alone=True) for name in names]
    return [Chart("Loss", CURVES["toy-loss"]), *apart]


def _draw_chart(axes: Any, report: Report, chart: Chart) -> None:
    """Draw curves with a band of one standard deviation, without nulls and, on a log axis, without zeros."""
    if chart.alone:
        _draw_bounds(axes, report, chart.curves[0].measure)
    for curve in chart.curves:
        _draw_curve(axes, report, curve, zeros=chart.share)
    if chart.share:
        axes.set_ylim(-0.02, 1.02)
    else:
        _set_log(axes)
    axes.set_title(literal(chart.title), loc="left", fontweight="bold", fontsize=11)
    axes.set_xlabel("step", color=QUIET)
    axes.set_xlim(0, max([1, *(event.step for event in report.history)]))
    axes.grid(axis="y", color=LIGHT["hairline"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=QUIET, length=0, labelsize=9)
    if len(chart.curves) > 1 and axes.lines:
        axes.legend(frameon=False, fontsize=9)


def _draw_curve(axes: Any, report: Report, curve: Curve, *, zeros: bool) -> None:
    history = [(event.step, event.measures.get(curve.measure), event.spread.get(curve.measure)) for event in report.history]
    shown = [(step, value, deviation) for step, value, deviation in history if value is not None and (value > 0 or zeros)]
    if not shown:
        return
    (name, width, dash), held = LOOKS[curve.look], curve.look == "test"
    x, y, spread = zip(*shown, strict=True)
    ring = {"marker": "o", "markersize": 4.5, "markerfacecolor": LIGHT["ground"], "markevery": max(1, len(x) // 40)}
    point = {"marker": "o" if len(x) == 1 else "", "markersize": 3}
    style = (0, [part * PIXEL / width for part in dash]) if dash else "-"
    axes.plot(x, y, linestyle=style, color=LIGHT[name], label=curve.name, linewidth=width * PIXEL, **(ring if held else point))
    known = [(at, value, deviation) for at, value, deviation in shown if deviation is not None and value > 0]
    if known:
        x, y, spread = zip(*known, strict=True)
        low = [value / (1 + deviation / value) for value, deviation in zip(y, spread, strict=True)]
        high = [value + deviation for value, deviation in zip(y, spread, strict=True)]
        axes.fill_between(x, low, high, color=LIGHT[name], alpha=0.08 if held else 0.16, linewidth=0)


def _draw_bounds(axes: Any, report: Report, measure: str) -> None:
    """Draw what a distance is read against: its noise floor, the verdict's bounds, and what is known of it."""
    floors = [(event.step, event.floors.get(measure)) for event in report.history]
    if known := [(step, floor) for step, floor in floors if floor]:
        axes.fill_between(*zip(*known, strict=True), 1e-12, color=QUIET, alpha=0.16, linewidth=0)
    for value in BOUNDS.get(measure, ()):
        axes.axhline(value, color=QUIET, linewidth=0.8, linestyle=(0, (1.5, 3.5)))
    for reference in report.references:
        if reference.measure == measure:
            axes.axhline(reference.value, color=QUIET, linewidth=0.8, linestyle=(0, (6, 4)))


def _set_log(axes: Any) -> None:
    """Give a chart a log axis over its lines, with a decade and a half at least, and plain numbers."""
    values = [value for line in axes.lines for value in line.get_ydata() if value > 0] or [LAZY_BELOW, RICH_ABOVE]
    low, high = min(values), max(values)
    low = min(low, high / 20)
    axes.set_yscale("log")
    axes.set_ylim(low / 1.2, high * 1.2)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()


def _draw_dial(axes: Any, report: Report) -> None:
    verdict = report.verdict
    for zone in DIAL:
        color, hatch = LIGHT[f"zone-{zone.label}"], {}
        if verdict.label == "no verdict":
            color, hatch = LIGHT["ground"], {"hatch": "//////", "edgecolor": LIGHT["edge"], "linewidth": 0}
        axes.barh(0, zone.high - zone.low - 0.002, left=zone.low, height=0.5, color=color, **hatch)
        own = {"fontweight": "bold", "color": INK} if zone.label == verdict.label else {"color": QUIET}
        axes.text((zone.low + zone.high) / 2, -0.75, zone.label, ha="center", va="center", fontsize=9, **own)
    for seed in (each for each in verdict.seeds if each is not None):
        axes.plot(seed, 0.42, "o", color=PURPLE, alpha=0.5, markersize=4, clip_on=False)
    if verdict.interval:
        axes.plot(verdict.interval, (0, 0), color=PURPLE, linewidth=5, solid_capstyle="round", clip_on=False)
    if verdict.index is not None:
        ring = {"markersize": 10, "markerfacecolor": LIGHT["ground"], "markeredgecolor": PURPLE, "markeredgewidth": 2.5}
        axes.plot(verdict.index, 0, "o", clip_on=False, **ring)
    axes.set(xlim=(0, 1), ylim=(-1, 0.5))
    axes.set_axis_off()
    word = {"fontweight": "bold", "fontsize": 13, "color": WORDS.get(verdict.label, QUIET)}
    axes.set_title(verdict.label.capitalize(), loc="left", **word)
    axes.set_title(verdict.agree, loc="right", fontsize=9, color=QUIET)

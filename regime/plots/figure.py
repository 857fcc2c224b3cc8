"""A report as a matplotlib figure, to save and print. It is made without pyplot, so that threads share no state."""

from typing import Any

from matplotlib.figure import Figure

from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.plots.dial import DIAL, heading, marks
from regime.plots.palette import LIGHT
from regime.record.report import Report

COLORS = {
    name: LIGHT[own]
    for name, own in {"network": "net", "twin": "twin", "ink": "ink", "quiet": "ink-2", "ring": "rich-ink"}.items()
}
ZONE_COLORS = [LIGHT[f"zone-{zone.label}"] for zone in DIAL]


def figure(report: Report) -> Figure:
    """Draw the verdict, the loss, and the distances from the start of a run of any kind."""
    drawing = Figure(figsize=(11, 4.2), layout="constrained")
    dial, panels = drawing.subfigures(2, 1, height_ratios=(1, 3))
    _draw_dial(dial.subplots(), report)
    loss, distance = panels.subplots(1, 2)
    _plot_measures(
        loss, report, {"train_loss": ("train", "network", "-"), "test_loss": ("held out", "quiet", "-")} | _twin(report), "Loss"
    )
    gap = "linearization_gap" if "linearization_gap" in report.final else "taylor_gap"
    names = {"kernel_change": ("kernel change", "network", "-"), gap: (gap.replace("_", " "), "twin", "--")}
    _plot_measures(
        distance, report, names | {"representation_change": ("representation", "ring", ":")}, "Distance from the start"
    )
    if not distance.lines:  # nothing has moved: the bounds alone have no range
        distance.set_ylim(LAZY_BELOW / 10, RICH_ABOVE * 10)
    for value in (LAZY_BELOW, RICH_ABOVE):
        distance.axhline(value, color=COLORS["quiet"], linewidth=0.8, linestyle=(0, (1, 3)))
    return drawing


def _twin(report: Report) -> dict[str, tuple[str, str, str]]:
    return {"twin_train_loss": ("linearized twin", "twin", "--")} if "twin_train_loss" in report.final else {}


def _plot_measures(axes: Any, report: Report, parts: dict[str, tuple[str, str, str]], title: str) -> None:
    """Draw means with a band of one standard deviation; nulls and zeros leave a gap on the log axis."""
    steps = [event.step for event in report.history]
    for measure, (name, color, style) in parts.items():
        values = [event.measures.get(measure) for event in report.history]
        shown = [(s, v, e.spread.get(measure)) for s, v, e in zip(steps, values, report.history, strict=True) if v and v > 0]
        if not shown:
            continue
        x, y, sd = zip(*shown, strict=True)
        marker = "o" if len(x) == 1 else ""
        axes.plot(x, y, style, color=COLORS[color], label=name, linewidth=1.8, marker=marker)
        if all(value is not None for value in sd):
            low = [v / (1 + s / v) for v, s in zip(y, sd, strict=True)]
            high = [v + s for v, s in zip(y, sd, strict=True)]
            axes.fill_between(x, low, high, color=COLORS[color], alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_title(title, loc="left", fontweight="bold", fontsize=11)
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        axes.legend(frameon=False, fontsize=9)


def _draw_dial(axes: Any, report: Report) -> None:
    verdict = report.verdict
    hatch = {"hatch": "////", "edgecolor": "white"} if verdict.label == "no verdict" else {}
    for zone, color in zip(DIAL, ZONE_COLORS, strict=True):
        axes.barh(0, zone.high - zone.low, left=zone.low, height=0.5, color=color, **hatch)
        middle = (zone.low + zone.high) / 2
        axes.text(middle, -0.75, zone.label, ha="center", va="center", color=COLORS["quiet"], fontsize=9)
    shown = marks(verdict.model_dump())
    if shown.interval:
        axes.plot(shown.interval, (0, 0), color=COLORS["ring"], linewidth=5, solid_capstyle="round")
    if shown.mean is not None:
        ring = {"markersize": 10, "markerfacecolor": "white", "markeredgecolor": COLORS["ring"], "markeredgewidth": 2.5}
        axes.plot(shown.mean, 0, "o", **ring)
    axes.set(xlim=(0, 1), ylim=(-1, 0.4))
    axes.set_axis_off()
    title = f"{heading(verdict.label)} - {verdict.agree}"
    axes.set_title(title, loc="left", fontweight="bold", fontsize=13, color=COLORS["ink"])

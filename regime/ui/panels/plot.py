"""Small charts as HTML: an SVG that stretches to its box, and labels of fixed size laid over it.

Lines keep their width and text its size at every window width, because the SVG holds shapes only, in percent of the box,
with strokes that do not scale.
"""

from dataclasses import dataclass
from math import ceil, floor, log10

from regime.ui.text import MINUS, escape, number

OFF_SCALE = 100.0
"""Distances beyond it are shown as that."""
Point = tuple[float, float | None]


@dataclass(frozen=True)
class Axis:
    """A linear or log scale from `low` to `high`, placed in percent; values outside sit on the edge."""

    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def place(self, value: float) -> float:
        """Return where a value lies, in percent from the low end."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = log10(low), log10(high), log10(max(value, low))
        share = (value - low) / (high - low) if high > low else 0.0
        return 100 * min(1.0, max(0.0, share))


def decades(values: list[float], most: int = 8) -> Axis:
    """Return a log axis of at most `most` whole decades up to a 1-2-5 number, so that it rarely moves while a run grows."""
    positive = [value for value in values if value > 0]
    if not positive:
        return Axis(0.01, 1.0, log=True)
    top = nice(max(positive))
    bottom = max(floor(min(log10(min(positive)), log10(top) - 1.3)), ceil(log10(top)) - most)
    span = range(bottom, ceil(log10(top)) + 1)
    steps = (1, 2, 5) if len(span) < 4 else (1,)
    ticks = [step * 10.0**exponent for exponent in span[:: -(-len(span) // 6)] for step in steps]
    return Axis(10.0**bottom, top, log=True, ticks=tuple(tick for tick in ticks if tick <= top * 1.001))


def nice(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is not below the value."""
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def steps_axis(steps: int) -> Axis:
    """Return an axis of training steps from 0; a run without steps still has a width."""
    return Axis(0, max(steps, 1), ticks=tuple(dict.fromkeys((0, steps // 2, steps))) if steps > 3 else (0, max(steps, 1)))


def _stretches(points: list[Point], axis: Axis) -> list[list[tuple[float, float]]]:
    """Return the stretches of points that have a place on the axis; a null, or a zero on a log axis, ends one."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None or (axis.log and y <= 0):
            stretches.append([])
        else:
            stretches[-1].append((x, y))
    return [stretch for stretch in stretches if stretch]


def _at(x: Axis, y: Axis, point: tuple[float, float]) -> str:
    return f"{x.place(point[0]):.1f} {100 - y.place(point[1]):.1f}"


def line(points: list[Point], x: Axis, y: Axis, css: str) -> str:
    """Draw a curve; a single point is a dot, since its stroke has round ends.

    Args:
        points: (x, y); a null breaks the curve.
        x, y: the axes.
        css: the curve's class.
    """
    parts = []
    for stretch in _stretches(points, y):
        spots = [_at(x, y, point) for point in stretch]
        parts.append(f"M{spots[0]}" + ("".join(f"L{spot}" for spot in spots[1:]) or "h.01"))
    return f'<path class="line {css}" d="{"".join(parts)}"/>' if parts else ""


def dots(points: list[Point], x: Axis, y: Axis, css: str) -> str:
    """Draw open markers, as two round strokes of no length so that stretching leaves them round.

    Args:
        points: (x, y); a null has none.
        x, y: the axes.
        css: the markers' class.
    """
    spots = "".join(f"M{_at(x, y, point)}h.01" for stretch in _stretches(points, y) for point in stretch)
    return f'<path class="dot {css}" d="{spots}"/><path class="hole" d="{spots}"/>' if spots else ""


def band(low: list[Point], high: list[Point], x: Axis, y: Axis, css: str) -> str:
    """Draw the area between two curves over the same steps.

    Args:
        low, high: the curves, (x, y); where one has a null the area leaves the step out.
        x, y: the axes.
        css: the area's class.
    """
    pairs = [(a, b) for a, b in zip(low, high, strict=True) if a[1] is not None and b[1] is not None]
    if len(pairs) < 2:
        return ""
    upper = [_at(x, y, b) for _, b in pairs]
    lower = [_at(x, y, a) for a, _ in reversed(pairs)]
    return f'<path class="band {css}" d="M{"L".join([*upper, *lower])}Z"/>'


def bound(value: float, y: Axis, css: str = "", meaning: str = "") -> str:
    """Draw a reference line across a chart.

    Args:
        value: on the vertical axis.
        y: that axis.
        css: the line's further class.
        meaning: shown on hover.
    """
    at = f"{100 - y.place(value):.2f}"
    return f'<path class="bound {css}" d="M0 {at}H100"><title>{escape(meaning)}</title></path>'


def end_labels(labels: list[tuple[float, str, str]], apart: float = 7.5) -> str:
    """Draw names beside the ends of curves, so far `apart` that none overlap: (percent from the bottom, text, class)."""
    placed: list[tuple[float, str, str]] = []
    for at, text, css in sorted(labels):
        at = max(at, placed[-1][0] + apart) if placed else at
        placed.append((at, text, css))
    over = max(0.0, placed[-1][0] - 100) if placed else 0.0
    return "".join(f'<span class="end {css}" style="bottom:{at - over:.1f}%">{escape(text)}</span>' for at, text, css in placed)


def chart(shapes: list[str], x: Axis, y: Axis, *, label: str, css: str = "", over: str = "") -> str:
    """Draw a chart with its grid and its ticks.

    Args:
        shapes: SVG in percent of the plot.
        x, y: the axes.
        label: what a screen reader should know, in words.
        css: further class of the chart.
        over: HTML laid over the plot.
    """
    grid = "".join(f'<path class="grid" d="M0 {100 - y.place(tick):.2f}H100"/>' for tick in y.ticks)
    left = "".join(f'<span class="tick y" style="bottom:{y.place(tick):.1f}%">{tick_text(tick)}</span>' for tick in y.ticks)
    below = "".join(f'<span class="tick x" style="left:{x.place(tick):.1f}%">{tick_text(tick)}</span>' for tick in x.ticks)
    return (
        f'<div class="chart {css}" role="img" aria-label="{escape(label)}"><div class="plot" aria-hidden="true">'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{grid}{"".join(shapes)}</svg>{left}{below}{over}</div></div>'
    )


def tick_text(value: float) -> str:
    """Return a tick's number, short."""
    return f"{value:g}".replace("e-0", f"e{MINUS}").replace("e+0", "e").replace("-", MINUS)


def spread(mean: list[Point], deviation: list[Point]) -> tuple[list[Point], list[Point]]:
    """Return mean minus and plus one standard deviation, as a factor so that a log axis shows it evenly."""
    low, high = [], []
    for (step, value), (_, sd) in zip(mean, deviation, strict=True):
        factor = None if value is None or sd is None or value <= 0 else 1 + sd / value
        low.append((step, None if factor is None else value / factor))
        high.append((step, None if factor is None else value * factor))
    return low, high


def plus_minus(value: float | None, sd: float | None) -> str:
    """Draw a key number with its spread."""
    if value is not None and value > OFF_SCALE:
        return f"<b>&gt; {OFF_SCALE:g}</b>"
    tail = f" <small>± {number(sd)}</small>" if value is not None and sd is not None else ""
    return f"<b>{number(value)}</b>{tail}"

"""The curves of a run: loss, and how far the network has moved from its start."""

from dataclasses import dataclass

from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE
from regime.ui.panels.glossary import term
from regime.ui.panels.plot import (
    Axis,
    Point,
    band,
    bound,
    chart,
    decades,
    dots,
    end_labels,
    line,
    plus_minus,
    spread,
    steps_axis,
)
from regime.ui.run.board import Board
from regime.ui.text import DASH, NAMES, escape, number, sentence


@dataclass(frozen=True)
class Curve:
    """One line of a chart: which measure, what to call it, and its look."""

    measure: str
    name: str
    css: str
    marks: bool = False
    pinned: bool = False
    """Whether a pinned run shows it too."""

    @property
    def own(self) -> bool:
        """Whether the curve is the network's: a twin may run away, and must not take the axis with it."""
        return self.css not in ("twin", "limit")


TRAIN_LOSS = Curve("train_loss", "network, train", "net", pinned=True)
TEST_LOSS = Curve("test_loss", "network, held out", "test", marks=True)
TWIN_LOSS = Curve("twin_train_loss", "linearized twin", "twin")
LIMIT_LOSS = Curve("infinite_train_loss", "infinite width", "limit")
TOY_LOSSES = (TEST_LOSS, TRAIN_LOSS, TWIN_LOSS, LIMIT_LOSS)
PROBE_LOSSES = (
    Curve("test_loss", "held out", "test", marks=True),
    Curve("train_loss", "train", "net", pinned=True),
    Curve("twin_train_loss", "twin", "twin"),
)
RUNAWAY = 30.0
"""How far above the network's largest value an axis reaches, for curves that leave it."""
ACCURACIES = (
    Curve("test_accuracy", "held out", "test", marks=True),
    Curve("train_accuracy", "train", "net", pinned=True),
)
SHARES = Axis(0, 1, ticks=(0, 0.25, 0.5, 0.75, 1))
TEXT_LOSSES = (Curve("test_loss", "loss", "test", marks=True),)
DISTANCES = (
    Curve("kernel_distance_centered", "kernel", "net", pinned=True),
    Curve("representation_change", "features", "second"),
)
KERNELS = (Curve("kernel_change", "change", "net"), Curve("kernel_distance", "distance", "second"))


def curves(board: Board, parts: tuple[Curve, ...], *, what: str, css: str = "", most: int = 8, axis: Axis | None = None) -> str:
    """Draw some measures over steps on one axis, each named at its end and, for narrow windows, in a legend.

    Args:
        board: the run.
        parts: the measures and their looks.
        what: they are, in a word, for a screen reader.
        css: further class of the chart.
        most: decades of a log axis.
        axis: a fixed one; without it a log axis that holds the network's values.
    """
    data = {part: board.series(part.measure) for part in parts}
    x = steps_axis(board.steps)
    ahead = {part: board.predicted(part.measure) for part in parts}
    known = [*data.values(), *ahead.values()]
    values = [value for points in known for _, value in points if value is not None]
    own = [value for part in parts if part.own for _, value in data[part] if value is not None]
    y = axis or decades([min(value, RUNAWAY * max(own)) for value in values] if own else values, most)
    shapes, labels, ends = [], [], []
    if board.pinned:
        shapes += [line(board.pinned.series(part.measure), x, y, "pinned") for part in parts if part.pinned]
    for part, points in data.items():
        low, high = spread(points, board.series(part.measure, "spread"))
        shapes.append(band(low, high, x, y, part.css))
        shapes.append(line(ahead[part], x, y, f"{part.css} ahead"))
        shapes.append(line(points, x, y, part.css))
        if part.marks:
            shapes.append(dots(points[:: max(1, len(points) // 14)], x, y, part.css))
        final = _final(points)
        if final is not None:
            text = f"{part.name} {number(final)}"
            labels.append((y.place(final), text, part.css))
            ends.append(text)
    legend = "".join(f'<span><i class="key {part.css}"></i>{escape(part.name)}</span>' for part in parts)
    spoken = f"{what} over {board.steps} steps; at step {board.step}: " + (", ".join(ends) or "nothing yet")
    drawn = chart(shapes, x, y, label=spoken, css=css, over=end_labels(labels))
    if board.pinned:
        legend += '<span><i class="key pinned"></i>pinned run</span>'
    return f'<div class="legend" aria-hidden="true">{legend}</div>{drawn}'


def _final(points: list[Point]) -> float | None:
    return next((value for _, value in reversed(points) if value is not None), None)


@dataclass(frozen=True)
class Multiple:
    """One small chart: a measure, its fixed axis, and the bounds that the verdict uses."""

    measure: str
    axis: Axis
    note: str
    bounds: tuple[float, ...] = ()


MULTIPLES = (
    Multiple(
        "kernel_change",
        Axis(1e-3, 10, log=True, ticks=(1e-3, 1e-2, 0.1, 1, 10)),
        "How far the tangent kernel turned or grew.",
        (LAZY_BELOW, RICH_ABOVE),
    ),
    Multiple(
        "linearization_gap",
        Axis(1e-3, 1, log=True, ticks=(1e-3, 1e-2, 0.1, 1)),
        "How far the network is from its twin.",
        (LAZY_BELOW,),
    ),
    Multiple(
        "representation_change",
        Axis(1e-4, 1, log=True, ticks=(1e-4, 1e-2, 1)),
        "How far the hidden features moved, 1&nbsp;&minus;&nbsp;CKA.",
    ),
)


def multiples(board: Board) -> str:
    """Draw three distances from the start, side by side, on axes that never move."""
    return f'<div class="multiples">{"".join(_multiple(board, part) for part in MULTIPLES)}</div>'


def _multiple(board: Board, part: Multiple) -> str:
    x, points = steps_axis(board.steps), board.series(part.measure)
    x = Axis(x.low, x.high, ticks=(0, x.high))
    low, high = spread(points, board.series(part.measure, "spread"))
    floors = board.series(part.measure, "floors")
    shapes = [band([(step, part.axis.low) for step, _ in floors], floors, x, part.axis, "floor")]
    shapes += [bound(value, part.axis) for value in part.bounds]
    apart = [known for known in board.references if known["measure"] == part.measure]
    shapes += [bound(known["value"], part.axis, "reference", known["meaning"]) for known in apart]
    if board.pinned:
        shapes.append(line(board.pinned.series(part.measure), x, part.axis, "pinned"))
    shapes += [band(low, high, x, part.axis, "net"), line(points, x, part.axis, "net")]
    last = board.last
    value, sd = (last[kind].get(part.measure) if last else None for kind in ("measures", "spread"))
    reason = sentence(last["undefined"].get(part.measure, "undefined") if last else "not run yet")
    name = NAMES[part.measure]
    spoken = f"{name} over steps, now {number(value)}" if value is not None else f"{name}: {reason}"
    beside = "".join(f" Dashed: {escape(known['meaning'])}." for known in apart)
    note = f'<p class="note">{part.note}{beside}</p>'
    key = plus_minus(value, sd) if value is not None else f'<b title="{escape(reason)}">{DASH}</b>'
    drawn = chart(shapes, x, part.axis, label=spoken, css="small")
    return f'<div class="multiple"><h3>{term(part.measure, name)}</h3><p class="key-number">{key}</p>{drawn}{note}</div>'

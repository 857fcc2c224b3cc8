"""What the network, its twin and its infinite-width limit compute: maps for two inputs, curves for one, words for more."""

from math import isqrt
from typing import Any

import numpy as np

from regime.config import ToyConfig
from regime.record.packing import unpack
from regime.ui.panels.glossary import TERMS, term
from regime.ui.panels.pixels import signed_image
from regime.ui.panels.plot import Axis, chart, line
from regime.ui.run.board import Board
from regime.ui.text import escape, sentence

PANELS = {
    "network": ("Network", "The network that is trained.", "net"),
    "twin": ("Linearized twin", "Its tangent at step 0, trained.", "twin"),
    "infinite": ("Infinite width", "The limit, without a seed.", "limit"),
    "difference": ("Network &minus; twin", "What the linear view misses.", ""),
}
LEARNERS = ("network", "twin", "infinite")


def pictures(board: Board) -> str:
    """Draw the functions of the first seed and of its learners, as their inputs allow."""
    view = board.last["view"] if board.last else {}
    started = board.started["view"] if board.started else {}
    if "points" not in started:
        return _no_picture(board)
    missing = board.last["undefined"].get("infinite_train_loss", "") if board.last else ""
    return _maps(view, started, missing) if mapped(board) else _curves(view, started)


def mapped(board: Board) -> bool:
    """Tell whether the pictures are maps, in the colors of -1 and +1: the function has two inputs and one output."""
    points = board.started["view"].get("points") if board.started else None
    return bool(points) and len(points[0]) == 3


def _no_picture(board: Board) -> str:
    inputs, *_, outputs = ToyConfig.from_dict(board.config).sizes
    reason = f"A function from {_count(inputs, 'input')} to {_count(outputs, 'output')} has no picture."
    return f'<div class="pictures empty"><p>{reason} The curves below tell the same story.</p></div>'


def _count(count: int, name: str) -> str:
    return f"{count} {name}" + "s" * (count > 1)


def _maps(view: dict[str, Any], started: dict[str, Any], missing: str) -> str:
    """Draw four maps on one color scale, or say why there is no infinite width; at first only the training points."""
    network, twin, infinite = (unpack(view[name]) if name in view else np.zeros(1) for name in LEARNERS)
    return (
        f'<div class="pictures">{_points(started)}'
        + _panel("network", _map(network) + OVER)
        + _panel("twin", _map(twin) + OVER)
        + (
            _panel("infinite", f"<p>{escape(sentence(missing))}</p>", missing)
            if missing
            else _panel("infinite", _map(infinite) + OVER)
        )
        + _panel("difference", _map(network - twin))
        + "</div>"
    )


def _panel(name: str, inside: str, reason: str = "") -> str:
    title, note, key = PANELS[name]
    mark = f'<i class="key {key}"></i>' if key else ""
    shown = term(name, title) if name in TERMS else title
    return (
        f'<figure><div class="map" role="img" aria-label="{title}: {escape(reason) or note}">{inside}</div>'
        f"<figcaption><b>{mark}{shown}</b><span>{note}</span></figcaption></figure>"
    )


def _map(values: np.ndarray) -> str:
    """Draw a grid of values, x-major with y upward, as a translucent picture: hue by sign, opacity by size up to 1."""
    size = isqrt(len(values))
    grid = values.reshape(size, size).T[::-1].clip(-1, 1)
    return signed_image(grid)


def _points(started: dict[str, Any]) -> str:
    """Draw the training points, round for +1 and square for -1, as strokes of no length that all maps refer to."""
    extent = started["extent"]
    spots = {1: "", -1: ""}
    for x, y, label in started["points"]:
        spots[1 if label > 0 else -1] += f"M{50 + 50 * x / extent:.1f} {50 - 50 * y / extent:.1f}h.01"
    drawn = "".join(f'<path id="points-{name}" d="{spots[sign]}"/>' for name, sign in (("pos", 1), ("neg", -1)))
    return f'<svg class="unseen" aria-hidden="true"><defs>{drawn}</defs></svg>'


OVER = '<svg class="points" viewBox="0 0 100 100" aria-hidden="true">' + "".join(
    f'<use href="#points-{name}" class="edge {name}"/><use href="#points-{name}" class="{name}"/>' for name in ("pos", "neg")
)
OVER += "</svg>"
"""The training points over a map."""


def _curves(view: dict[str, Any], started: dict[str, Any]) -> str:
    extent = started["extent"]
    x, y = Axis(-extent, extent, ticks=(-1, 0, 1)), Axis(-2, 2, ticks=(-2, -1, 0, 1, 2))
    spots = "".join(f"M{x.place(point[0]):.1f} {100 - y.place(point[1]):.1f}h.01" for point in started["points"])
    shapes, keys = [f'<path class="sample" d="{spots}"/>'], ""
    for name in (name for name in LEARNERS if name in view):
        title, _, css = PANELS[name]
        values = unpack(view[name])
        places = np.linspace(-extent, extent, len(values))
        shapes.append(line(list(zip(places.tolist(), values.tolist(), strict=True)), x, y, css))
        keys += f'<span><i class="key {css}"></i>{title}</span>'
    label = "What each learner computes over the input, with the training points"
    legend = f'<div class="legend always">{keys}<span>Dots: training points</span></div>'
    return f'<div class="pictures curves">{legend}{chart(shapes, x, y, label=label, css="function")}</div>'

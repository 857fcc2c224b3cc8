"""What the network and its twin compute: maps for two inputs, curves for one, words for more."""

import base64
from io import BytesIO
from math import isqrt
from typing import Any

import numpy as np
from PIL import Image

from regime.ui.board import Board
from regime.ui.plot import Axis, chart, line
from regime.ui.text import escape

NEGATIVE, POSITIVE = (0xDF, 0x8C, 0x35), (0x46, 0x82, 0xC9)
"""Colors of -1 and +1. Zero is the background of the box, so that it follows the theme."""
PANELS = {
    "network": ("Network", "the real thing", "net"),
    "twin": ("Linearized twin", "its tangent at step 0, trained", "twin"),
    "difference": ("Network &minus; twin", "what the linear view misses", ""),
}


NO_PICTURE = (
    '<div class="pictures empty"><p>This function has 64 inputs, the pixels of a digit, so it has no picture. '
    "The curves below tell the same story.</p></div>"
)


def pictures(board: Board) -> str:
    """The function of the first seed, as its inputs allow."""
    view = board.last["view"] if board.last else {}
    points = board.started["view"] if board.started else {}
    draw = {"rings": _maps, "spirals": _maps, "sine": _curves}.get(board.config["task"])
    return draw(view, points) if draw else NO_PICTURE


def _maps(view: dict[str, Any], started: dict[str, Any]) -> str:
    """Three maps on one color scale; before the first measurement, the training points alone."""
    over = _points(started)
    network, twin = (np.array(view.get(name, [0.0])) for name in ("network", "twin"))
    values = {"network": network, "twin": twin, "difference": network - twin}
    panels = "".join(_panel(name, _map(part) + (over if name != "difference" else "")) for name, part in values.items())
    return f'<div class="pictures">{panels}</div>'


def _panel(name: str, inside: str) -> str:
    title, note, key = PANELS[name]
    mark = f'<i class="key {key}"></i>' if key else ""
    return (
        f'<figure><div class="map" role="img" aria-label="{title}: {note}">{inside}</div>'
        f"<figcaption><b>{mark}{title}</b><span>{note}</span></figcaption></figure>"
    )


def _map(values: np.ndarray) -> str:
    """A grid of values as a translucent picture: hue by sign, opacity by size up to 1. Input is x-major with y upward."""
    size = isqrt(len(values))
    grid = values.reshape(size, size).T[::-1].clip(-1, 1)
    pixels = np.empty((size, size, 4), np.uint8)
    pixels[..., :3] = np.where(grid[..., None] > 0, POSITIVE, NEGATIVE)
    pixels[..., 3] = np.abs(255 * grid).round()
    file = BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


def _points(started: dict[str, Any]) -> str:
    """Training points: a circle for +1, a square for -1."""
    if not started.get("points"):
        return ""
    extent, shapes = started["extent"], []
    for x, y, label in started["points"]:
        across, down = 50 + 50 * x / extent, 50 - 50 * y / extent
        shapes.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="1.2"/>'
            if label > 0
            else f'<rect x="{across - 1.05:.1f}" y="{down - 1.05:.1f}" width="2.1" height="2.1"/>'
        )
    return f'<svg class="points" viewBox="0 0 100 100" aria-hidden="true">{"".join(shapes)}</svg>'


def _curves(view: dict[str, Any], started: dict[str, Any]) -> str:
    extent = started.get("extent", 1.0)
    x, y = Axis(-extent, extent, ticks=(-1, 0, 1)), Axis(-2, 2, ticks=(-2, -1, 0, 1, 2))
    spots = "".join(f"M{x.place(point[0]):.1f} {100 - y.place(point[1]):.1f}h.01" for point in started.get("points", []))
    shapes = [f'<path class="sample" d="{spots}"/>' if spots else ""]
    for name, css in (("network", "net"), ("twin", "twin")):
        values = view.get(name, [])
        places = np.linspace(-extent, extent, len(values)).tolist()
        shapes.append(line(list(zip(places, values, strict=True)), x, y, css))
    keys = "".join(
        f'<span><i class="key {css}"></i>{escape(PANELS[name][0])}</span>'
        for name, css in (("network", "net"), ("twin", "twin"))
    )
    drawn = chart(shapes, x, y, label="Network and linearized twin over the input, with the training points", css="function")
    return (
        f'<div class="pictures curves"><div class="legend always">{keys}<span>dots: training points</span></div>{drawn}</div>'
    )

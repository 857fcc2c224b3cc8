"""Thumbnails of the toy tasks: sketches of their data, circles for +1 and squares for -1."""

from math import cos, pi, sin


def _svg(shapes: str) -> str:
    return f'<svg viewBox="0 0 64 48" aria-hidden="true">{shapes}</svg>'


def _circle(x: float, y: float) -> str:
    return f'<circle class="pos" cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>'


def _square(x: float, y: float) -> str:
    return f'<rect class="neg" x="{x - 1.6:.1f}" y="{y - 1.6:.1f}" width="3.2" height="3.2"/>'


def _rings() -> str:
    angles = [2 * pi * k / 20 for k in range(20)]
    return _svg(
        "".join(_circle(32 + 19 * cos(a), 24 + 19 * sin(a)) + _square(32 + 9.5 * cos(a), 24 + 9.5 * sin(a)) for a in angles)
    )


def _spirals() -> str:
    turns = [0.15 + 0.85 * k / 17 for k in range(18)]
    places = [(20 * t * cos(2.6 * pi * t), 20 * t * sin(2.6 * pi * t)) for t in turns]
    return _svg("".join(_circle(32 + x, 24 + y) + _square(32 - x, 24 - y) for x, y in places))


def _sine() -> str:
    points = [(4 + 0.7 * k, 24 - 12 * sin(0.14 * k) - 6 * sin(0.35 * k)) for k in range(81)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return _svg(f'<path class="curve" d="M{path}"/>' + "".join(_circle(x, y) for x, y in points[4::12]))


def _digits() -> str:
    three = ("01110", "10001", "00001", "00110", "00001", "10001", "01110")
    cells = [(x, y) for y, row in enumerate(three) for x, cell in enumerate(row) if cell == "1"]
    return _svg(
        "".join(f'<rect class="pixel" x="{19.5 + 5 * x}" y="{6.5 + 5 * y}" width="4.6" height="4.6"/>' for x, y in cells)
    )


THUMBS = {"rings": _rings(), "spirals": _spirals(), "sine": _sine(), "digits": _digits()}

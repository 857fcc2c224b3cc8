"""Thumbnails of the toy tasks: sketches of their data, circles for +1 and squares for -1."""

from collections.abc import Iterable
from math import cos, pi, sin

Coordinates = tuple[float, float]
SIZE = 1.8


def _svg(*shapes: str) -> str:
    return f'<svg viewBox="0 0 64 48" aria-hidden="true">{"".join(shapes)}</svg>'


def _circle(x: float, y: float, r: float = SIZE) -> str:
    return f'<circle class="pos" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'


def _square(x: float, y: float) -> str:
    return f'<rect class="neg" x="{x - 1.6:.1f}" y="{y - 1.6:.1f}" width="3.2" height="3.2"/>'


def _mark(x: float, y: float, sign: float) -> str:
    return _circle(x, y) if sign > 0 else _square(x, y)


def _box(x: float, y: float, width: float, height: float, css: str = "pixel") -> str:
    return f'<rect class="{css}" x="{x}" y="{y}" width="{width}" height="{height}"/>'


def _outline(x: float, y: float, r: float) -> str:
    return f'<circle class="curve" cx="{x}" cy="{y}" r="{r}"/>'


def _path(points: Iterable[Coordinates]) -> str:
    return f'<path class="curve" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>'


def _curve(points: list[Coordinates], every: int) -> str:
    """Draw a curve and a few points on it."""
    return _svg(_path(points), *(_circle(x, y) for x, y in points[every // 3 :: every]))


def _around(count: int) -> list[float]:
    return [2 * pi * k / count for k in range(count)]


def _rings() -> str:
    return _svg(
        *(_circle(32 + 19 * cos(a), 24 + 19 * sin(a)) + _square(32 + 9.5 * cos(a), 24 + 9.5 * sin(a)) for a in _around(20))
    )


def _spirals() -> str:
    turns = [0.15 + 0.85 * k / 17 for k in range(18)]
    places = [(20 * t * cos(2.6 * pi * t), 20 * t * sin(2.6 * pi * t)) for t in turns]
    return _svg(*(_circle(32 + x, 24 + y) + _square(32 - x, 24 - y) for x, y in places))


def _xor() -> str:
    cloud = [(0, 0), *((5.5 * cos(a), 5 * sin(a)) for a in _around(6))]
    return _svg(*(_mark(32 + 13 * p + x, 24 - 12 * q + y, p * q) for p in (-1, 1) for q in (-1, 1) for x, y in cloud))


def _moons() -> str:
    angles = [pi * k / 12 for k in range(13)]
    return _svg(*(_circle(25 - 16 * cos(a), 30 - 18 * sin(a)) + _square(39 + 16 * cos(a), 18 + 18 * sin(a)) for a in angles))


def _ring_of_signs() -> str:
    return _svg(_outline(32, 24, 18), *(_mark(32 + 18 * cos(a), 24 + 18 * sin(a), cos(2 * a + 0.3)) for a in _around(24)))


def _sine() -> str:
    return _curve([(4 + 0.7 * k, 24 - 12 * sin(0.14 * k) - 6 * sin(0.35 * k)) for k in range(81)], 12)


def _step() -> str:
    marks = [(8, 36), (16, 36), (24, 36), (40, 12), (48, 12), (56, 12)]
    return _svg(_path([(4, 36), (32, 36), (32, 12), (60, 12)]), *(_circle(*place) for place in marks))


def _parity() -> str:
    rows = ("+-++--+-", "--+-++-+", "-++--+++")
    marks = [
        _mark(9 + 6.6 * i, 12 + 12 * j, 1 if sign == "+" else -1) for j, row in enumerate(rows) for i, sign in enumerate(row)
    ]
    return _svg(*marks, _box(4.5, 5, 22, 38, "curve"))


def _single_index() -> str:
    return _curve([(8 + 0.6 * k, 40 - 0.02 * (k - 40) ** 2) for k in range(81)], 10)


def _multi_index() -> str:
    branch = [(2.0 * 1.12**k, 30 / 1.12**k) for k in range(1, 24)]
    quadrants = [(p, q) for p in (-1, 1) for q in (-1, 1)]
    return _svg(
        *(_path((32 + p * x, 24 - 0.75 * q * y) for x, y in branch) for p, q in quadrants),
        *(_mark(32 + 18 * p, 24 - 14 * q, p * q) for p, q in quadrants),
    )


def _smooth() -> str:
    return _curve([(4 + 0.7 * k, 38 - 0.34 * k + 4 * sin(0.06 * k)) for k in range(81)], 15)


def _teacher() -> str:
    inputs, units, output = [(10, y) for y in (12, 24, 36)], [(33, y) for y in (6, 18, 30, 42)], (55, 24)
    lines = [*((a, b) for a in inputs for b in units), *((b, output) for b in units)]
    return _svg(*map(_path, lines), *(_circle(x, y, 2.6) for x, y in (*inputs, *units, output)))


def _clock() -> str:
    hands = ((32, 10.5), (32, 24), (42.5, 30.5))
    return _svg(_outline(32, 24, 19), _path(hands), *(_circle(32 + 19 * sin(a), 24 - 19 * cos(a), 1.5) for a in _around(12)))


def _digits() -> str:
    three = ("01110", "10001", "00001", "00110", "00001", "10001", "01110")
    cells = [(x, y) for y, row in enumerate(three) for x, cell in enumerate(row) if cell == "1"]
    return _svg(*(_box(19.5 + 5 * x, 6.5 + 5 * y, 4.6, 4.6) for x, y in cells))


def _cells() -> str:
    benign, malignant = [(13, 14), (12, 35), (51, 37)], [(31, 24), (50, 13)]
    walls = [*(_outline(x, y, 7) for x, y in benign), *(_outline(x, y, 9.5) for x, y in malignant)]
    return _svg(*walls, *(_circle(x, y, 2.5) for x, y in benign), *(_box(x - 4, y - 4, 8, 8, "neg") for x, y in malignant))


def _table() -> str:
    lines = [((8, y), (56, y)) for y in (8, 16, 24, 32, 40)] + [((x, 8), (x, 40)) for x in (8, 20, 32, 44, 56)]
    return _svg(_box(44, 8, 12, 32), *map(_path, lines))


THUMBS = {
    "rings": _rings(),
    "spirals": _spirals(),
    "xor": _xor(),
    "moons": _moons(),
    "circle": _ring_of_signs(),
    "sine": _sine(),
    "step": _step(),
    "parity": _parity(),
    "single-index": _single_index(),
    "multi-index": _multi_index(),
    "smooth": _smooth(),
    "teacher": _teacher(),
    "modular-addition": _clock(),
    "digits": _digits(),
    "breast-cancer": _cells(),
    "own": _table(),
}

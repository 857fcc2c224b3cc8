"""The tangent kernel at the start and now, points ordered by class, and how its pattern changed."""

from collections.abc import Iterator
from itertools import groupby
from math import isqrt
from typing import Any

import numpy as np

from regime.record.packing import unpack
from regime.ui.panels.glossary import term
from regime.ui.panels.pixels import ink_mask, signed_image
from regime.ui.run.board import Board
from regime.ui.text import escape, number

CHANGE = 0.4
"""Where the colors of the change end, in units of the mean diagonal."""


def kernels(board: Board) -> str:
    """Draw the first seed's kernel over its mean diagonal, at the start and now, and the difference."""
    start = board.started["view"].get("kernel", {}) if board.started else {}
    now = board.last["view"].get("kernel", {}) if board.last else {}
    first, last = _matrix(start), _matrix(now)
    growth = f", {number(now['scale'] / start['scale'])}&times; as large" if first is not None and last is not None else ""
    change = last - first if growth else None
    rails = _rails(start.get("targets", []))
    return (
        f"<h2>{term('kernel', 'Tangent kernel')}</h2>"
        '<p class="sub">Held-out points, ordered by class. Dark: a step on one point moves the output at the other, so the two '
        "learn together. A lazy network keeps its pattern.</p>"
        '<div class="kernels">'
        + _panel("Start", "", rails + _kernel(first))
        + _panel("Now", growth, rails + _kernel(last))
        + _panel("Change", f", &plusmn;{CHANGE}", rails + ("" if change is None else signed_image(change / CHANGE)))
        + "</div>"
    )


def _matrix(kernel: dict[str, Any]) -> np.ndarray | None:
    rows = unpack(kernel.get("rows", ""))
    return rows.reshape(isqrt(len(rows)), -1) if len(rows) else None


def _panel(title: str, note: str, inside: str) -> str:
    return (
        f'<figure><div class="square" role="img" aria-label="{escape(title)} of the kernel{note}">{inside}</div>'
        f"<figcaption><b>{title}</b>{note}</figcaption></figure>"
    )


def _rails(targets: list[float]) -> str:
    """Draw the rows' classes along the left, in shades from the lowest target to the highest."""
    if not targets or targets[-1] == targets[0]:
        return ""
    shares = [round(100 * (value - targets[0]) / (targets[-1] - targets[0])) for value in targets]
    each = 100 / len(shares)
    stops = ",".join(
        f"color-mix(in srgb,var(--fn-high) {share}%,var(--fn-low)) {each * start:.0f}% {each * end:.0f}%"
        for share, start, end in _stretches(shares)
    )
    return f'<i class="rail" style="background:linear-gradient({stops})"></i>'


def _stretches(values: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield each stretch of equal values: the value, where it begins and where it ends."""
    start = 0
    for value, group in groupby(values):
        end = start + len(list(group))
        yield value, start, end
        start = end


def _kernel(kernel: np.ndarray | None) -> str:
    return "" if kernel is None else ink_mask(kernel / max(kernel.max(), 1e-9))

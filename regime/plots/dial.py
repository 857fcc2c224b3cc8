"""The dial of a verdict as data: its zones, its marks and its words, for the page and for figures."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from regime.measures.verdict import ZONES


class Zone(NamedTuple):
    """A stretch of the dial, between two regime indices."""

    label: str
    low: float
    high: float


DIAL = tuple(
    Zone(label, low, high) for label, (low, high) in zip(("lazy", "mixed", "rich"), pairwise((0.0, *ZONES, 1.0)), strict=True)
)
"""The zones from 0, lazy, to 1, rich."""


class Marks(NamedTuple):
    """What a dial shows of a verdict, as regime indices: nothing where it has none."""

    seeds: list[float]
    interval: tuple[float, float] | None
    mean: float | None


def heading(label: str) -> str:
    """Return a verdict's label as a heading."""
    return label[:1].upper() + label[1:]


def marks(verdict: Mapping[str, Any] | None) -> Marks:
    """Return the marks of a verdict's fields; without a verdict or without an index, none."""
    if verdict is None or verdict["index"] is None:
        return Marks([], None, None)
    return Marks([seed for seed in verdict["seeds"] if seed is not None], verdict["interval"], verdict["index"])

"""The zones of a verdict's dial, for the page and for figures."""

from itertools import pairwise
from typing import NamedTuple

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

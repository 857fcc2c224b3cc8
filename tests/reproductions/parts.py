"""Claims that take no time, in the place of all, and what generators return."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Claim, Figure, Found, Paper, Series, Step, finding
from regime.reproductions.registry import CLAIMS


def claim(id: str, *values: float, needs: tuple[str, ...] = ()) -> Claim:
    """A claim that numbers are 1 to within 0.5, each with an interval of 0.2 to either side."""

    def measure(full: bool) -> Iterator[Found]:
        yield Step(0.0, "numbers")
        for value in values:
            yield Step()
            yield finding(f"number {value:g}", "1", PointEstimate(value, value - 0.2, value + 0.2), 0.5, 1.5)
        yield Figure(title="Numbers", x="x", y="y", series=[Series(name="numbers", x=[0.0, 1.0], y=[float(full), None])])

    paper = Paper(authors="Nobody et al.", year=2020, title="On Numbers", arxiv="0000.00000")
    return Claim(id, "Numbers are one", "Numbers are one.", paper, "1", "They are looked at.", measure, needs)


@contextmanager
def only(*claims: Claim) -> Iterator[None]:
    """These claims in the place of all."""
    known = {**CLAIMS}
    CLAIMS.clear()
    CLAIMS.update({each.id: each for each in claims})
    try:
        yield
    finally:
        CLAIMS.clear()
        CLAIMS.update(known)


def returned(steps: Generator[Any, None, Any]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value

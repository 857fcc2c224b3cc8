"""Labeled sentences for probes: the shipped reviews, split into training, held-out and probe rows."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

REVIEWS = Path(__file__).parents[2] / "assets" / "reviews.csv"
"""1,200 review sentences with the attribution beside them in assets/README.md."""
POSITIVE = {"sentiment": "positive", "source": "movie"}
"""Task (a column of the file) -> the label that is +1; the other one is -1."""
MEANINGS = {
    "sentiment": "Is the review sentence positive (+1) or negative (-1)?",
    "source": "Is the sentence about a movie (+1) or a product (-1)?",
}


class Rows(NamedTuple):
    texts: list[str]
    labels: Float[Tensor, "n 1"]


@cache
def _reviews(task: str) -> tuple[list[str], list[float]]:
    """All rows, the two labels in turn: every prefix of even length is balanced."""
    with REVIEWS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sides = [[row["text"] for row in rows if (row[task] == POSITIVE[task]) == positive] for positive in (True, False)]
    texts = [text for pair in zip(*sides, strict=True) for text in pair]
    return texts, [1.0, -1.0] * len(sides[0])


def split(task: str, sizes: list[int]) -> list[Rows]:
    """Disjoint groups of rows of these sizes, always the same ones, each balanced to within one row."""
    texts, labels = _reviews(task)
    groups, start = [], 0
    for size in sizes:
        stop = start + size
        groups.append(Rows(texts[start:stop], torch.tensor(labels[start:stop], dtype=torch.float32).unsqueeze(1)))
        start = stop + stop % 2
    return groups

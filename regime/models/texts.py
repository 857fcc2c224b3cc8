"""Texts for probes: the shipped reviews, or a person's own, split by one seed into training, held-out and probe rows."""

import csv
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from regime.config.own_texts import OwnTexts
from regime.config.rows import OWN
from regime.data import FOLDER

REVIEWS = FOLDER / "reviews.csv"
"""1,200 review sentences with the attribution beside them in README.md."""
CLASSES = {"sentiment": ("negative", "positive"), "source": ("product", "movie")}
"""Task (a column of the file) -> its labels; of two the second is +1, the first -1."""
MEANINGS = {
    "sentiment": "Is the review sentence positive (+1) or negative (-1)?",
    "source": "Is the sentence about a movie (+1) or a product (-1)?",
}
SOURCES = {**dict.fromkeys(CLASSES, "sentences from regime/data/reviews.csv"), OWN: "own rows"}


class Prompt(NamedTuple):
    """What a language model is asked: a template, and the word that stands for each label."""

    template: str
    words: tuple[str, ...]


PROMPTS = {
    "sentiment": Prompt("{text} It was {mask}.", ("terrible", "great")),
    "source": Prompt("{text} This is a review of a {mask}.", ("product", "movie")),
}
"""The first as in Gao et al. 2021 (arXiv 2012.15723), which Malladi et al. 2023 (arXiv 2210.05643) use."""


class TextRows(NamedTuple):
    """Some texts with the number of each one's label, or with a value each; of texts without either all 0."""

    texts: list[str]
    labels: Shaped[Tensor, "n"]


def prompt_prefix(template: str) -> str:
    """Return the template up to the word that is asked for, which is what a model that reads from left to right is given."""
    return template[: template.index("{mask}")].rstrip()


@cache
def _reviews(task: str) -> OwnTexts:
    with REVIEWS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = CLASSES[task]
    return OwnTexts(tuple(row["text"] for row in rows), tuple(classes.index(row[task]) for row in rows), classes)


def split(task: str, sizes: Sequence[int], seed: int = 0, own: OwnTexts | None = None) -> list[TextRows]:
    """Return disjoint groups of rows of these sizes, drawn by one seed; labels are as even in each as the rows allow.

    Args:
        task: a column of the shipped reviews, or "own".
        sizes: of the groups.
        seed: of the draw.
        own: for task "own", the rows.

    Raises:
        ValueError: there are fewer rows than asked for.
    """
    table = own or _reviews(task)
    if len(table.texts) < sum(sizes):
        raise ValueError(
            f"{sum(sizes)} texts are asked for, {' + '.join(map(str, sizes))}, and there are {len(table.texts)}; "
            "allowed: as many as there are, together"
        )
    order = _even(table, seed, sum(sizes))
    groups, start = [], 0
    for size in sizes:
        rows = order[start : start + size]
        known, dtype = (table.labels, torch.int64) if table.labels else (table.values, torch.float32)
        labels = torch.tensor([known[row] if known else 0.0 for row in rows], dtype=dtype, device="cpu")
        groups.append(TextRows([table.texts[row] for row in rows], labels))
        start += size
    return groups


def _even(table: OwnTexts, seed: int, total: int) -> list[int]:
    """Row numbers in random order: labels as even as there are rows, each spread evenly over the whole draw."""
    order = torch.randperm(len(table.texts), generator=torch.Generator().manual_seed(seed), device="cpu").tolist()
    if not table.labels:
        return order[:total]
    members = [[row for row in order if table.labels[row] == label] for label in range(len(table.classes))]
    ranked = sorted((rank, label, row) for label, rows in enumerate(members) for rank, row in enumerate(rows))[:total]
    drawn = [sum(label == each for _, label, _ in ranked) for each in range(len(members))]
    return [row for _, _, row in sorted(ranked, key=lambda entry: ((entry[0] + 0.5) / drawn[entry[1]], entry[1]))]

"""Texts of like lengths together: padding takes as long to pass as text."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import Tensor

from regime.models.functions import Inputs


class Group(NamedTuple):
    """Some of several texts, padded to the longest of them."""

    rows: list[int]
    inputs: Inputs


class Texts:
    """Texts as tokens, padded on the right, and how long each is.

    Args:
        inputs: ids and mask of n texts.
        padded: whether padding is part of the function, as it may be of a model of one's own: then all of it stays.
    """

    def __init__(self, inputs: Inputs, *, padded: bool = False) -> None:
        self.inputs = inputs
        mask: Tensor = inputs["attention_mask"]
        self.lengths: list[int] = [mask.shape[1]] * len(mask) if padded else mask.sum(1).tolist()

    def groups(self, tokens: int, rows: Iterable[int] | None = None) -> Iterator[Group]:
        """Yield groups of so many tokens at most, padding counted in, or one text, the longest first; of all rows, or some."""
        left = sorted(range(len(self.lengths)) if rows is None else rows, key=self.lengths.__getitem__, reverse=True)
        while left:
            length = self.lengths[left[0]]
            most = max(1, tokens // length)
            yield Group(left[:most], {name: tensor[left[:most], :length] for name, tensor in self.inputs.items()})
            left = left[most:]

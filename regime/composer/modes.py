"""A run computes in modes of its own: its caller's autocast, inference mode, rounding and traps do not reach it."""

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from regime.resources.process import full_precision

P = ParamSpec("P")
Item = TypeVar("Item")
End = TypeVar("End")


def in_own_modes(iterate: Callable[P, Generator[Item, None, End]]) -> Callable[P, Generator[Item, None, End]]:
    """Return a generator function that is in its caller's modes only between its items."""

    @wraps(iterate)
    def generate(*args: P.args, **kwargs: P.kwargs) -> Generator[Item, None, End]:
        items = iterate(*args, **kwargs)
        try:
            while True:
                try:
                    item: Any = in_modes(next)(items)
                except StopIteration as end:
                    return end.value
                yield item
        finally:
            items.close()

    return generate


def in_modes(compute: Callable[P, Item]) -> Callable[P, Item]:
    """Return a function that computes in the modes of a run."""

    @wraps(compute)
    def call(*args: P.args, **kwargs: P.kwargs) -> Item:
        with torch.inference_mode(False), full_precision(), np.errstate(all="ignore"):
            return compute(*args, **kwargs)

    return call

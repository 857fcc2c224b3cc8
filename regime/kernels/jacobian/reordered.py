"""Whether rows of a pass may come in an order that the examples' numbers decide: sorted, packed, routed, merged.

Then no size and no place tells which example a row is of, and gradients have to (`routed.misplaced`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from regime.kernels.jacobian.batch import Batch
from regime.kernels.jacobian.functions import changes_in_place, named, tensors_in

WITHIN = named("gather", "take_along_dim", "scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce")
"""Functions that take entries along one axis, by numbers of each place."""
BY_INDEX = WITHIN | named(
    "__getitem__", "__setitem__", "index_select", "take", "masked_select", "repeat_interleave", "masked_scatter",
    "masked_scatter_", "index_add", "index_add_", "index_copy", "index_copy_", "index_put", "index_put_", "index_reduce",
    "embedding",
)  # fmt: skip
SORTING = named("sort", "argsort", "topk", "msort", "kthvalue")
FIRST = named("msort")
"""Of these, those that sort along the first axis, whatever they are told."""
SUMS = named("sum", "count_nonzero")
COUNTING = SUMS | named("cumsum", "cumsum_", "cumprod", "cummax", "cummin", "bincount")
"""Functions by which an example may learn how many are before it, such as where experts take so many tokens and no more."""
MERGING = named("unique", "unique_consecutive", "_pack_padded_sequence")
PRODUCTS = named("matmul", "mm", "__matmul__", "linear", "einsum", "tensordot")
NUMBERS = named("item", "__int__", "__index__", "__float__", "__bool__")
ARRAYS = named("tolist", "numpy", "__array__")
"""Functions that give numbers to Python, where they are out of sight: one, or many."""


class Reordered:
    """Follows a batch through the calls of a pass."""

    def __init__(self, batch: Batch) -> None:
        self.examples = {id(tensor): tensor for tensor in tensors_in(batch)}
        """Tensors that depend on the batch, by their ids; they are kept, or their ids would be given again."""
        self.doubtful = False
        """Whether rows may be in another order."""
        self.along: list[int] = []
        """Sizes of the axes along which was sorted or counted: examples are on those that grow with the batch."""
        self.asked = 0
        """How many numbers that depend on the batch Python asked for, one by one."""

    def follow(self, function: Callable, args: tuple, kwargs: dict[str, Any], tensors: list[Tensor], output: Any) -> None:
        """Learn of one call what its results are.

        Args:
            function: that was called.
            args: its arguments.
            kwargs: by name.
            tensors: among them.
            output: what it gave.
        """
        met = [tensor for tensor in tensors if id(tensor) in self.examples]
        if not met:
            return
        self.asked += function in NUMBERS
        plain = met[0].is_floating_point() or met[0].dtype == torch.bool  # a truth, or a size of values, decides no order
        self.doubtful |= function in ARRAYS or (function in NUMBERS and not plain)
        self.doubtful |= self._moves(function, args, kwargs, tensors)
        results = tensors_in(output)
        if function is Tensor.__setitem__ or changes_in_place(function):
            results.append(tensors[0])
        self.examples.update((id(result), result) for result in results)

    def _moves(self, function: Callable, args: tuple, kwargs: dict[str, Any], tensors: list[Tensor]) -> bool:
        """Whether a call puts rows in an order that depends on the batch."""
        if function in PRODUCTS:  # one of two may be a matrix that holds the order
            met = [tensor.dim() for tensor in tensors if id(tensor) in self.examples]
            return len(met) > 1 and min(met) == 2
        first, *others = reversed(tensors) if function is functional.embedding else tensors
        if function in SORTING or (function in COUNTING and not first.requires_grad):
            self.along += _sizes(function, first, _axis(function, args, kwargs))
            return False
        if function in MERGING:
            return True
        if function not in BY_INDEX or (function in WITHIN and _axis(function, args, kwargs) in (-1, first.dim() - 1)):
            return False  # where examples are on the last axis, the order that numbers of it have was sorted or counted
        places = [tensor for tensor in others if not tensor.is_floating_point() and not tensor.is_complex()]
        if function in (Tensor.__getitem__, Tensor.__setitem__) and any(id(place) not in self.examples for place in places):
            return False  # such as h[arange(n), lengths]: one of each example, in order
        index = {id(place) for place in places if id(place) in self.examples}
        taken = tensors_in(args[2:]) if function is Tensor.__setitem__ else tensors
        return bool(index) and any(id(tensor) in self.examples and id(tensor) not in index for tensor in taken)


def _sizes(function: Callable, tensor: Tensor, axis: Any) -> list[int]:
    """How many entries are sorted or counted together; of sums over all that there is, nothing is told."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    if axis is None or tensor.dim() == 0:
        return [] if function in SUMS else [tensor.numel()]
    return [tensor.shape[each] for each in axes]


def _axis(function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    if function in FIRST:
        return 0
    position = 2 if function in named("topk", "kthvalue", "take_along_dim") else 1
    return kwargs.get("dim", args[position] if len(args) > position else -1 if function in SORTING else None)

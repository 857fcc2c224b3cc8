"""What calls of torch functions take and do."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor


def tensors_in(values: Any) -> Iterable[Tensor]:
    """The tensors of nested arguments, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, Mapping):
        yield from tensors_in(tuple(values.values()))


def changes_in_place(function: Callable) -> bool:
    """Return whether a function writes into its first argument, by the convention for its name."""
    name = function.__name__
    return (name.endswith("_") and not name.endswith("__")) or (
        name.startswith("__i") and name not in ("__invert__", "__index__")
    )

"""What modules keep beside parameters, buffers and one another: plain values, tensors, arrays, and containers of these."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

PARTS = ("_parameters", "_buffers", "_modules")
INTERNAL = vars(nn.Module()).keys()
"""What every module keeps: nothing of it is the function's own."""
HOOKS = [name for name in INTERNAL if name.endswith(("_hooks", "_with_kwargs", "_always_called"))]
MOST = 10_000
"""Values to look at: a container of more than are left is passed over, such as a vocabulary."""
DEEP = 4
"""Objects within objects that are looked into."""
PLAIN = bool | int | float | complex | str | bytes | None
GENERATORS = random.Random | np.random.Generator | np.random.RandomState | torch.Generator
VALUES = PLAIN | Tensor | np.ndarray | np.generic | set | frozenset | GENERATORS
CONTAINERS = dict | list | tuple | deque
DATA = VALUES | CONTAINERS | Enum | torch.dtype | torch.device | FunctionType | BuiltinFunctionType | type


def attributes(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """All of that, each once, by a path of its own; a container comes before what is in it, as does an object's dict.

    An object is looked into where it holds nothing but data, as configurations do, or is a module that none registered.
    """
    modules = dict(model.named_modules())
    seen = {id(own) for module in modules.values() for part in within(vars(module), PARTS) for own in part.values()}
    seen.add(id(model))
    left = [
        (f"{path}.{name}", value)
        for path, module in modules.items()
        for name, value in vars(module).items()
        if name not in INTERNAL
    ]
    budget = MOST
    while left:
        path, value = left.pop()
        if isinstance(value, PLAIN):
            yield path, value
        elif id(value) not in seen:
            seen.add(id(value))
            inside = _container(value)
            yield path, value if inside is None else inside
            if inside is not None and len(inside) <= budget:
                budget -= len(inside)
                left += [(f"{path}.{name}", each) for name, each in _named(inside)]


def _container(value: Any) -> Any:
    """What holds the parts of a value; None where it has none."""
    if isinstance(value, CONTAINERS):
        return value
    if isinstance(value, VALUES | Enum):
        return None
    own = getattr(value, "__dict__", None)
    return own if own and (isinstance(value, nn.Module) or _is_data(value)) else None


def _is_data(value: Any, deep: int = DEEP) -> bool:
    """Whether a value holds nothing but data, and objects of data."""
    if isinstance(value, DATA):
        return True
    own = getattr(value, "__dict__", None)
    return isinstance(own, dict) and deep > 0 and all(_is_data(each, deep - 1) for each in own.values())


def _named(container: Any) -> Iterator[tuple[Any, Any]]:
    """What is in a container, by names; keys that are long to write have a number instead."""
    if not isinstance(container, dict):
        yield from enumerate(container)
        return
    for position, (key, value) in enumerate(container.items()):
        if key not in HOOKS:
            yield key if isinstance(key, str | int) else f"#{position}", value


def within(module: dict[str, Any], names: Iterable[str]) -> list[dict[Any, Any]]:
    """Some of the dicts of a module; scripted ones keep theirs elsewhere."""
    return [own for own in map(module.get, names) if isinstance(own, dict)]


def memory_of(kept: Tensor | np.ndarray) -> int:
    """Return where the memory begins that a tensor or an array is of; 0 where there is none of its own."""
    while isinstance(kept, np.ndarray):
        if not isinstance(kept.base, np.ndarray | Tensor):
            return kept.__array_interface__["data"][0]
        kept = kept.base
    bare = not torch._C._has_storage(kept) or is_traceable_wrapper_subclass(kept)
    return 0 if bare else kept.untyped_storage().data_ptr()


def view_like(memory: Tensor, like: Tensor, first: int) -> Tensor:
    """Return the entries of a memory that lie there as another tensor's do in its own.

    Args:
        memory: a tensor in it.
        like: the other tensor.
        first: where in the memory the entries begin.
    """
    view = memory.as_strided(like.size(), like.stride(), first)
    view = view.conj() if like.is_conj() else view
    return torch._neg_view(view) if like.is_neg() else view

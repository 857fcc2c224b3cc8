"""What modules keep beside parameters, buffers and one another: plain values, tensors, arrays, and containers of these."""

import random
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from logging import Logger
from threading import Condition, Lock, RLock
from types import BuiltinFunctionType, CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

PARTS = ("_parameters", "_buffers", "_modules")
INTERNAL = vars(nn.Module()).keys()
"""What every module keeps: nothing of it is the function's own."""
HOOKS = [name for name in INTERNAL if name.endswith(("_hooks", "_with_kwargs", "_always_called"))]
OWN = f"{__name__.partition('.')[0]}."
MOST = 10_000
"""Values to look at: a container of more than are left is passed over, such as a vocabulary."""
DEEP = 4
"""Objects within objects that are looked into."""
PLAIN = bool | int | float | complex | str | bytes | None
GENERATORS = random.Random | np.random.Generator | np.random.RandomState | torch.Generator
VALUES = PLAIN | Tensor | np.ndarray | np.generic | set | frozenset | GENERATORS
CONTAINERS = dict | list | tuple | deque
KEPT = VALUES | CONTAINERS
WHOLE = VALUES | Enum | torch.dtype | torch.device | FunctionType | BuiltinFunctionType | ModuleType | type | bytearray | array
"""What is data, and not looked into."""
INERT = type(Lock()) | type(RLock()) | Logger
"""What may stand beside data and is none."""


class Fields:
    """What something holds by names, and in no dict: slots of an object, values of a class, or a cell of a closure."""

    def __init__(self, owner: Any, read: Callable[[Any], dict[str, Any]]) -> None:
        self.owner, self.read, self.kind = owner, read, type if isinstance(owner, type) else object
        """Its kind sets fields also where the owner is frozen."""

    def __len__(self) -> int:
        return len(self.copy())

    def __setitem__(self, name: str, value: Any) -> None:
        self.kind.__setattr__(self.owner, name, value)

    def copy(self) -> dict[str, Any]:
        """Return what is there, by name."""
        return self.read(self.owner)

    def restore(self, before: dict[str, Any]) -> None:
        """Have that again which was there; whatever is the same is not touched, as others may read it."""
        now = self.copy()
        for name in now.keys() - before.keys():
            self.kind.__delattr__(self.owner, name)
        for name, value in before.items():
            if name not in now or now[name] is not value:
                self[name] = value


def attributes(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """All of that, each once, by a path of its own; a container comes before what is in it, as does an object's dict.

    The nearest come first. An object is looked into where it holds nothing but data and locks, as configurations and statistics
    do, or is a module that none registered: others, such as a trainer, may hold all there is. So are functions, for what their
    closures hold, and the modules' classes; of hooks, which may watch, tensors alone are.
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
    kinds = dict.fromkeys(kind for module in modules.values() for kind in type(module).__mro__)
    left += [(kind.__qualname__, kind) for kind in kinds if kind not in nn.Module.__mro__]
    hooks = [(path, each) for path, module in modules.items() for own in within(vars(module), HOOKS) for each in own.values()]
    cells = [(path, cell) for path, each in hooks for cell in getattr(each, "__closure__", None) or ()]
    left += [
        (f"{path}.hook{k}", cell)
        for k, (path, cell) in enumerate(cells)
        if isinstance(_in_cell(cell).get("cell_contents"), Tensor)
    ]
    budget, left = MOST, deque(left)
    while left:
        path, value = left.popleft()
        if isinstance(value, PLAIN):
            yield path, value
        elif id(value) not in seen:
            seen.add(id(value))
            containers = _containers(value)
            for inside in containers:
                yield path, inside
                size = inside.size if isinstance(inside, np.ndarray) else len(inside)
                if size <= budget:
                    budget -= size
                    left += [(f"{path}.{name}", each) for name, each in _named(inside)]
            if not containers:
                yield path, value


def _containers(value: Any) -> tuple[Any, ...]:
    """What holds the parts of a value; nothing where it has none, or is a function by which passes are watched from here."""
    parts: tuple[Any, ...] = ()
    if isinstance(value, FunctionType) and not str(value.__module__).startswith(OWN):
        parts = (*(value.__closure__ or ()), *(value.__defaults__ or ())), value.__kwdefaults__, vars(value)
    elif isinstance(value, MethodType):
        parts = ((value.__self__, value.__func__),)
    elif isinstance(value, partial):
        parts = (value.func, *value.args), value.keywords, vars(value)
    elif isinstance(value, CellType):
        parts = (Fields(value, _in_cell),)
    elif isinstance(value, memoryview):
        parts = ((value.obj,),)
    elif isinstance(value, type):
        parts = (Fields(value, _of_class),) if issubclass(value, nn.Module) else ()
    elif isinstance(value, CONTAINERS) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        parts = value, *_held(value)
    elif not isinstance(value, WHOLE | INERT) and (isinstance(value, nn.Module) or _is_data(value)):
        parts = _held(value)
    return tuple(part for part in parts if part is not None)


def _held(value: Any) -> tuple[Any, ...]:
    """The dict and the slots of an object; without either it is not known what it holds."""
    own, slots = getattr(value, "__dict__", None), Fields(value, _slots) if _members(value) else None
    return tuple(part for part in (own, slots) if isinstance(part, dict | Fields))


def _is_data(value: Any, deep: int = DEEP) -> bool:
    """Whether a value holds nothing but data, and objects of data."""
    if isinstance(value, WHOLE | CONTAINERS | INERT):
        return True
    held = () if isinstance(value, Condition) else _held(value)  # threads wait at one for others, as at a queue
    return bool(held) and deep > 0 and all(_is_data(each, deep - 1) for part in held for each in part.copy().values())


def _members(value: Any) -> list[str]:
    kinds = [kind for kind in type(value).__mro__ if "__slots__" in vars(kind)]
    return [name for kind in kinds for name, own in vars(kind).items() if isinstance(own, MemberDescriptorType)]


def _slots(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _members(value) if hasattr(value, name)}


def _of_class(kind: type) -> dict[str, Any]:
    values = {name: value for name, value in vars(kind).items() if type(value) is not FunctionType and name[:2] != "__"}
    return {name: value for name, value in values.items() if isinstance(value, KEPT)}


def _in_cell(cell: CellType) -> dict[str, Any]:
    try:
        return {"cell_contents": cell.cell_contents}
    except ValueError:  # it is empty
        return {}


def _named(container: Any) -> Iterator[tuple[Any, Any]]:
    """What is in a container, by names; keys that are long to write have a number instead."""
    if not isinstance(container, dict | Fields):
        yield from enumerate(container)
        return
    for position, (key, value) in enumerate(container.copy().items()):
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

"""The state that a network was found in, but for what its tensors hold: what its modules keep, and how chance goes on."""

from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from regime.kernels.jacobian.attributes import CONTAINERS, GENERATORS, HOOKS, INTERNAL, PARTS, Fields, attributes, within
from regime.kernels.jacobian.chance import EVERYBODYS, same_state, set_state, state_of

NOTHING: dict[Any, Any] = {}
"""The copy of every empty dict, as most are: thousands of new ones would have Python look for garbage again and again."""


@contextmanager
def unhooked(model: nn.Module) -> Iterator[None]:
    """Have a network without hooks on its gradients, which change or watch those of training: kernels are of the function."""
    every = [parameter._backward_hooks for parameter in model.parameters()]
    every += [own for module in model.modules() for own in within(vars(module), ("_backward_pre_hooks", "_backward_hooks"))]
    before = [(hooks, hooks.copy()) for hooks in every if hooks]
    for hooks, _ in before:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, own in before:
            hooks.update(own)


class Found:
    """What there was, to be put back: attributes, containers that they hold, hooks, and what requires gradients."""

    def __init__(self, model: nn.Module) -> None:
        modules = [vars(module) for module in model.modules()]
        kept = [value for _, value in attributes(model)]
        self.dicts = [(own, _copy(own)) for module in modules for own in (module, *within(module, PARTS))]
        """Containers and what is in them: what modules keep by themselves, and what is in that."""
        self.dicts += [(value, value.copy()) for value in kept if isinstance(value, dict)]
        self.fields = [(value, value.copy()) for value in kept if isinstance(value, Fields)]
        self.others = [(value, value.copy()) for value in kept if isinstance(value, list | set | deque)]
        self.arrays = [(value, value.copy()) for value in kept if isinstance(value, np.ndarray) and value.flags.writeable]
        self.memory = [(value, value[:]) for value in kept if isinstance(value, bytearray | array)]
        self.tensors = [value for value in kept if isinstance(value, Tensor)]
        """Tensors that are neither parameters nor buffers."""
        self.hooks = [(name, module[name], _copy(module[name])) for module in modules for name in HOOKS if name in module]
        leaves = [own for module in modules for part in within(module, PARTS[:1]) for own in part.values() if own is not None]
        leaves += [own for own in self.tensors if own.is_leaf]
        self.trainable = [(own, own.requires_grad, own.grad, own.data) for own in leaves]
        """Tensors, and their gradients, and the memory that they lie in."""
        self.gradients = [gradient for *_, gradient, _ in self.trainable if gradient is not None]
        own = [value for value in kept if isinstance(value, GENERATORS)]
        self.generators = [(each, state_of(each)) for each in (*EVERYBODYS, *own)]
        """Of random numbers, the network's own and those of Python and NumPy."""
        self.passing = self.passed = RemovableHandle.next_id
        """Hooks that a pass added have numbers from the one to the other."""

    def restore(self) -> None:
        """Put everything back for another pass; hooks that were added around passes stay."""
        for own, before in self.dicts:
            if not own and not before:
                continue  # most are empty
            if list(own) != list(before) or not all(map(is_, own.values(), before.values())):
                own.clear()
                own.update(before)
        for own, before in self.fields:
            own.restore(before)
        for own, before in self.others:
            if len(own) != len(before) or not all(map(is_, own, before)):
                own.clear()
                (own.update if isinstance(own, set) else own.extend)(before)
        for own, before in self.arrays:
            np.copyto(own, before)
        for own, before in self.memory:
            if own != before:
                own[:] = before
        for _, own, _ in self.hooks if self.passed > self.passing else ():
            for key in [key for key in own if self.passing <= key < self.passed]:
                del own[key]
        for name, own, before in self.hooks:
            if before and not before.keys() <= own.keys():
                added = {key: hook for key, hook in own.items() if key not in before}
                own.clear()
                own.update(added | before if "_pre_" in name else before | added)  # whoever measures sees the pass begin first
        self._unfreeze()
        self.passing = self.passed = RemovableHandle.next_id

    def moved(self, back: bool = False) -> bool:
        """Tell whether a tensor lies otherwise than it did; `back` has it lie there again, and graphs read that then."""
        with torch._C.DisableTorchFunction():
            pairs = [(own, data) for own, *_, data in self.trainable if torch._C._has_storage(data)]
            moved = [(own, data) for own, data in pairs if _lies(own) != _lies(data)]
            for own, data in moved if back else ():
                own.data = data
        return bool(moved)

    @cached_property
    def _places(self) -> dict[int, list[tuple[Any, Any]]]:
        """Where each tensor is kept, by its id: containers, and keys in these."""
        found: dict[int, list[tuple[Any, Any]]] = {}
        ordered = [(own, before) for own, before in self.others if not isinstance(own, set)]
        for own, before in (*self.dicts, *self.fields, *ordered):
            for key, value in before.items() if isinstance(before, dict) else enumerate(before):
                if isinstance(value, Tensor):
                    found.setdefault(id(value), []).append((own, key))
        return found

    def place(self, others: dict[int, Tensor]) -> set[int]:
        """Let what is kept hold other tensors, by the ids of its own, until restored; return whose places it knew."""
        for known, other in others.items():
            for own, key in self._places.get(known, ()):
                own[key] = other
        return others.keys() & self._places.keys()

    def over(self) -> set[int]:
        """A pass is over; return the ids of parameters that it has cast, of which gradients are not found again."""
        with torch._C.DisableTorchFunction():  # whoever watches the pass would see each of these looks
            cast = {id(parameter) for parameter, *_, data in self.trainable if parameter.dtype != data.dtype}
        self._unfreeze()
        self.passed = RemovableHandle.next_id
        return cast

    def _unfreeze(self) -> None:
        with torch._C.DisableTorchFunction():
            for parameter, before, gradient, _ in self.trainable:
                if parameter.requires_grad != before:
                    parameter.requires_grad_(before)
                if parameter.grad is not gradient:
                    parameter.grad = gradient

    def drew(self) -> bool:
        """Tell whether one of the generators has drawn numbers."""
        return any(not same_state(state_of(generator), before) for generator, before in self.generators)

    def end(self) -> None:
        """Let go of hooks that were added since, and let chance go on as it would have."""
        for generator, before in self.generators:
            set_state(generator, before)
        for _, own, before in self.hooks:
            for key in own.keys() - before.keys():
                del own[key]


def _copy(own: dict[Any, Any]) -> dict[Any, Any]:
    return own.copy() if own else NOTHING


@contextmanager
def recomputed(model: nn.Module) -> Iterator[None]:
    """Have a network compute anew what it keeps of its parameters while it evaluates, as LeViT does its attention's biases.

    It is what a module's own `train` lets go of; where that changes parameters or buffers, as where an adapter is merged, or
    fails, the network is taken as it is.
    """
    keepers = [module for module in model.modules() if _keeps(module)]
    if not keepers:
        yield
        return
    found, modes = Found(model), [(module, module.training) for module in model.modules()]
    try:
        if _changes(keepers, found):
            found.restore()
        for module, mode in modes:
            module.training = mode
        yield
    finally:
        found.restore()


@torch.no_grad()
def _changes(keepers: list[nn.Module], found: Found) -> bool:
    """Whether to train these modules changes parameters or buffers, or fails; they have the values again that they had."""
    own = dict.fromkeys(each for module in keepers for each in (*module.parameters(), *module.buffers()))
    values = [(each, each.clone()) for each in own]
    try:
        for module in keepers:
            module.train()
        changed = found.moved() or not all(torch.equal(each, value) for each, value in values)
    except Exception:  # whatever a module's own code raises
        changed = True
    found.moved(back=True)
    for each, value in values if changed else ():
        each.copy_(value)
    return changed


def _keeps(module: nn.Module) -> bool:
    """Whether a module that evaluates has a `train` of its own, and itself keeps tensors beside parameters and buffers."""
    if module.training or type(module).train is nn.Module.train:
        return False
    own = [value for name, value in vars(module).items() if name not in INTERNAL]
    inside = (value.values() if isinstance(value, dict) else value for value in own if isinstance(value, CONTAINERS))
    return any(isinstance(each, Tensor) for each in chain(own, *inside))


def _lies(tensor: Tensor) -> tuple[int, torch.Size, tuple[int, ...]]:
    return tensor.data_ptr(), tensor.size(), tensor.stride()  # lazy parameters have no shape

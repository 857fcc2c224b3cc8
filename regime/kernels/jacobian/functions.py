"""What calls of torch functions take and do."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

FACTS = {"dim", "size", "stride", "numel", "element_size", "data_ptr", "storage_offset", "untyped_storage", "is_contiguous"} | {
    "is_floating_point", "is_complex", "is_inference", "get_device", "requires_grad_", "register_hook", "__len__", "__get__",
    "__set__",
}  # fmt: skip
"""Names of functions that do not look at numbers; what `__get__` gives may be a tensor."""


SETTINGS = {type(None), bool, int, float, str, torch.dtype, torch.device}
"""Types of most arguments that hold no tensor."""


class EagerMode(TorchDispatchMode):
    """A mode under which nothing is compiled: to say so to the compiler at every operation takes time, and loads it.

    Torch's own entry sets flags of the whole process, which threads leave set.
    """

    def __enter__(self) -> TorchDispatchMode:
        _push_mode(self)
        return self

    def __exit__(self, *_: object) -> None:
        _pop_mode()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def named(*names: str) -> set[Callable]:
    """Return torch's functions of these names, of which a dtype may have one; somebody else's may be called the same."""
    return {found for owner in (torch, Tensor, functional) for name in names if callable(found := getattr(owner, name, None))}


def hides_an_axis() -> bool:
    """Return whether calls are inside torch.vmap, where shapes leave out what it maps over: examples, mostly."""
    return any(level.key() == TransformType.Vmap for level in get_interpreter_stack() or ())


def tensors_in(values: Any) -> list[Tensor]:
    """The tensors of nested arguments, in order; called at every function of a pass."""
    if isinstance(values, Tensor):
        return [values]
    if type(values) is not tuple and not isinstance(values, list | tuple):
        if not isinstance(values, Mapping):
            return []
        values = values.values()
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif type(value) not in SETTINGS:
            found += tensors_in(value)
    return found


def changes_in_place(function: Callable) -> bool:
    """Return whether a function writes into its first argument, by the convention for its name."""
    name = function.__name__
    return (name.endswith("_") and not name.endswith("__")) or (
        name.startswith("__i") and name not in ("__invert__", "__index__")
    )


def out_of_place(function: Callable) -> Callable:
    """Return what gives the same as a function and writes into nothing, where torch has it by the convention for names."""
    name = function.__name__
    same = name.replace("__i", "__", 1) if name.endswith("__") else name.removesuffix("_")
    return getattr(Tensor, same, function) if changes_in_place(function) else function


def draws_now(function: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Return whether an operation that may draw random numbers does: attention with no dropout draws none.

    Args:
        function: the operation.
        args, kwargs: its arguments.
    """
    for place, argument in enumerate(function._schema.arguments):
        if argument.name == "dropout_p":
            return bool(args[place] if place < len(args) else kwargs.get("dropout_p", argument.default_value))
    return True

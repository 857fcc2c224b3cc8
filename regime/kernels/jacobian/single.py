"""A network that is stored in half precision, passed in single precision: the same function, without its rounding.

Where a large network would not fit twice, its weights are widened as a function takes them, and again on the way back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import reduce
from itertools import chain
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_map

from regime.kernels.jacobian.batch import is_half, widened
from regime.kernels.jacobian.functions import FACTS, changes_in_place, named, tensors_in
from regime.kernels.jacobian.parameters import elsewhere
from regime.kernels.jacobian.placed import placed

LARGE = 2**30
"""Bytes of widened weights above which they are not all there at once."""
STORED = "_stored_in_half_precision"
"""Attribute of a stand-in: the numbers that it stands for."""

VIEWS = named(
    "t", "transpose", "swapaxes", "movedim", "permute", "select", "narrow", "view", "view_as", "reshape", "flatten",
    "unflatten", "squeeze", "unsqueeze", "chunk", "split", "tensor_split", "unbind", "expand", "__getitem__",
) | {getattr(Tensor, name).__get__ for name in ("T", "mT", "data")}  # fmt: skip
"""Functions that give entries as they are, and so stand-ins of stand-ins."""
GRAD = FunctionType(
    torch.autograd.grad.__code__,
    vars(torch.autograd) | {"has_torch_function": lambda _: False},
    argdefs=torch.autograd.grad.__defaults__,
)
"""torch.autograd.grad under the modes around it, which what it recomputes needs."""


@contextmanager
def in_single(model: nn.Module) -> Iterator[None]:
    """Have parameters and buffers of half precision in single precision meanwhile."""
    half = halves(model, {})
    wide = widen(half)
    with promoting(half, wide), placed(model, wide):
        yield


def promoting(own: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> AbstractContextManager:
    """Return a mode that passes a network in single precision; none where nothing of it is in half precision.

    Args:
        own: parameters and buffers of the network, by full names.
        others: what is in the place of some of them.
    """
    half = {name: tensor for name, tensor in own.items() if is_half(tensor)}
    return Promoting({id(half[name]): other for name, other in others.items() if name in half}) if half else nullcontext()


def halves(model: nn.Module, others: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters and buffers of half precision that can be widened, by full names.

    Args:
        model: any module.
        others: what will be in the place of some of its own.

    Raises:
        ValueError: they are in a scripted network.
    """
    if not any(not is_lazy(each) and is_half(each) for each in chain(model.parameters(), model.buffers(), others.values())):
        return {}
    own = {**dict(model.named_parameters()), **dict(model.named_buffers()), **others}
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError("model: it is scripted, and in half precision, which cannot be widened; call model.float() first")
    if any(map(elsewhere, own.values())):
        return {}
    return {name: tensor for name, tensor in own.items() if is_half(tensor)}


@torch.inference_mode(False)
def widen(half: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same in single precision; parameters without memory of their own where all would take much."""
    large = 4 * sum(tensor.numel() for tensor in half.values()) > LARGE
    wide = {}
    for name, tensor in half.items():
        if not isinstance(tensor, nn.Parameter):
            wide[name] = tensor.detach().float()
        elif large:
            # what looks at it unseen finds no numbers
            nothing = torch.full((), torch.nan, dtype=torch.float32, device=tensor.device)
            wide[name] = nn.Parameter(nothing.expand(tensor.shape), tensor.requires_grad)
            setattr(wide[name], STORED, tensor.detach())
        else:
            wide[name] = nn.Parameter(tensor.detach().float(), tensor.requires_grad)
    return wide


class Promoting(TorchFunctionMode):
    """Gives each function the numbers that stand-ins stand for, and one precision to its arguments where some are half.

    Args:
        instead: what is in the place of tensors, by their ids, also where a function took hold of them before.
    """

    def __init__(self, instead: Mapping[int, Tensor]) -> None:
        super().__init__()
        self.instead = instead

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        if function is torch.autograd.grad:
            with self:
                return GRAD(*args, **kwargs)
        args, kwargs = tree_map(lambda value: self.instead.get(id(value), value), (args, kwargs))
        if function in VIEWS and (stored := getattr(args[0], STORED, None)) is not None:
            views = function(*args, **kwargs)
            for view, part in zip(tensors_in(views), tensors_in(function(stored, *args[1:], **kwargs)), strict=True):
                setattr(view, STORED, part)
            return views
        if getattr(function, "__name__", "") in FACTS:
            return function(*args, **kwargs)
        floats = [tensor for tensor in tensors_in((args, kwargs)) if tensor.is_floating_point()]
        dtypes, stand_ins = {tensor.dtype for tensor in floats}, {id(each) for each in floats if hasattr(each, STORED)}
        if not stand_ins and (len(dtypes) == 1 or not any(map(is_half, floats))):
            return function(*args, **kwargs)
        written = bool(floats) and args and floats[0] is args[0] and changes_in_place(function)
        precision = floats[0].dtype if written else reduce(torch.promote_types, dtypes)
        given = {id(tensor): _numbers(tensor).to(precision) for tensor in floats}
        wide = {given[id(each)].untyped_storage().data_ptr(): getattr(each, STORED) for each in floats if id(each) in stand_ins}
        args, kwargs = tree_map(lambda value: given.get(id(value), value), (args, kwargs))
        with _packed(wide):
            result = function(*args, **kwargs)
        if any(given[each]._version for each in stand_ins):
            raise ValueError(f"model: {function.__name__} writes into a parameter of half precision; call model.float() first")
        return result


def promoted(inputs: Any) -> Any:
    """Return a network's inputs in single precision, where it is passed so, and as tensors that autograd takes."""
    single = bool(_promoting())

    def taken(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        value = value.clone() if value.is_inference() and torch.is_grad_enabled() else value
        return widened(value) if single else value

    return tree_map(taken, inputs)


def check_seen(nodes: Iterable[Any]) -> None:
    """Refuse a graph that reaches parameters of half precision by themselves.

    Raises:
        ValueError: a function that torch shows nobody took hold of one before, such as an autograd function in a closure.
    """
    hidden = {id(getattr(node, "variable", None)) for node in nodes} if (modes := _promoting()) else set()
    if any(hidden & mode.instead.keys() for mode in modes):
        raise ValueError("model: a function of its own holds a parameter of half precision; call model.float() first")


def _promoting() -> list[Promoting]:
    return [mode for mode in _get_current_function_mode_stack() if isinstance(mode, Promoting)]


class _Widening(torch.autograd.Function):
    """The numbers of a stand-in, whose gradients are its own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(stand_in: Tensor, stored: Tensor) -> Tensor:
        del stand_in
        return stored.float()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        del ctx
        return gradient, None


def _numbers(tensor: Tensor) -> Tensor:
    stored = getattr(tensor, STORED, None)
    return tensor if stored is None else _Widening.apply(tensor, stored)


def _packed(wide: dict[int, Tensor]) -> AbstractContextManager:
    """Let autograd keep the stored numbers instead of widened ones, which lie at these addresses."""
    if not wide or torch._C._are_functorch_transforms_active():  # which allow no such hooks
        return nullcontext()

    def pack(tensor: Tensor) -> Tensor | tuple:
        stored = wide.get(tensor.untyped_storage().data_ptr()) if torch._C._has_storage(tensor) else None
        return tensor if stored is None else (stored, tensor.size(), tensor.stride(), tensor.storage_offset())

    def unpack(kept: Tensor | tuple) -> Tensor:
        return kept if isinstance(kept, Tensor) else kept[0].float().as_strided(*kept[1:])

    return saved_tensors_hooks(pack, unpack)

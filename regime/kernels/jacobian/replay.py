"""The derivative of one call by itself: repeated, and differentiated, with all else constant."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._C import _functorch
from torch.utils._pytree import tree_map

from regime.kernels.jacobian.functions import out_of_place, tensors_in
from regime.kernels.jacobian.recording import Use
from regime.kernels.jacobian.trace import ExampleAxis, by_example
from regime.resources.process import OfProcess


class UnfitError(Exception):
    """No way to tell the examples of this call apart: its parameters need gradients of one example after another."""


@dataclass(frozen=True)
class Weight:
    """h = W a, or W_k a of a stack of weights: gradients sum_t g_t a_t^T, of W (o, i), or (i, o) where transposed."""

    a: Float[Tensor, "n T i"]
    g: Float[Tensor, "n T C o"]
    use: Use
    transposed: bool = False
    index: int | None = None
    """k, of a stack."""


@dataclass(frozen=True)
class Bias:
    """h = ... + b: gradients sum_t g_t."""

    g: Float[Tensor, "n T C o"]
    use: Use


@dataclass(frozen=True)
class Lookup:
    """h_t = table[id_t]."""

    ids: Int[Tensor, "n T"]
    g: Float[Tensor, "n T C d"]


Contribution = Weight | Bias | Lookup | Tensor
"""What the outputs of each example owe to a shared tensor through one call.

A plain tensor is the gradients themselves, (n, C, shape of the shared tensor).
"""


@contextmanager
def _unwarned() -> Iterator[None]:
    _functorch._set_vmap_fallback_warning_enabled(False)
    try:
        yield
    finally:
        _functorch._set_vmap_fallback_warning_enabled(True)


UNWARNED = OfProcess(_unwarned)
"""Nobody is warned of functions that torch batches slowly; Python's filters of warnings would be those of all threads."""


def again(use: Use, tensor: Tensor) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
    """The call repeated on a copy of `tensor`, all else constant.

    Raises:
        UnfitError: it cannot be repeated on a copy, or its result does not depend on it.
    """
    source = tensor.detach().requires_grad_()
    values = {id(each): each.detach() for each in use.tensors} | {id(tensor): source.clone()}
    args, kwargs = tree_map(lambda v: values[id(v)] if isinstance(v, Tensor) else v, (use.args, use.kwargs))
    try:
        with torch.enable_grad():
            result = use.site.function(*args, **kwargs)
    except RuntimeError as error:  # such as a gradient of something else with respect to it
        raise UnfitError from error
    if not any(each.requires_grad for each in tensors_in(result)):
        raise UnfitError
    return source, result


def result_gradients(use: Use) -> Tensor:
    """(n, C, shape of one example's part of the result)."""
    return torch.stack(use.gradients, dim=1).movedim(2, 2 + use.site.axis.position)


def by_row(tensor: Tensor, axis: ExampleAxis) -> Tensor:
    """(n, shape of one example's part)."""
    return by_example(tensor, axis).movedim(1, 1 + axis.position)


def summed(gradients: Tensor, tensor: Tensor) -> Tensor:
    """Sums over the axes that `tensor` was broadcast along."""
    extra = gradients.dim() - 2 - tensor.dim()
    summed = gradients.flatten(2, 1 + extra).sum(2) if extra else gradients
    ones = [2 + k for k, length in enumerate(tensor.shape) if length == 1 and summed.shape[2 + k] != 1]
    return summed.sum(ones, keepdim=True) if ones else summed


@UNWARNED.held()
def pulled_back(result: Tensor, source: Tensor, gradients: Tensor) -> Tensor:
    """Return a batch of gradients of a result as gradients of its source.

    Args:
        result: made from the source under autograd.
        source: a leaf.
        gradients: a batch, each of the result's shape.
    """
    settings = {"retain_graph": True, "materialize_grads": True}
    try:
        return torch.autograd.grad(result, source, gradients.reshape(-1, *result.shape), is_grads_batched=True, **settings)[0]
    except RuntimeError:  # not every backward function can be batched
        pulled = [torch.autograd.grad(result, source, each.reshape(result.shape), **settings)[0] for each in gradients]
        return torch.stack(pulled)


@UNWARNED.held()
def differentiated(use: Use, tensor: Tensor) -> Tensor:
    """The call's own derivative, example by example.

    Raises:
        UnfitError: no argument has examples, or the function cannot be batched.
    """
    moved = {id(t): by_row(t.detach(), axis) for t, axis in zip(use.tensors, use.site.axes, strict=True) if axis is not None}
    if not moved:
        raise UnfitError
    names = list(moved)
    function = out_of_place(use.site.function)  # under vmap it may not write into what it is given

    def result(shared: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        values = dict(zip(names, parts, strict=True)) | {id(tensor): shared}
        args, kwargs = tree_map(lambda v: values.get(id(v), v.detach()) if isinstance(v, Tensor) else v, (use.args, use.kwargs))
        return function(*args, **kwargs)

    def one(gradients: Tensor, *parts: Tensor) -> Tensor:
        _, pull = torch.func.vjp(lambda shared: result(shared, parts), tensor.detach())
        return torch.func.vmap(lambda gradient: pull(gradient)[0])(gradients)

    gradients = result_gradients(use)
    try:
        j = torch.func.vmap(one)(gradients, *moved.values())
    except Exception as error:  # functions fail under vmap in ways of their own
        raise UnfitError from error
    if j.shape != (*gradients.shape[:2], *tensor.shape):
        raise UnfitError
    return j

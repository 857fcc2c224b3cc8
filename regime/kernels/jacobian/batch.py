"""Batches of examples, and the outputs of a model that are differentiated."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import is_dataclass
from functools import partial
from itertools import chain
from numbers import Real
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

Batch = Tensor | Mapping[str, Any]
Readout = Callable[[Any, Batch], Tensor]


def check_batch(name: str, batch: object) -> None:
    """Refuse what is not a batch.

    Raises:
        ValueError: it names the field, the value and what is allowed.
    """
    if not isinstance(batch, Tensor) and not (isinstance(batch, Mapping) and all(isinstance(part, str) for part in batch)):
        raise ValueError(f"{name}: a tensor or a dict of keyword tensors is needed, got {type(batch).__name__}")
    for part, value in {name: batch}.items() if isinstance(batch, Tensor) else batch.items():
        ragged = isinstance(value, list | tuple) and any(isinstance(each, Tensor) for each in value)
        if ragged or (isinstance(value, Tensor) and value.is_nested):
            raise ValueError(f"{name}: {part!r} is a ragged set of tensors; pad them to one tensor and pass a mask")
        if isinstance(value, Tensor) and value.layout != torch.strided:
            raise ValueError(f"{name}: {part!r} is sparse ({value.layout}); pass it dense")
        if isinstance(value, Tensor) and value.is_meta:
            raise ValueError(f"{name}: {part!r} is on the meta device, without numbers; pass a tensor that holds them")
    n = size(batch, name)
    for part, value in {} if isinstance(batch, Tensor) else batch.items():
        if not isinstance(value, Tensor) and _by_example(value, n):
            raise ValueError(
                f"{name}: {part!r}, of type {type(value).__name__}, has something for each of the {n} examples; "
                "pass that as a tensor"
            )


def _by_example(value: Any, n: int) -> bool:
    """Whether something has, or holds what has, numbers for each of n examples."""
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim > 0 and len(value) == n
    inside = value.values() if isinstance(value, Mapping) else vars(value).values() if is_dataclass(value) else ()
    if isinstance(value, list | tuple):
        if len(value) == n and all(isinstance(each, Real) and not isinstance(each, bool) for each in value):
            return True
        inside = value
    return any(_by_example(each, n) for each in inside)


def size(batch: Batch, name: str = "batch") -> int:
    """The number of examples; raises ValueError where the tensors of a batch disagree, or there is none."""
    tensors = {name: batch} if isinstance(batch, Tensor) else {k: v for k, v in batch.items() if isinstance(v, Tensor)}
    sizes = {part: tensor.shape[0] if tensor.dim() else None for part, tensor in tensors.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values() or 0 in sizes.values():
        raise ValueError(f"{name}: every tensor needs the same number of examples first, at least one; got {sizes}")
    return next(iter(sizes.values()))


class FailedError(ValueError):
    """A model or its readout cannot compute a batch: which argument that is, and what it was, before torch's own words."""

    def __init__(self, batch: Batch, why: Exception, name: str = "batch") -> None:
        parts = {"a tensor": batch} if isinstance(batch, Tensor) else batch
        tensors = {part: value for part, value in parts.items() if isinstance(value, Tensor)}
        shown = ", ".join(f"{part} {v.dtype} {tuple(v.shape)}" for part, v in tensors.items())
        words = str(why) or type(why).__name__
        super().__init__(f"{name}: the model or its readout failed on {shown}, all examples or some of them: {words}")
        self.batch, self.why = batch, why


@contextmanager
def given_as(name: str) -> Iterator[None]:
    """Call a batch that fails by the name of the argument that it was."""
    try:
        yield
    except FailedError as error:
        raise FailedError(error.batch, error.why, name) from error.why


def select(batch: Batch, index: slice | list[int]) -> Batch:
    """Some of the examples."""
    return mapped(lambda tensor: tensor[index], batch)


class Projected:
    """A readout of random signs of another's outputs: their trace kernel, in expectation, in fewer outputs.

    No two projections are the same but for a sign, so that what they say apart is not one thing said twice. Where there are
    no more outputs than projections, they are kept as they are, and the kernel is `exact`.
    """

    def __init__(self, readout: Readout | None, count: int, seed: int) -> None:
        self.readout, self.count, self.seed = readout, count, seed
        self.exact = False

    def __call__(self, output: Any, batch: Batch) -> Tensor:
        whole = output if self.readout is None else self.readout(output, batch)
        if not isinstance(whole, Tensor) or whole.dim() != 2:
            return whole  # refused by whoever asks for (n, C)
        self.exact = whole.shape[1] <= self.count
        if self.exact:
            return whole
        generator, signs = np.random.default_rng(self.seed), ()  # not torch's: draws of its own are looked for in each pass
        while len({row.tobytes() for row in signs}) < self.count:
            signs = generator.integers(0, 2, (self.count, whole.shape[1]), dtype=np.int8) * 2 - 1
            signs *= signs[:, :1]
        return whole @ (torch.from_numpy(signs).to(whole.device, whole.dtype).mT / whole.shape[1] ** 0.5)


class Chosen:
    """A readout of one of another's outputs."""

    def __init__(self, readout: Readout | None, index: int) -> None:
        self.readout, self.index = readout, index

    def __call__(self, output: Any, batch: Batch) -> Tensor:
        whole = output if self.readout is None else self.readout(output, batch)
        return whole[:, self.index : self.index + 1]


def modules_of(readout: Readout | None) -> Iterator[nn.Module]:
    """Yield the modules that a readout is, or that it holds: one that is within another, as an argument, or by a name."""
    if isinstance(readout, nn.Module):
        yield readout
    elif isinstance(readout, partial):
        yield from chain.from_iterable(map(modules_of, (readout.func, *readout.args, *readout.keywords.values())))
    elif isinstance(readout, MethodType):
        yield from modules_of(readout.__self__)
    elif isinstance(readout, FunctionType):
        names = inspect.getclosurevars(readout)
        yield from (value for value in (*names.nonlocals.values(), *names.globals.values()) if isinstance(value, nn.Module))
    else:
        for value in getattr(readout, "__dict__", {}).values():
            yield from modules_of(value) if isinstance(value, nn.Module | FunctionType | MethodType | partial) else ()


def is_half(tensor: Tensor) -> bool:
    """Whether a tensor holds numbers in less than single precision."""
    return tensor.is_floating_point() and tensor.element_size() < 4


def widened(tensor: Tensor) -> Tensor:
    """Half precision as single precision; anything else as it is."""
    return tensor.float() if is_half(tensor) else tensor


def mapped(change: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    """Return a batch with every tensor in it changed."""
    if isinstance(batch, Tensor):
        return change(batch)
    return {name: change(value) if isinstance(value, Tensor) else value for name, value in batch.items()}


def copied(tensor: Tensor, requires_grad: bool | None = None) -> Tensor:
    """Return a tensor of its own memory, that asks for gradients as the first does, or as told."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad if requires_grad is None else requires_grad)


def fixed(batch: Batch) -> Batch:
    """Return a batch that gradients end at, whatever it was computed from."""
    return mapped(lambda tensor: tensor if tensor.is_leaf else tensor.detach().requires_grad_(), batch)


def cloned(batch: Batch) -> Batch:
    """Return a batch that nobody else writes into."""
    return mapped(copied, batch)


def evaluate(
    model: nn.Module, batch: Batch, readout: Readout | None, watching: AbstractContextManager | None = None
) -> Float[Tensor, "n C"]:
    """Return the outputs (n, C) that are differentiated.

    Args:
        model: any module.
        batch: n examples.
        readout: a function of the model's output and the batch, or None.
        watching: is entered for the pass alone.

    Raises:
        ValueError: as `called` and `check_outputs` do.
    """
    with watching or nullcontext():
        output = called(model, batch, readout)
    check_outputs(model, output, size(batch))
    return output


def called(model: nn.Module, batch: Batch, readout: Readout | None) -> Any:
    """Return what the model, or the readout of its output, gives.

    Args:
        model, batch, readout: as in `evaluate`.

    Raises:
        FailedError: it cannot be computed.
    """
    try:
        output = model(batch) if isinstance(batch, Tensor) else model(**batch)
        return output if readout is None else readout(output, batch)
    except (RuntimeError, IndexError, AssertionError) as error:
        if not failed(error):
            raise
        raise FailedError(batch, error) from error


def failed(error: Exception) -> bool:
    """Return whether an error is of a kind that torch has for what it was asked to compute, and no lack of memory."""
    return type(error) in (RuntimeError, IndexError, NotImplementedError, AssertionError) and "allocate memory" not in str(
        error
    )


def check_outputs(model: nn.Module, output: Any, n: int) -> None:
    """Refuse outputs that cannot be differentiated.

    Args:
        model: named in the message.
        output: what it gave.
        n: examples that it was given.

    Raises:
        ValueError: the outputs are not a real tensor (n, C), not finite, or gradients are wanted and they have none.
    """
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[0] != n or not output.shape[1]:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"readout: outputs must be a tensor (n, C) with n = {n}, got {got}; pass readout(output, batch)")
    if not output.is_floating_point():
        raise ValueError(f"readout: outputs must be real numbers, got {output.dtype}; pass readout(output, batch)")
    if torch.is_grad_enabled() and not output.requires_grad:
        raise ValueError(
            "model: its outputs do not depend on any trainable parameter, or it or the readout cuts gradients off "
            "(torch.no_grad, detach, argmax)"
        )
    # the sum of finite numbers can overflow, but no sum with nan or inf in it is finite: one pass, and the second is rare
    if not (bool(output.sum().isfinite()) or bool(output.isfinite().all())):
        raise ValueError(f"model: its outputs are not finite on this batch{_cause(model)}")


def _cause(model: nn.Module) -> str:
    bad = [name for name, parameter in model.named_parameters() if not bool(parameter.isfinite().all())]
    return f"; not finite itself is the parameter {', '.join(bad[:3])}" if bad else ""

"""A look at the functions that a model applies to its parameters: logs of their calls, and which axis counts the examples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from regime.kernels.jacobian.batch import Batch
from regime.kernels.jacobian.composed import Composed
from regime.kernels.jacobian.functions import FACTS, changes_in_place, hides_an_axis, named, tensors_in
from regime.kernels.jacobian.reordered import Reordered

PROBES = (2, 3)
"""Examples in the two probes; one would do for a first, but models often treat a single example apart."""


@dataclass(frozen=True)
class ExampleAxis:
    """The axis of a tensor that counts examples, `each` entries for every one of them."""

    position: int
    each: int


@dataclass(eq=False)
class Call:
    """One call of a torch function whose result needs gradients."""

    function: Any
    tensors: list[Tensor]
    outputs: list[Tensor]


@dataclass(eq=False)
class Site:
    """What the probes showed of a call that meets something shared: its result is shared, or has examples on an axis."""

    function: Callable[..., Any]
    axis: ExampleAxis | None
    axes: tuple[ExampleAxis | None, ...]
    """Of the tensor arguments, in order; None for one without examples."""
    outputs: "list[Shared]"
    """Where the result is shared."""


@dataclass(eq=False)
class Shared:
    """A parameter, or a tensor made of parameters alone, and the calls that meet it; None where the probes disagree."""

    sites: list[Site] | None = None


ENTRYWISE = named(
    "relu", "tanh", "erf", "gelu", "silu", "elu", "selu", "leaky_relu", "softplus", "mish", "sigmoid", "sin", "cos", "float",
    "clone", "add", "mul", "sub", "__add__", "__mul__", "__sub__",
)  # fmt: skip
"""Functions of entries in the same place, and of numbers."""


class Log(Composed):
    """Keeps every call whose result needs gradients."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.reordered = Reordered(batch)

    def _called(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        output = function(*args, **kwargs)
        tensors = tensors_in((args, kwargs))
        self._follow(function, args, kwargs, tensors, output)
        outputs = differentiable(output)
        if any(each.is_nested for each in outputs):
            raise ValueError("model: it makes nested tensors, in which no axis counts the examples; pad them to one tensor")
        if outputs and not returns_its_argument(function, tensors, outputs):
            self.calls.append(Call(object() if hides_an_axis() else function, tensors, outputs))  # like no other then
        return output

    def _follow(self, function: Callable, args: tuple, kwargs: dict[str, Any], tensors: list[Tensor], output: Any) -> None:
        self.reordered.follow(function, args, kwargs, tensors, output)

    def _open(self, function: Callable, calls: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        output = super()._open(function, calls, args, kwargs)
        self._follow(function, args, kwargs, tensors_in((args, kwargs)), output)
        return output


class RowLog(Log):
    """Logs calls, and whether each treats the rows (n, features) of what came before apart."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        rows = isinstance(batch, Tensor) and batch.dim() == 2 and batch.is_floating_point()
        self.known = {id(batch): batch} if rows else {}

    def _follow(self, function: Callable, args: tuple, kwargs: dict[str, Any], tensors: list[Tensor], output: Any) -> None:
        if self.known:
            counts = type(output) in (int, torch.Size)  # may be of the examples, which three of a batch of three do not tell
            if function.__name__ in FACTS and not (counts or isinstance(output, Tensor)):
                return
            if isinstance(output, Tensor) and output.dim() == 2 and self._treats_apart(function, tensors):
                self.known[id(output)] = output
                return
            if not tensors:
                return
            self.reordered.examples.update(self.known)
            self.known = {}
        super()._follow(function, args, kwargs, tensors, output)

    def _treats_apart(self, function: Callable, met: list[Tensor]) -> bool:
        if function is functional.linear:
            return id(met[0]) in self.known and all(isinstance(each, nn.Parameter) for each in met[1:])
        return function in ENTRYWISE and all(id(each) in self.known for each in met)


def differentiable(output: Any) -> list[Tensor]:
    """The results of a call that gradients flow through; none under `torch.no_grad`, where views still ask for them."""
    found = tensors_in(output) if isinstance(output, Tensor | list | tuple) and torch.is_grad_enabled() else ()
    return [each for each in found if each.requires_grad]


def returns_its_argument(function: Callable, tensors: list[Tensor], outputs: list[Tensor]) -> bool:
    """Return whether nothing happened: x.to(x.dtype), x.contiguous() and the like may give x itself.

    Args:
        function: that was called.
        tensors: its arguments.
        outputs: its results.
    """
    return not changes_in_place(function) and any(output is tensor for output in outputs for tensor in tensors)


def by_example(gradient: Tensor, axis: ExampleAxis) -> Tensor:
    """(n, each, ...): the axis of examples first, then what each example has of it."""
    return gradient.movedim(axis.position, 0).unflatten(0, (-1, axis.each))

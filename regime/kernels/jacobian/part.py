"""What a part of a layer's Jacobian is asked for: a layer is a sum of parts, each of some of its parameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.jacobian.blocks import Method, Outputs

Direction = Mapping[str, Tensor]
"""A direction in the layer's parameters, by their names in the module; absent ones do not move."""
Index = slice | list[int] | Tensor


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of a kernel, and the method that is counted."""

    method: str
    operations: float | int


@dataclass(frozen=True)
class Part(ABC):
    """Some parameters of one layer, on n examples: tensors with examples first, and parts like it."""

    HELD: ClassVar[str] = "g"
    """The field that holds the gradients."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in their module: `name`, where there is one."""
        return (self.name,)

    @property
    def gradients(self) -> Float[Tensor, "n *_ C _"]:
        """Of the outputs with respect to the layer's own, or to its parameter."""
        return getattr(self, self.HELD)

    @abstractmethod
    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        """Add the kernel between these examples (n) and the other's (m); of itself, its lower triangle at least.

        Args:
            out, other: the kernel to add to, and a part of the same kind and parameters.
            outputs: "trace" or "full".
            method: of dense parts, "auto", "token-gram" or "per-example".
            workspace: bytes that it may use beside.
        """

    @abstractmethod
    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        """Return the multiply-adds of a kernel of such examples.

        Args:
            n, m: examples on either side; m None: the same ones.
            outputs, method: as in `add_kernel`.
        """

    @abstractmethod
    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over these parameters, of which some move."""

    @abstractmethod
    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        """J^T v."""

    def sketch(self, name: str) -> Tensor:
        """Return the `sketch` of J^T 1, of one of the parameters."""
        g = self.gradients
        return sketch(self.pullback(g.new_ones(len(g), g.shape[-2]))[name])

    @abstractmethod
    def explicit(self) -> Float[Tensor, "n C P"]:
        """The gradients themselves, of the one parameter there is."""

    def of_outputs(self, change: Callable[[Tensor], Tensor]) -> "Part":
        """The part with the C gradients of every position changed."""
        return replace(self, **{self.HELD: change(self.gradients)})

    @property
    def nbytes(self) -> int:
        """Bytes of all its tensors."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, Tensor | Part))

    def each(self, change: Callable[..., Tensor], *others: "Part") -> "Part":
        """The part with every tensor changed, together with the same ones of other parts."""
        values = {name: value for name, value in vars(self).items() if isinstance(value, Tensor | Part)}
        sides = {name: [getattr(other, name) for other in others] for name in values}
        return replace(
            self,
            **{
                name: change(value, *sides[name]) if isinstance(value, Tensor) else value.each(change, *sides[name])
                for name, value in values.items()
            },
        )


@lru_cache(64)
def random_direction(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " _"]:
    """Return a random direction, the same in every call, along which matrices are compared.

    Args:
        size: its length, which is also its seed.
        dtype: of the numbers.
        device: where they are.
    """
    generator = torch.Generator().manual_seed(size)
    return torch.randn(size, generator=generator, dtype=torch.float64, device="cpu").to(device, dtype)


def sketch(gradient: Tensor) -> Tensor:
    """Return what is compared of a parameter's gradient: all of a vector, of anything else each row along one direction."""
    gradient = real(gradient)
    if gradient.dim() < 2:
        return gradient
    rows = gradient.flatten(1)
    return rows @ random_direction(rows.shape[1], rows.dtype, rows.device)


def product_of(part: Part, direction: Direction) -> Float[Tensor, "n C"]:
    """J d over a part's parameters, in the part's own precision, as gradients have that of their parameter."""
    g = part.gradients
    own = {name: _in(direction[name], g.dtype) for name in part.names if name in direction}
    return part.product(own) if own else g.new_zeros(len(g), g.shape[-2])


def pullback_of(part: Part, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
    """J^T v over a part's parameters, in the part's own precision."""
    return part.pullback(_in(v, part.gradients.dtype))


def _in(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor in this precision; complex numbers stay complex."""
    return tensor.to(dtype.to_complex() if tensor.is_complex() else dtype)


def real(tensor: Tensor) -> Tensor:
    """A complex tensor as its real and imaginary parts, on one more axis."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def dense(gradient: Tensor) -> Tensor:
    """A gradient with all its zeros: that of a sparse embedding leaves them out."""
    return gradient if gradient.layout == torch.strided else gradient.to_dense()


def wide(tensor: Tensor) -> Tensor:
    """Half precision holds gradients well enough, and their products badly: kernels are taken in float32."""
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))

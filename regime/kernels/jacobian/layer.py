"""What one layer leaves behind on a forward and backward pass: its kernel, and the products with its Jacobian."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from regime.kernels.jacobian.blocks import WORKSPACE, Method, Outputs, mirror, zeros
from regime.kernels.jacobian.part import Direction, Index, Part, product_of, pullback_of


@dataclass(frozen=True)
class LayerJacobian:
    """One layer on n examples: the sum of its parts."""

    parts: tuple[Part, ...]

    @property
    def form(self) -> tuple[tuple[type, tuple[str, ...]], ...]:
        """Jacobians of one form have a kernel between them."""
        return tuple((type(part), part.names) for part in self.parts)

    @property
    def nbytes(self) -> int:
        """Bytes of all its tensors."""
        return sum(part.nbytes for part in self.parts)

    def kernel(
        self,
        other: "LayerJacobian",
        outputs: Outputs,
        method: Method = "auto",
        out: Tensor | None = None,
        workspace: int = WORKSPACE,
    ) -> Float[Tensor, "n m"] | Float[Tensor, "n m C C"]:
        """The layer's kernel between this Jacobian's examples (n) and the other's (m).

        Args:
            out: a kernel to add to; of a Jacobian with itself only the lower triangle is then right (`mirror`).
        """
        kernel = self.zeros(other.examples, outputs) if out is None else out
        for part, opposite in zip(self.parts, other.parts, strict=True):
            part.add_kernel(kernel, opposite, outputs, method, workspace)
        return mirror(kernel, outputs) if other is self and out is None else kernel

    @property
    def examples(self) -> int:
        """How many examples it is of."""
        return self.parts[0].gradients.shape[0]

    @property
    def outputs(self) -> int:
        """How many outputs C it is of."""
        return self.parts[0].gradients.shape[-2]

    def zeros(self, m: int, outputs: Outputs, n: int | None = None) -> Tensor:
        """Return a kernel of zeros to add to, of this Jacobian's dtype and device.

        Args:
            m: examples on the other side.
            outputs: "trace" or "full".
            n: examples on this side; None: this Jacobian's.
        """
        return zeros(self.parts[0].gradients, n or self.examples, m, outputs)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over this layer's parameters."""
        return sum(product_of(part, direction) for part in self.parts)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        """J^T v, by the layer's parameters."""
        return {name: value for part in self.parts for name, value in pullback_of(part, v).items()}

    def rows(self, index: Index) -> "LayerJacobian":
        """The layer on some of the examples."""
        return self.each(lambda tensor: tensor[index])

    def of_outputs(self, change: Callable[[Tensor], Tensor]) -> "LayerJacobian":
        """The layer under other outputs: some of the C, or sums of them; `change` takes gradients (..., C, p)."""
        return LayerJacobian(tuple(part.of_outputs(change) for part in self.parts))

    def bare(self) -> "LayerJacobian":
        """The layer without its numbers, on the meta device: costs and bytes are told from shapes."""
        return self.each(lambda tensor: tensor.to("meta"))

    @staticmethod
    def join(jacobians: Sequence["LayerJacobian"]) -> "LayerJacobian":
        """One Jacobian of all the examples, in order."""
        return jacobians[0].each(_joined, *jacobians[1:])

    def each(self, change: Callable[..., Tensor], *others: "LayerJacobian") -> "LayerJacobian":
        """The Jacobian with every tensor changed, together with the same ones of other Jacobians."""
        sides = zip(self.parts, *(other.parts for other in others), strict=True)
        return LayerJacobian(tuple(part.each(change, *more) for part, *more in sides))


def _joined(*tensors: Tensor) -> Tensor:
    """All examples, with zeros after the last position of those that have fewer."""
    most = max(tensor.shape[1] for tensor in tensors)
    less = [(t, most - t.shape[1]) for t in tensors]
    return torch.cat([functional.pad(t, (0, 0) * (t.dim() - 2) + (0, missing)) if missing else t for t, missing in less])

"""A layer's Jacobian without padding: for products with it, which cost as much as it has positions."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels.jacobian.blocks import add_rows
from regime.kernels.jacobian.contraction import live_positions
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.part import Direction, Part, product_of, pullback_of
from regime.kernels.jacobian.parts import DensePart, EmbeddingPart

Owners = Int[Tensor, " _"]
"""The example that each position belongs to."""


@dataclass(frozen=True)
class PackedJacobian:
    """One layer on n examples, at the positions that any output depends on."""

    parts: tuple[tuple[Part, Owners | None], ...]
    """Parts whose examples are positions, with their owners; or as they were, with None."""
    examples: int

    @classmethod
    def of(cls, jacobian: LayerJacobian) -> "PackedJacobian":
        """Pack a Jacobian; what is not padded is shared with it."""
        return cls(tuple(map(_packed, jacobian.parts)), jacobian.examples)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over this layer's parameters."""
        return sum(self._by_example(product_of(part, direction), owners) for part, owners in self.parts)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        """J^T v, by the layer's parameters."""
        pulled = (pullback_of(part, v if owners is None else v[owners]) for part, owners in self.parts)
        return {name: value for each in pulled for name, value in each.items()}

    def rows(self, chosen: list[int]) -> "PackedJacobian":
        """The layer on some of the examples, in this order."""
        return PackedJacobian(tuple(self._rows(part, owners, chosen) for part, owners in self.parts), len(chosen))

    def _by_example(self, values: Float[Tensor, "_ C"], owners: Owners | None) -> Float[Tensor, "n C"]:
        return values if owners is None else add_rows(values.new_zeros(self.examples, values.shape[1]), owners, values)

    def _rows(self, part: Part, owners: Owners | None, chosen: list[int]) -> tuple[Part, Owners | None]:
        if owners is None:
            return part.each(lambda tensor: tensor[chosen]), None
        places = torch.full((self.examples,), -1, device=owners.device)
        places[chosen] = torch.arange(len(chosen), device=owners.device)
        kept = places[owners] >= 0
        return part.each(lambda tensor: tensor[kept]), places[owners[kept]]


def packed(jacobians: dict[str, LayerJacobian | None]) -> dict[str, PackedJacobian | None]:
    """Return Jacobians packed; each is taken out of the dict that they are in, so that two of one layer are there at a time."""
    return {path: (each := jacobians.pop(path)) and PackedJacobian.of(each) for path in list(jacobians)}


def _packed(part: Part) -> tuple[Part, Owners | None]:
    live = live_positions(part.g) if type(part) in (DensePart, EmbeddingPart) and part.g.shape[1] > 1 else None
    if live is None:
        return part, None
    index = live.flatten().nonzero()[:, 0]
    return part.each(lambda tensor: tensor.flatten(0, 1)[index].unsqueeze(1)), index // live.shape[1]

"""The part of a stack of weights, as a layer of experts has it: every position meets one of them."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels.jacobian.blocks import Method, Outputs
from regime.kernels.jacobian.part import Cost, Direction, Part
from regime.kernels.jacobian.parts import DensePart


@dataclass(frozen=True)
class StackedPart(Part):
    """h_t = W_k a_t with k = index_t, of weights (S, o, i), or (S, i, o) where `transposed`."""

    a: Float[Tensor, "n T i"]
    g: Float[Tensor, "n T C o"]
    index: Int[Tensor, "n T"]
    name: str
    transposed: bool
    shape: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def layers(self) -> list[DensePart]:
        """Return the part of each weight, with as many positions as the example that has most."""
        meets = self.index == torch.arange(self.shape[0], device=self.index.device)[:, None, None]
        counts = meets.sum(2).amax(1).clamp(min=1).tolist()
        rows = torch.arange(len(self.a), device=self.a.device)[:, None]
        parts = []
        for mine, count in zip(meets, counts, strict=True):
            at = mine.byte().argsort(dim=1, descending=True, stable=True)[:, :count]
            g = self.g[rows, at] * mine[rows, at][..., None, None]
            parts.append(DensePart(self.a[rows, at], g, self.name, None, self.transposed, self.shape[1:]))
        return parts

    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        layers = self.layers()
        for one, two in zip(layers, layers if other is self else other.layers(), strict=True):
            one.add_kernel(out, two, outputs, method, workspace)

    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        """As if every weight met as many positions."""
        few = max(1, self.a.shape[1] // self.shape[0])
        one = DensePart(self.a[:, :few], self.g[:, :few], self.name, None, self.transposed, self.shape[1:])
        cost = one.cost(n, m, outputs, method)
        return replace(cost, operations=cost.operations * self.shape[0])

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        if self.name not in direction:
            return 0 * self.g[:, 0, :, 0]
        pairs = zip(self.layers(), direction[self.name], strict=True)
        return sum(layer.product({self.name: weight}) for layer, weight in pairs)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        return {self.name: torch.stack([layer.pullback(v)[self.name] for layer in self.layers()])}

    def explicit(self) -> Float[Tensor, "n C P"]:
        return torch.cat([layer.explicit() for layer in self.layers()], dim=-1)

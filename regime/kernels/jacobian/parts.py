"""The parts of a layer's Jacobian.

A dense part has inputs and output gradients, a stack of weights which of them each position meets, an embedding the tokens it
looked up, any other explicit gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels.jacobian import contraction, embedding
from regime.kernels.jacobian.blocks import Method, Outputs, add_rows, rows
from regime.kernels.jacobian.part import Cost, Direction, Part, random_direction, real


@dataclass(frozen=True)
class DensePart(Part):
    """h = W a + b at T positions, the bias or none; `transposed` says that W is stored (i, o)."""

    a: Float[Tensor, "n T i"]
    g: Float[Tensor, "n T C o"]
    weight: str
    bias: str | None
    transposed: bool
    shape: tuple[int, ...]
    """Of the weight: a convolution's has more than two axes."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        settings = {"outputs": outputs, "method": method, "out": out, "workspace": workspace}
        contraction.dense(self.a, self.g, other.a, other.g, bias=float(self.bias is not None), **settings)

    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        _, t, i = self.a.shape
        by_method = contraction.costs((n, t, i), (n if m is None else m, t, i), tuple(self.g.shape[-2:]), m is None, outputs)
        chosen = min(by_method, key=by_method.get) if method == "auto" else method
        return Cost(chosen, by_method[chosen])

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        moved = self.g.new_zeros(self.g.shape[-1])
        if (weight := direction.get(self.weight)) is not None:
            moved = moved + self.a @ (weight if self.transposed else weight.flatten(1).mT)
        if (bias := direction.get(self.bias)) is not None:
            moved = moved + bias
        return (self.g * moved.unsqueeze(-2)).sum(-1).sum(1)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        g, a = (self.g * v[:, None, :, None]).sum(-2).flatten(0, 1), self.a.flatten(0, 1)
        weight = a.mT @ g if self.transposed else (g.mT @ a).view(self.shape)
        return {self.weight: weight} if self.bias is None else {self.weight: weight, self.bias: g.sum(0)}

    def sketch(self, name: str) -> Tensor:
        a, g = self.a.flatten(0, 1), self.g.sum(2).flatten(0, 1)
        if name == self.bias:
            return g.sum(0)
        by_row, columns = (a, g) if self.transposed else (g, a)
        return (columns @ random_direction(columns.shape[-1], columns.dtype, columns.device)) @ by_row

    def explicit(self) -> Float[Tensor, "n C P"]:
        j = contraction.weight_gradients(self.a, self.g)
        return j.unflatten(-1, (-1, self.a.shape[-1])).mT.flatten(-2) if self.transposed else j


@dataclass(frozen=True)
class StackedPart(Part):
    """h_t = W_k a_t with k = index_t, of weights (S, o, i), or (S, i, o) where `transposed`."""

    a: Float[Tensor, "n T i"]
    g: Float[Tensor, "n T C o"]
    index: Int[Tensor, "n T"]
    name: str
    transposed: bool
    shape: tuple[int, ...]

    def layers(self) -> list[DensePart]:
        """Return the part of each weight, with as many positions as the example that has most."""
        meets = self.index == torch.arange(self.shape[0], device=self.index.device)[:, None, None]
        counts = meets.sum(2).amax(1).clamp(min=1).tolist()
        example = torch.arange(len(self.a), device=self.a.device)[:, None]
        parts = []
        for mine, count in zip(meets, counts, strict=True):
            at = mine.byte().argsort(dim=1, descending=True, stable=True)[:, :count]
            g = self.g[example, at] * mine[example, at][..., None, None]
            parts.append(DensePart(self.a[example, at], g, self.name, None, self.transposed, self.shape[1:]))
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
        pairs = zip(self.layers(), direction[self.name], strict=True)
        return sum(layer.product({self.name: weight}) for layer, weight in pairs)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        return {self.name: torch.stack([layer.pullback(v)[self.name] for layer in self.layers()])}

    def explicit(self) -> Float[Tensor, "n C P"]:
        return torch.cat([layer.explicit() for layer in self.layers()], dim=-1)


@dataclass(frozen=True)
class EmbeddingPart(Part):
    """h_t = table[id_t], a table (vocabulary, d)."""

    ids: Int[Tensor, "n T"]
    g: Float[Tensor, "n T C d"]
    name: str
    vocabulary: int

    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        del method  # only pairs of equal tokens are visited, either way
        embedding.embedding(self.ids, self.g, other.ids, other.g, out, outputs=outputs, workspace=workspace)

    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        """As if every token of a sequence were another, and all sequences had the same: more than there is to do."""
        del method
        _, t, c, d = self.g.shape
        return Cost("matching tokens", n * (n if m is None else m) * t * d * c * (c if outputs == "full" else 1))

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return (self.g * direction[self.name][self.ids].unsqueeze(-2)).sum((1, 3))

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        pulled = (self.g * v[:, None, :, None]).sum(-2).flatten(0, 1)
        return {self.name: add_rows(pulled.new_zeros(self.vocabulary, pulled.shape[-1]), self.ids.flatten(), pulled)}

    def sketch(self, name: str) -> Tensor:
        del name  # there is one
        moved = self.g.sum(2) @ random_direction(self.g.shape[-1], self.g.dtype, self.g.device)
        return add_rows(moved.new_zeros(self.vocabulary), self.ids.flatten(), moved.flatten())

    def explicit(self) -> Float[Tensor, "n C P"]:
        n, _, c, d = self.g.shape
        j = self.g.new_zeros(n, self.vocabulary, c, d)
        j.index_put_((torch.arange(n, device=j.device)[:, None], self.ids), self.g, accumulate=True)
        return j.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class TiedPart(Part):
    """One table that is an embedding and an output layer at once: four terms, and one parameter."""

    table: EmbeddingPart
    dense: DensePart

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.names

    @property
    def gradients(self) -> Tensor:
        return self.table.g

    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        self.table.add_kernel(out, other.table, outputs, method, workspace)
        self.dense.add_kernel(out, other.dense, outputs, method, workspace)
        settings = {"outputs": outputs, "workspace": workspace}
        out += embedding.tied(self.dense.a, self.dense.g, other.table.ids, other.table.g, **settings)
        crossed = embedding.tied(other.dense.a, other.dense.g, self.table.ids, self.table.g, **settings)
        out += crossed.mT if outputs == "trace" else crossed.permute(1, 0, 3, 2)

    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        table, dense = self.table.cost(n, m, outputs, method), self.dense.cost(n, m, outputs, method)
        _, t, c, d = self.table.g.shape
        crossed = 2 * n * (n if m is None else m) * t * self.dense.a.shape[1] * c * d
        return Cost(f"{table.method}, {dense.method}", table.operations + dense.operations + crossed)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return self.table.product(direction) + self.dense.product(direction)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        table, dense = self.table.pullback(v), self.dense.pullback(v)
        return {name: table[name] + dense[name] for name in self.names}

    def sketch(self, name: str) -> Tensor:
        return self.table.sketch(name) + self.dense.sketch(name)

    def explicit(self) -> Float[Tensor, "n C P"]:
        return self.table.explicit() + self.dense.explicit()

    def of_outputs(self, change: Callable[[Tensor], Tensor]) -> "Part":
        return replace(self, table=self.table.of_outputs(change), dense=self.dense.of_outputs(change))


@dataclass(frozen=True)
class RowsPart(Part):
    """Explicit gradients of every example and output, of a parameter of any shape; a complex one is two real ones."""

    HELD: ClassVar[str] = "j"

    j: Float[Tensor, "n C P"]
    name: str
    shape: tuple[int, ...]
    is_complex: bool = False

    def add_kernel(self, out: Tensor, other: "Part", outputs: Outputs, method: Method, workspace: int) -> None:
        del method, workspace  # the gradients are explicit already
        rows(self.j, other.j, outputs, out=out)

    def cost(self, n: int, m: int | None, outputs: Outputs, method: Method) -> Cost:
        del method
        _, c, size = self.j.shape
        return Cost("per-example", n * (n if m is None else m) * size * c * (c if outputs == "full" else 1))

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return self.j @ real(direction[self.name]).flatten()

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        pulled = v.flatten() @ self.j.flatten(0, 1)
        return {self.name: torch.view_as_complex(pulled.view(*self.shape, 2)) if self.is_complex else pulled.view(self.shape)}

    def explicit(self) -> Float[Tensor, "n C P"]:
        return self.j

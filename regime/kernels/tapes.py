"""What one layer leaves behind on a forward and backward pass: its kernel, and the products with its Jacobian.

A layer is a sum of parts, each with parameters of its own: a dense part through its inputs and output gradients, a table
through the tokens that looked it up, and anything else through explicit gradients of every example.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels import rules

Direction = Mapping[str, Tensor]
"""A direction in the layer's parameters, by their names in the module; absent ones do not move."""
Index = slice | list[int]


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of a kernel, and the method that is counted."""

    method: str
    operations: float | int


@runtime_checkable
class Part(Protocol):
    """The parameters `names` of one layer, on n examples."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def gradients(self) -> Float[Tensor, "n *_ C _"]:
        """Of the outputs with respect to the layer's own, or to its parameter."""
        ...

    def add_kernel(self, out: Tensor, other: "Part", outputs: rules.Outputs, method: rules.Method, workspace: int) -> None:
        """Add the kernel between these examples (n) and the other's (m); of itself, its lower triangle at least."""
        ...

    def cost(self, n: int, m: int | None, outputs: rules.Outputs, method: rules.Method) -> Cost:
        """Of a kernel of n against m such examples; None: against themselves."""
        ...

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over these parameters."""
        ...

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        """J^T v."""
        ...

    def explicit(self) -> Float[Tensor, "n C P"]:
        """The gradients themselves, of the one parameter there is."""
        ...

    def rows(self, index: Index) -> "Part":
        """Some of the examples."""
        ...

    @classmethod
    def join(cls, parts: Sequence["Part"]) -> "Part":
        """One part of all the examples, in order."""
        ...


@dataclass(frozen=True)
class DensePart:
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

    @property
    def nbytes(self) -> int:
        return self.a.nbytes + self.g.nbytes

    @property
    def gradients(self) -> Tensor:
        return self.g

    def add_kernel(self, out: Tensor, other: "Part", outputs: rules.Outputs, method: rules.Method, workspace: int) -> None:
        settings = {"outputs": outputs, "method": method, "out": out, "workspace": workspace}
        rules.dense(self.a, self.g, other.a, other.g, bias=float(self.bias is not None), **settings)

    def cost(self, n: int, m: int | None, outputs: rules.Outputs, method: rules.Method) -> Cost:
        _, t, i = self.a.shape
        by_method = rules.costs((n, t, i), (n if m is None else m, t, i), tuple(self.g.shape[-2:]), m is None, outputs)
        chosen = min(by_method, key=by_method.get) if method == "auto" else method
        return Cost(chosen, by_method[chosen])

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        weight, bias = direction.get(self.weight), direction.get(self.bias)
        if weight is not None:
            weight = weight.mT if self.transposed else weight.flatten(1)
        return rules.dense_product(self.a, self.g, weight, bias)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        weight, bias = rules.dense_pullback(self.a, self.g, v)
        pulled = {self.weight: weight.mT if self.transposed else weight.view(self.shape), self.bias: bias}
        return {name: pulled[name] for name in self.names}

    def explicit(self) -> Float[Tensor, "n C P"]:
        a, g = self.a, self.g
        if not self.transposed:
            return rules.weight_gradients(a, g)
        c = g.shape[-2]
        return torch.einsum("nti,ntco->ncio", a, g).flatten(-2) if c > 1 else (a.mT @ g.squeeze(-2)).flatten(1).unsqueeze(1)

    def rows(self, index: Index) -> "Part":
        return replace(self, a=self.a[index], g=self.g[index])

    @classmethod
    def join(cls, parts: Sequence["Part"]) -> "Part":
        first = parts[0]
        a, g = torch.cat([part.a for part in parts]), torch.cat([part.g for part in parts])
        return cls(a, g, first.weight, first.bias, first.transposed, first.shape)


@dataclass(frozen=True)
class TablePart:
    """h_t = table[id_t], a table (vocabulary, d)."""

    ids: Int[Tensor, "n T"]
    g: Float[Tensor, "n T C d"]
    name: str
    vocabulary: int

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def nbytes(self) -> int:
        return self.ids.nbytes + self.g.nbytes

    @property
    def gradients(self) -> Tensor:
        return self.g

    def add_kernel(self, out: Tensor, other: "Part", outputs: rules.Outputs, method: rules.Method, workspace: int) -> None:
        del method  # only pairs of equal tokens are visited, either way
        rules.embedding(self.ids, self.g, other.ids, other.g, outputs=outputs, out=out, workspace=workspace)

    def cost(self, n: int, m: int | None, outputs: rules.Outputs, method: rules.Method) -> Cost:
        """As if every token of a sequence were another, and all sequences had the same: more than there is to do."""
        del method
        _, t, c, d = self.g.shape
        return Cost("matching tokens", n * (n if m is None else m) * t * d * c * (c if outputs == "full" else 1))

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return (
            rules.embedding_product(self.ids, self.g, direction[self.name])
            if self.name in direction
            else 0 * self.g[:, 0, :, 0]
        )

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        return {self.name: rules.embedding_pullback(self.ids, self.g, v, self.vocabulary)}

    def explicit(self) -> Float[Tensor, "n C P"]:
        n, _, c, d = self.g.shape
        j = self.g.new_zeros(n, self.vocabulary, c, d)
        j.index_put_((torch.arange(n, device=j.device)[:, None], self.ids), self.g, accumulate=True)
        return j.transpose(1, 2).flatten(2)

    def rows(self, index: Index) -> "Part":
        return replace(self, ids=self.ids[index], g=self.g[index])

    @classmethod
    def join(cls, parts: Sequence["Part"]) -> "Part":
        ids, g = torch.cat([part.ids for part in parts]), torch.cat([part.g for part in parts])
        return cls(ids, g, parts[0].name, parts[0].vocabulary)


@dataclass(frozen=True)
class TiedPart:
    """One table that is an embedding and an output layer at once: four terms, and one parameter."""

    table: TablePart
    dense: DensePart

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.names

    @property
    def nbytes(self) -> int:
        return self.table.nbytes + self.dense.nbytes

    @property
    def gradients(self) -> Tensor:
        return self.table.g

    def add_kernel(self, out: Tensor, other: "Part", outputs: rules.Outputs, method: rules.Method, workspace: int) -> None:
        self.table.add_kernel(out, other.table, outputs, method, workspace)
        self.dense.add_kernel(out, other.dense, outputs, method, workspace)
        settings = {"outputs": outputs, "workspace": workspace}
        out += rules.tied(self.dense.a, self.dense.g, other.table.ids, other.table.g, **settings)
        crossed = rules.tied(other.dense.a, other.dense.g, self.table.ids, self.table.g, **settings)
        out += crossed.mT if outputs == "trace" else crossed.permute(1, 0, 3, 2)

    def cost(self, n: int, m: int | None, outputs: rules.Outputs, method: rules.Method) -> Cost:
        table, dense = self.table.cost(n, m, outputs, method), self.dense.cost(n, m, outputs, method)
        _, t, c, d = self.table.g.shape
        crossed = 2 * n * (n if m is None else m) * t * self.dense.a.shape[1] * c * d
        return Cost(f"{table.method}, {dense.method}", table.operations + dense.operations + crossed)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return self.table.product(direction) + self.dense.product(direction)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        table, dense = self.table.pullback(v), self.dense.pullback(v)
        return {name: table[name] + dense[name] for name in self.names}

    def explicit(self) -> Float[Tensor, "n C P"]:
        return self.table.explicit() + self.dense.explicit()

    def rows(self, index: Index) -> "Part":
        return replace(self, table=self.table.rows(index), dense=self.dense.rows(index))

    @classmethod
    def join(cls, parts: Sequence["Part"]) -> "Part":
        return cls(TablePart.join([part.table for part in parts]), DensePart.join([part.dense for part in parts]))


@dataclass(frozen=True)
class RowsPart:
    """Explicit gradients of every example and output, of a parameter of any shape."""

    j: Float[Tensor, "n C P"]
    name: str
    shape: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def nbytes(self) -> int:
        return self.j.nbytes

    @property
    def gradients(self) -> Tensor:
        return self.j

    def add_kernel(self, out: Tensor, other: "Part", outputs: rules.Outputs, method: rules.Method, workspace: int) -> None:
        del method, workspace  # the gradients are explicit already
        rules.rows(self.j, other.j, outputs, out=out)

    def cost(self, n: int, m: int | None, outputs: rules.Outputs, method: rules.Method) -> Cost:
        del method
        _, c, size = self.j.shape
        return Cost("per-example", n * (n if m is None else m) * size * c * (c if outputs == "full" else 1))

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return rules.rows_product(self.j, direction[self.name].flatten()) if self.name in direction else 0 * self.j[..., 0]

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        return {self.name: rules.rows_pullback(self.j, v).view(self.shape)}

    def explicit(self) -> Float[Tensor, "n C P"]:
        return self.j

    def rows(self, index: Index) -> "Part":
        return replace(self, j=self.j[index])

    @classmethod
    def join(cls, parts: Sequence["Part"]) -> "Part":
        return cls(torch.cat([part.j for part in parts]), parts[0].name, parts[0].shape)


@dataclass(frozen=True)
class Tape:
    """One layer on n examples: the sum of its parts."""

    parts: tuple[Part, ...]

    @property
    def form(self) -> tuple[tuple[type, tuple[str, ...]], ...]:
        """Tapes of one form have a kernel between them."""
        return tuple((type(part), part.names) for part in self.parts)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    def kernel(
        self,
        other: "Tape",
        outputs: rules.Outputs,
        method: rules.Method = "auto",
        out: Tensor | None = None,
        workspace: int = rules.WORKSPACE,
    ) -> Float[Tensor, "n m"] | Float[Tensor, "n m C C"]:
        """The layer's kernel between this tape's examples (n) and the other's (m).

        Args:
            out: a kernel to add to; of a tape with itself only the lower triangle is then right (`rules.mirror`).
        """
        kernel = out
        if kernel is None:
            kernel = self.zeros(other.examples, outputs)
        for part, opposite in zip(self.parts, other.parts, strict=True):
            part.add_kernel(kernel, opposite, outputs, method, workspace)
        return rules.mirror(kernel, outputs) if other is self and out is None else kernel

    @property
    def examples(self) -> int:
        return self.parts[0].gradients.shape[0]

    @property
    def outputs(self) -> int:
        return self.parts[0].gradients.shape[-2]

    def zeros(self, m: int, outputs: rules.Outputs, n: int | None = None) -> Tensor:
        """A kernel of n examples (this tape's) against m to add to, of its dtype and device."""
        return rules.zeros(self.parts[0].gradients, (), n or self.examples, m, self.outputs, outputs)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over this layer's parameters."""
        return sum(part.product(direction) for part in self.parts)

    def pullback(self, v: Float[Tensor, "n C"]) -> dict[str, Tensor]:
        """J^T v, by the layer's parameters."""
        return {name: value for part in self.parts for name, value in part.pullback(v).items()}

    def rows(self, index: Index) -> "Tape":
        """The layer on some of the examples."""
        return Tape(tuple(part.rows(index) for part in self.parts))

    def bare(self) -> "Tape":
        """The layer without its numbers, on the meta device: costs and bytes are told from shapes."""
        return Tape(tuple(map(_bare, self.parts)))

    def of_outputs(self, index: slice) -> "Tape":
        """The layer as it bears on some of the outputs."""
        return Tape(tuple(_of_outputs(part, index) for part in self.parts))

    @staticmethod
    def join(tapes: Sequence["Tape"]) -> "Tape":
        """One tape of all the examples, in order."""
        parts = zip(*(tape.parts for tape in tapes), strict=True)
        return Tape(tuple(type(each[0]).join(each) for each in parts))


def _bare(part: Part) -> Part:
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    tensors = {name: value.to("meta") for name, value in values.items() if isinstance(value, Tensor)}
    return replace(part, **tensors, **{name: _bare(value) for name, value in values.items() if isinstance(value, Part)})


def _of_outputs(part: Part, index: slice) -> Part:
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    gradients = {name: value[..., index, :] for name, value in values.items() if name in ("g", "j")}
    return replace(
        part, **gradients, **{k: _of_outputs(value, index) for k, value in values.items() if isinstance(value, Part)}
    )

"""What one layer leaves behind on a forward and backward pass, and what can be made of it: its kernel and J times a direction.

Each layer type has a function from a module and its captured calls to a tape; a module type without one takes the generic,
exact path through explicit per-example gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regime.kernels import rules

Direction = Mapping[str, Tensor]
"""A direction in the layer's parameters, by their names in the module; absent ones do not move."""


@runtime_checkable
class Tape(Protocol):
    def kernel(self, other: "Tape", outputs: rules.Outputs, method: rules.Method) -> Tensor:
        """The layer's kernel between this tape's examples (n) and the other's (m)."""
        ...

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        """J d over this layer's parameters."""
        ...

    @classmethod
    def join(cls, tapes: Sequence["Tape"]) -> "Tape":
        """One tape of all the examples, in order."""
        ...


@dataclass(frozen=True)
class DenseTape:
    """h = W a + b at T positions; `transposed` says that W is stored (i, o)."""

    a: Float[Tensor, "n T i"]
    g: Float[Tensor, "n T C o"]
    trainable: frozenset[str]
    transposed: bool

    def kernel(self, other: "DenseTape", outputs: rules.Outputs, method: rules.Method) -> Tensor:
        scales = {name: float(name in self.trainable) for name in ("weight", "bias")}
        return rules.dense(self.a, self.g, other.a, other.g, **scales, outputs=outputs, method=method)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        weight = direction.get("weight")
        if weight is not None and self.transposed:
            weight = weight.mT
        return rules.dense_product(self.a, self.g, weight, direction.get("bias"))

    @classmethod
    def join(cls, tapes: Sequence["DenseTape"]) -> "DenseTape":
        first = tapes[0]
        return cls(torch.cat([t.a for t in tapes]), torch.cat([t.g for t in tapes]), first.trainable, first.transposed)


@dataclass(frozen=True)
class EmbeddingTape:
    """h_t = table[id_t]; gradients at the padding index are zero, as autograd has them."""

    ids: Int[Tensor, "n T"]
    g: Float[Tensor, "n T C d"]

    def kernel(self, other: "EmbeddingTape", outputs: rules.Outputs, method: rules.Method) -> Tensor:
        del method  # one-hot inputs always go through their token Gram matrix
        return rules.embedding(self.ids, self.g, other.ids, other.g, outputs=outputs)

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return rules.embedding_product(self.ids, self.g, direction["weight"])

    @classmethod
    def join(cls, tapes: Sequence["EmbeddingTape"]) -> "EmbeddingTape":
        return cls(torch.cat([t.ids for t in tapes]), torch.cat([t.g for t in tapes]))


@dataclass(frozen=True)
class RowsTape:
    """Explicit gradients of every example and output, by parameter."""

    rows: dict[str, Float[Tensor, "n C _"]]

    def kernel(self, other: "RowsTape", outputs: rules.Outputs, method: rules.Method) -> Tensor:
        del method  # the gradients are explicit already
        return sum(rules.rows(j, other.rows[name], outputs) for name, j in self.rows.items())

    def product(self, direction: Direction) -> Float[Tensor, "n C"]:
        return sum(rules.rows_product(j, direction[name].flatten()) for name, j in self.rows.items() if name in direction)

    @classmethod
    def join(cls, tapes: Sequence["RowsTape"]) -> "RowsTape":
        return cls({name: torch.cat([t.rows[name] for t in tapes]) for name in tapes[0].rows})


def _linear(module: nn.Module, a: Tensor, g: Tensor, trainable: frozenset[str], transposed: bool = False) -> DenseTape:
    del module  # its sizes are those of a and g
    return DenseTape(a.flatten(1, -2) if a.dim() > 2 else a.unsqueeze(1), g, trainable, transposed)


def _embedding(module: nn.Embedding, ids: Tensor, g: Tensor, trainable: frozenset[str]) -> EmbeddingTape | None:
    del trainable  # the table is the only parameter
    if module.max_norm is not None or module.scale_grad_by_freq or module.sparse:
        return None
    ids = ids.flatten(1) if ids.dim() > 1 else ids.unsqueeze(1)
    if module.padding_idx is not None:
        g = g * (ids != module.padding_idx).to(g.dtype)[..., None, None]
    return EmbeddingTape(ids, g)


def _layer_norm(module: nn.LayerNorm, a: Tensor, g: Tensor, trainable: frozenset[str]) -> RowsTape | None:
    """The gradients are sum_t g_t * normalized(a_t) and sum_t g_t: as small as the layer, so made explicit."""
    if len(module.normalized_shape) != 1:
        return None
    normalized = nn.functional.layer_norm(a, module.normalized_shape, eps=module.eps)
    normalized = normalized.flatten(1, -2) if a.dim() > 2 else normalized.unsqueeze(1)
    explicit = {"weight": lambda: torch.einsum("ntco,nto->nco", g, normalized), "bias": lambda: g.sum(1)}
    return RowsTape({name: make() for name, make in explicit.items() if name in trainable})


Rule = Callable[[nn.Module, Tensor, Tensor, frozenset[str]], Tape | None]
RULES: dict[str, Rule] = {
    "torch.nn.modules.linear.Linear": _linear,
    "torch.nn.modules.sparse.Embedding": _embedding,
    "torch.nn.modules.normalization.LayerNorm": _layer_norm,
    "transformers.pytorch_utils.Conv1D": partial(_linear, transposed=True),
}
"""Module type -> (module, inputs (n, ..., i), output gradients (n, T, C, o), names of trainable parameters) -> tape.

A rule answers None where it does not cover the module's settings. Subclasses do not inherit a rule: they may compute otherwise.
Types are named, not imported: a kernel of a plain network does not wait for transformers to load.
"""


def rule_for(module: nn.Module) -> Rule | None:
    """The rule of exactly this module's type."""
    kind = type(module)
    return RULES.get(f"{kind.__module__}.{kind.__qualname__}")

"""Per-layer rules: the kernel, and the directional derivative, of one layer from its inputs and output gradients.

A layer's inputs `a` meet the gradients `g` of the C outputs with respect to the layer's own output; n examples of T token
positions, any leading dimensions. Kernels come as (..., n, m), traced over outputs and divided by C ("trace"), or as
(..., n, m, C, C) ("full"). Pure functions: they keep nothing and change nothing.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Outputs = Literal["trace", "full"]
Method = Literal["auto", "token-gram", "per-example"]

WORKSPACE = 256 * 2**20
"""Bytes a token Gram matrix may take at once; larger ones are made in blocks of rows."""
MEMORY = 64
"""Multiply-adds in the time it takes to write an entry of an explicit gradient and read it back (measured, two CPU cores)."""

SUMMED = 8192
"""Products that are summed at once."""


def rows(
    j: Float[Tensor, "*s n C P"], j2: Float[Tensor, "*s m C P"], outputs: Outputs = "trace"
) -> Float[Tensor, "*s n m"] | Float[Tensor, "*s n m C C"]:
    """The kernel of explicit per-example gradients, J J^T: the definition itself."""
    if outputs == "trace":
        return _inner_products(j.flatten(-2), j2.flatten(-2)) / j.shape[-2]
    *_, n, c, _ = j.shape
    full = _inner_products(j.flatten(-3, -2), j2.flatten(-3, -2))
    return full.unflatten(-1, (j2.shape[-3], c)).unflatten(-3, (n, c)).transpose(-3, -2)


def _inner_products(a: Tensor, b: Tensor) -> Tensor:
    """a b^T, its long sums taken in pieces: in fp32 one sum over 590,000 products is off by 1e-4, this one by 1e-6."""
    pieces = zip(a.split(SUMMED, dim=-1), b.split(SUMMED, dim=-1), strict=True)
    return sum(left @ right.mT for left, right in pieces)


def rows_product(j: Float[Tensor, "*s n C P"], direction: Float[Tensor, "*s P"]) -> Float[Tensor, "*s n C"]:
    """J d."""
    return (j @ direction.unsqueeze(-1).unsqueeze(-3)).squeeze(-1)


def dense(
    a: Float[Tensor, "*s n T i"],
    g: Float[Tensor, "*s n T C o"],
    a2: Float[Tensor, "*s m U i"],
    g2: Float[Tensor, "*s m U C o"],
    *,
    weight: float = 1.0,
    bias: float = 1.0,
    outputs: Outputs = "trace",
    method: Method = "auto",
) -> Float[Tensor, "*s n m"] | Float[Tensor, "*s n m C C"]:
    """Theta(x, x') = sum over positions t, s of (weight a_t.a'_s + bias) (g_t.g'_s), for h = W a + b.

    `weight` and `bias` are squared scales of the two terms: 1 for a plain layer, 0 for a frozen or absent parameter,
    weight_std**2 / fan_in and bias_std**2 in NTK parameterization. The sum is taken over token Gram matrices, or through
    explicit per-example gradients sum_t g_t a_t^T; "auto" counts which is cheaper. Both are exact.
    """
    if method == "auto":
        method = "token-gram" if _gram_is_cheaper(a, g, a2) else "per-example"
    if method == "per-example":
        return weight_rows(a, g, a2, g2, weight, outputs) + bias * rows(g.sum(-3), g2.sum(-3), outputs)
    blocks = [
        gram_product(weight * (x.flatten(-3, -2) @ a2.flatten(-3, -2).mT) + bias, y, g2, outputs)
        for x, y in _row_blocks(a, g, g2)
    ]
    return torch.cat(blocks, dim=-2 if outputs == "trace" else -4)


def weight_rows(a: Tensor, g: Tensor, a2: Tensor, g2: Tensor, weight: float, outputs: Outputs) -> Tensor:
    """The weight's term of `dense` from explicit gradients, (..., n, C, o i) at a time."""
    left = _weight_gradients(a, g)
    right = left if a is a2 and g is g2 else _weight_gradients(a2, g2)
    return weight * rows(left, right, outputs)


def _weight_gradients(a: Tensor, g: Tensor) -> Tensor:
    return torch.einsum("...tco,...ti->...coi", g, a).flatten(-2)


def gram_product(gram: Tensor, g: Tensor, g2: Tensor, outputs: Outputs) -> Tensor:
    """sum over positions t, s of gram[(n, t), (m, s)] <g_t, g'_s>, for any Gram matrix (..., n T, m U) of the inputs."""
    *_, n, t, c, _ = g.shape
    m, u = g2.shape[-4], g2.shape[-3]
    gram = gram.unflatten(-1, (m, u)).unflatten(-3, (n, t))
    if outputs == "trace":
        pairs = g.flatten(-2).flatten(-3, -2) @ g2.flatten(-2).flatten(-3, -2).mT
        return (gram * pairs.unflatten(-1, (m, u)).unflatten(-3, (n, t))).sum((-3, -1)) / c
    pairs = g.flatten(-4, -2) @ g2.flatten(-4, -2).mT
    pairs = pairs.unflatten(-1, (m, u, c)).unflatten(-4, (n, t, c))
    return torch.einsum("...ntms,...ntcmsd->...nmcd", gram, pairs)


def _gram_is_cheaper(a: Tensor, g: Tensor, a2: Tensor) -> bool:
    *_, n, t, i = a.shape
    m, u = a2.shape[-3], a2.shape[-2]
    c, o = g.shape[-2:]
    by_gram = n * t * m * u * (i + c * o)
    explicit = n if a is a2 else n + m
    by_rows = (explicit * (t + MEMORY) + n * m) * c * o * i
    return by_gram <= by_rows


def _row_blocks(a: Tensor, g: Tensor, g2: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(a, g) in blocks of examples whose token Gram matrices fit the workspace."""
    per_example = g.element_size() * g[..., 0].numel() // g.shape[-4] * g2.shape[-4] * g2.shape[-3] * g2.shape[-2]
    size = max(1, WORKSPACE // max(1, per_example))
    return list(zip(a.split(size, dim=-3), g.split(size, dim=-4), strict=True))


def dense_product(
    a: Float[Tensor, "*s n T i"],
    g: Float[Tensor, "*s n T C o"],
    weight: Float[Tensor, "*s o i"] | None,
    bias: Float[Tensor, "*s o"] | None,
) -> Float[Tensor, "*s n C"]:
    """J d = sum_t g_t.(D_W a_t + D_b) for a direction (D_W, D_b); None where the parameter does not move."""
    moved = a.new_zeros(*g.shape[:-2], g.shape[-1])
    if weight is not None:
        moved = moved + a @ weight.mT.unsqueeze(-3)
    if bias is not None:
        moved = moved + bias.unsqueeze(-2).unsqueeze(-2)
    return (g * moved.unsqueeze(-2)).sum(-1).sum(-2)


def embedding(
    ids: Int[Tensor, "*s n T"],
    g: Float[Tensor, "*s n T C d"],
    ids2: Int[Tensor, "*s m U"],
    g2: Float[Tensor, "*s m U C d"],
    *,
    outputs: Outputs = "trace",
) -> Float[Tensor, "*s n m"] | Float[Tensor, "*s n m C C"]:
    """Theta(x, x') = sum over positions t, s with the same token of g_t.g'_s: the dense rule on one-hot inputs."""
    blocks = [
        gram_product((x.flatten(-2).unsqueeze(-1) == ids2.flatten(-2).unsqueeze(-2)).to(g.dtype), y, g2, outputs)
        for x, y in ((x.squeeze(-1), y) for x, y in _row_blocks(ids.unsqueeze(-1), g, g2))
    ]
    return torch.cat(blocks, dim=-2 if outputs == "trace" else -4)


def embedding_product(
    ids: Int[Tensor, "n T"], g: Float[Tensor, "n T C d"], table: Float[Tensor, "vocabulary d"]
) -> Float[Tensor, "n C"]:
    """J d = sum_t g_t.D[id_t]."""
    return (g * table[ids].unsqueeze(-2)).sum(-1).sum(-2)

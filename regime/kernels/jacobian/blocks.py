"""Kernels in blocks of examples: where they are summed, how large blocks are, what symmetry gives; and J J^T itself."""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Outputs = Literal["trace", "full"]
Method = Literal["auto", "token-gram", "per-example"]

WORKSPACE = 64 * 2**20
"""Bytes that a rule uses at once, beside its arguments and its result."""
SUMMED = 32768
"""Products summed at once: in fp32 one sum over 590,000 products is off by 1e-4, sums of sums by 1e-6."""
TRIANGLE = 128
"""Rows, at least, of a Gram product for a block of a symmetric kernel: smaller ones lose more to the matmul than they save."""
LONG = 32
"""The same, of a product of explicit gradients: their long sums keep fewer rows busy."""
CPU = torch.device("cpu")
ON_GPU = 1024
"""Either, on a GPU: smaller products leave most of it idle."""


def zeros(g: Tensor, n: int, m: int, outputs: Outputs, s: Sequence[int] = ()) -> Tensor:
    """Return a kernel (*s, n, m) or (*s, n, m, C, C) of zeros to add to; the latter laid out as (*s, n C, m C).

    Args:
        g: gradients (..., C, _), which give C, dtype and device.
        n: examples on one side.
        m: examples on the other.
        outputs: "trace" or "full".
        s: leading dimensions.
    """
    c = g.shape[-2]
    return g.new_zeros(*s, n, m) if outputs == "trace" else g.new_zeros(*s, n, c, m, c).transpose(-3, -2)


def add_rows(out: Tensor, index: Tensor, rows: Tensor) -> Tensor:
    """Add rows to those of `out` by index, in place; on a GPU, too, in an order that is the same in every call.

    Args:
        out: what is added to.
        index: which of its rows, for each of `rows`.
        rows: what is added.
    """
    if out.is_cuda:  # there index_add_ adds in any order, and this sorts first
        return out.index_put_((index,), rows, accumulate=True)
    return out.index_add_(0, index, rows)


def matrix(kernel: Tensor, outputs: Outputs) -> Tensor:
    """View a kernel of `zeros`, or a block of its examples, as (*s, n, m) or (*s, n C, m C).

    Args:
        kernel: (*s, n, m) or (*s, n, m, C, C).
        outputs: "trace" or "full".
    """
    if outputs == "trace":
        return kernel
    *s, n, m, c, _ = kernel.shape
    return kernel.transpose(-3, -2).view(*s, n * c, m * c)


def mirror(kernel: Tensor, outputs: Outputs) -> Tensor:
    """Complete, in place, a symmetric kernel that is right on and below its diagonal."""
    whole = matrix(kernel, outputs)
    for start, stop in spans(whole.shape[-1], TRIANGLE):
        square = whole[..., start:stop, start:stop]
        whole[..., :start, start:stop] = whole[..., start:stop, :start].mT
        square.copy_(square.tril() + square.tril(-1).mT)
    return kernel


def step(n: int, each: int, least: int = TRIANGLE, device: torch.device = CPU) -> int:
    """Return how many examples a block of a symmetric kernel has.

    Args:
        n: examples in all.
        each: rows of a product for every example.
        least: rows that a product needs at least to be worth it, on a CPU.
        device: where the products are taken.
    """
    return max(1, (least if device.type == "cpu" else ON_GPU) // max(1, each), n // 8)


def spans(n: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield first and last of consecutive blocks of at most so many of n."""
    for start in range(0, n, most):
        yield start, min(n, start + most)


def rows(
    j: Float[Tensor, "*s n C P"],
    j2: Float[Tensor, "*s m C P"],
    outputs: Outputs = "trace",
    *,
    scale: float = 1.0,
    out: Tensor | None = None,
) -> Float[Tensor, "*s n m"] | Float[Tensor, "*s n m C C"]:
    """Return the kernel J J^T of explicit per-example gradients, the definition itself, or add it to `out`.

    Args:
        j: gradients of n examples, C outputs, P parameters.
        j2: of m examples; the same tensor as `j` for a symmetric kernel.
        outputs: "trace" (divided by C) or "full".
        scale: a factor.
        out: a kernel to add to; of equal sides only its lower triangle is then right (`mirror`).
    """
    same = j is j2
    *s, n, c, _ = j.shape
    m = j2.shape[-3]
    kernel = out if out is not None else zeros(j, n, m, outputs, s)
    whole, per, flat = matrix(kernel, outputs), *((1, (-2, -1)) if outputs == "trace" else (c, (-3, -2)))
    left, right = j.flatten(*flat), j2.flatten(*flat)
    for start, stop in spans(n, step(n, per, LONG, j.device) if same else n):
        some, others = slice(start * per, stop * per), slice((stop if same else m) * per)
        products = _inner_products(left[..., some, :], right[..., others, :])
        whole[..., some, others].add_(products, alpha=scale / c if outputs == "trace" else scale)
    return mirror(kernel, outputs) if same and out is None else kernel


def _inner_products(a: Tensor, b: Tensor) -> Tensor:
    """a b^T, its long sums taken in pieces."""
    length = a.shape[-1]
    whole = length // SUMMED * SUMMED
    if whole <= SUMMED or a.dim() > 2:
        first, *others = zip(a.split(SUMMED, dim=-1), b.split(SUMMED, dim=-1), strict=True)
        return sum((left @ right.mT for left, right in others), first[0] @ first[1].mT)
    left, right = (x[:, :whole].unflatten(1, (-1, SUMMED)).transpose(0, 1) for x in (a, b))
    summed = torch.bmm(left, right.mT).sum(0)
    return torch.addmm(summed, a[:, whole:], b[:, whole:].mT) if whole < length else summed

"""Kernels in blocks of examples: where they are summed, how large blocks are, and the half that symmetry gives."""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
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


def mirror(kernel: Tensor, outputs: Outputs) -> Tensor:
    """Complete, in place, a symmetric kernel that is right on and below its diagonal."""
    if outputs == "trace":
        kernel = kernel[..., None, None]
    for start, stop in spans(kernel.shape[-4], max(1, TRIANGLE // kernel.shape[-1])):
        below, square = kernel[..., start:stop, :start, :, :], kernel[..., start:stop, start:stop, :, :]
        kernel[..., :start, start:stop, :, :] = below.transpose(-4, -3).mT
        above = torch.ones(stop - start, stop - start, dtype=torch.bool, device=kernel.device).triu(1)
        square.copy_(torch.where(above[..., None, None], square.transpose(-4, -3).mT, square))
    return kernel[..., 0, 0] if outputs == "trace" else kernel


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

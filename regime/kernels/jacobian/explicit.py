"""The kernel of explicit per-example gradients: J J^T."""

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.jacobian.blocks import LONG, SUMMED, Outputs, mirror, spans, step, zeros


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
    flat = (-2, -1) if outputs == "trace" else (-3, -2)
    left, right = j.flatten(*flat), j2.flatten(*flat)
    per = 1 if outputs == "trace" else c
    for start, stop in spans(n, step(n, per, LONG, j.device) if same else n):
        end = stop if same else m
        block = _inner_products(left[..., start * per : stop * per, :], right[..., : end * per, :])
        if outputs == "trace":
            kernel[..., start:stop, :end].add_(block, alpha=scale / c)
        else:
            block = block.unflatten(-1, (end, c)).unflatten(-3, (stop - start, c)).transpose(-3, -2)
            kernel[..., start:stop, :end, :, :].add_(block, alpha=scale)
    return mirror(kernel, outputs) if same and out is None else kernel


def _inner_products(a: Tensor, b: Tensor) -> Tensor:
    """a b^T, its long sums taken in pieces."""
    length = a.shape[-1]
    whole = length // SUMMED * SUMMED
    if whole <= SUMMED or a.dim() > 2:
        pieces = zip(a.split(SUMMED, dim=-1), b.split(SUMMED, dim=-1), strict=True)
        return sum(left @ right.mT for left, right in pieces)
    left, right = (x[:, :whole].unflatten(1, (-1, SUMMED)).transpose(0, 1) for x in (a, b))
    summed = torch.bmm(left, right.mT).sum(0)
    return torch.addmm(summed, a[:, whole:], b[:, whole:].mT) if whole < length else summed

"""How far a kernel moved. Kernels are (*s, n, n) with any leading dimensions; results keep those."""

import torch
from jaxtyping import Float
from torch import Tensor

Kernel = Float[Tensor, "*s n n"]
Weights = Float[Tensor, "B n"]


def weighted(entries: Kernel, weights: Weights) -> Float[Tensor, "*s B"]:
    """sum_ij w_i w_j entries_ij, for each row of weights: what resampling the points needs, at the price of a matmul."""
    return ((weights @ entries) * weights).sum(-1)


def _inner(a: Kernel, b: Kernel) -> Float[Tensor, "*s"]:
    return (a.double() * b.double()).sum((-2, -1))


def center(kernel: Kernel) -> Kernel:
    """Return H K H with H = I - 11^T/n: the kernel of features whose mean over the n points is removed.

    A large constant part goes first and as a whole, since differences of near numbers are exact.
    """
    kernel = kernel.double()
    for part in ((-2, -1), -1, -2):
        kernel = kernel - kernel.mean(part, keepdim=True)
    return kernel


def kernel_change(now: Kernel, start: Kernel) -> Float[Tensor, "*s"]:
    """||K_t - K_0||_F / ||K_0||_F: turning and growth together; nan where K_0 = 0."""
    difference = now.double() - start.double()
    return (_inner(difference, difference) / _inner(start, start)).sqrt()


def kernel_distance(now: Kernel, start: Kernel) -> Float[Tensor, "*s"]:
    """1 - <K_t, K_0> / (||K_t|| ||K_0||): turning alone, blind to growth (Fort et al. 2020, arXiv 2010.15110).

    Taken as half the squared distance of the normalized kernels: exactly 0 for equal ones, precise for near ones.
    """
    unit = [kernel.double() / _inner(kernel, kernel).sqrt()[..., None, None] for kernel in (now, start)]
    difference = unit[0] - unit[1]
    return _inner(difference, difference) / 2


def kernel_distance_centered(now: Kernel, start: Kernel) -> Float[Tensor, "*s"]:
    """kernel_distance of the centered kernels: a large constant part no longer makes the kernel look frozen."""
    return kernel_distance(center(now), center(start))


def resampled(now: Kernel, start: Kernel, weights: Weights) -> dict[str, Float[Tensor, "*s B"]]:
    """Return kernel_change, kernel_distance and kernel_distance_centered on B subsets of the points.

    With n = sum of w, <H a H, H b H> = w.(a b).w - 2/n sum_i w_i (a w)_i (b w)_i + (w.a.w) (w.b.w) / n^2, of kernels that are
    centered over all points before, so that nothing large cancels.

    Args:
        now: Theta_t.
        start: Theta_0.
        weights: a row of ones and zeros for each subset.
    """
    now, start = now.double(), start.double()
    change = weighted(torch.stack([(now - start).square(), start.square()]), weights)
    return {
        "kernel_change": (change[0] / change[1]).sqrt(),
        "kernel_distance": _distance(now, start, weights),
        "kernel_distance_centered": _distance(center(now), center(start), weights, centered=True),
    }


def _distance(now: Kernel, start: Kernel, weights: Weights, centered: bool = False) -> Float[Tensor, "*s B"]:
    """1 - cosine on each subset: sin^2 / (1 + cos), with the sine from the small difference of normalized kernels."""
    unit, moved = (kernel / _inner(kernel, kernel).sqrt()[..., None, None] for kernel in (start, now))
    pair = unit, moved - unit
    size, along, across = weighted(torch.stack([pair[0].square(), pair[0] * pair[1], pair[1].square()]), weights)
    if centered:
        n, rows = weights.sum(-1), [weights @ kernel for kernel in pair]
        wholes = [(row * weights).sum(-1) for row in rows]
        size, along, across = (
            product - 2 / n * (rows[i] * rows[j] * weights).sum(-1) + wholes[i] * wholes[j] / n**2
            for product, (i, j) in zip((size, along, across), ((0, 0), (0, 1), (1, 1)), strict=True)
        )
    whole = size + 2 * along + across
    return ((across - along**2 / size) / whole).clamp(min=0) / (1 + (size + along) / (size * whole).sqrt())


def trace(kernel: Kernel) -> Float[Tensor, "*s"]:
    """Return the sum of the diagonal, in double precision."""
    return kernel.double().diagonal(dim1=-2, dim2=-1).sum(-1)

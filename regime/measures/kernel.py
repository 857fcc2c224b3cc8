"""How far a kernel moved. Kernels are (*s, n, n) with any leading dimensions; results keep those.

With `weights` (B, n), non-negative numbers for the points, every sum over points becomes B weighted ones, and results are
(*s, B): what resampling the points needs, at the price of a matmul.
"""

from jaxtyping import Float
from torch import Tensor

Kernel = Float[Tensor, "*s n n"]
Weights = Float[Tensor, "B n"] | None


def weighted(entries: Kernel, weights: Weights = None) -> Float[Tensor, "*s"] | Float[Tensor, "*s B"]:
    """sum_ij w_i w_j entries_ij."""
    if weights is None:
        return entries.sum((-2, -1))
    return ((weights @ entries) * weights).sum(-1)


def _inner(a: Kernel, b: Kernel, weights: Weights = None) -> Tensor:
    return weighted(a.double() * b.double(), weights)


def _centered_inner(a: Kernel, b: Kernel, weights: Float[Tensor, "B n"]) -> Float[Tensor, "*s B"]:
    """<H a H, H b H> with weights: w.(a*b).w - 2/n sum_i w_i (a w)_i (b w)_i + (w.a.w) (w.b.w) / n^2, n = sum of w."""
    n = weights.sum(-1)
    rows = [weights @ kernel.double() for kernel in (a, b)]
    wholes = [(row * weights).sum(-1) for row in rows]
    return _inner(a, b, weights) - 2 / n * (rows[0] * rows[1] * weights).sum(-1) + wholes[0] * wholes[1] / n**2


def center(kernel: Kernel) -> Kernel:
    """H K H with H = I - 11^T/n: the kernel of features whose mean over the n points is removed."""
    kernel = kernel.double()
    rows = kernel.mean(-1, keepdim=True)
    return kernel - rows - kernel.mean(-2, keepdim=True) + rows.mean(-2, keepdim=True)


def kernel_change(now: Kernel, start: Kernel, weights: Weights = None) -> Tensor:
    """||K_t - K_0||_F / ||K_0||_F: turning and growth together; nan where K_0 = 0."""
    difference = now.double() - start.double()
    return (_inner(difference, difference, weights) / _inner(start, start, weights)).sqrt()


def kernel_distance(now: Kernel, start: Kernel, weights: Weights = None) -> Tensor:
    """1 - <K_t, K_0> / (||K_t|| ||K_0||): turning alone, blind to growth (Fort et al. 2020, arXiv 2010.15110).

    Taken as half the squared distance of the normalized kernels: exactly 0 for equal ones, precise for near ones.
    """
    if weights is not None:
        return 1 - _inner(now, start, weights) / (_inner(now, now, weights) * _inner(start, start, weights)).sqrt()
    unit = [kernel.double() / _inner(kernel, kernel).sqrt()[..., None, None] for kernel in (now, start)]
    difference = unit[0] - unit[1]
    return _inner(difference, difference) / 2


def kernel_distance_centered(now: Kernel, start: Kernel, weights: Weights = None) -> Tensor:
    """kernel_distance of the centered kernels: a large constant part no longer makes the kernel look frozen."""
    if weights is not None:
        sizes = _centered_inner(now, now, weights) * _centered_inner(start, start, weights)
        return 1 - _centered_inner(now, start, weights) / sizes.sqrt()
    return kernel_distance(center(now), center(start))


def trace(kernel: Kernel) -> Float[Tensor, "*s"]:
    return kernel.double().diagonal(dim1=-2, dim2=-1).sum(-1)

"""How far a kernel moved. Kernels are (..., n, n) with any leading dimensions; results keep those."""

from jaxtyping import Float
from torch import Tensor


def _inner(a: Float[Tensor, "*s n n"], b: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    return (a.double() * b.double()).sum((-2, -1))


def center(kernel: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n n"]:
    """H K H with H = I - 11^T/n: the kernel of features whose mean over the n points is removed."""
    kernel = kernel.double()
    rows = kernel.mean(-1, keepdim=True)
    return kernel - rows - kernel.mean(-2, keepdim=True) + rows.mean(-2, keepdim=True)


def kernel_change(now: Float[Tensor, "*s n n"], start: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """||K_t - K_0||_F / ||K_0||_F: turning and growth together; nan where K_0 = 0."""
    difference = now.double() - start.double()
    return (_inner(difference, difference) / _inner(start, start)).sqrt()


def kernel_distance(now: Float[Tensor, "*s n n"], start: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """1 - <K_t, K_0> / (||K_t|| ||K_0||): turning alone, blind to growth (Fort et al. 2020, arXiv 2010.15110).

    Taken as half the squared distance of the normalized kernels: exactly 0 for equal ones, precise for near ones.
    """
    unit = [kernel.double() / _inner(kernel, kernel).sqrt()[..., None, None] for kernel in (now, start)]
    difference = unit[0] - unit[1]
    return _inner(difference, difference) / 2


def kernel_distance_centered(now: Float[Tensor, "*s n n"], start: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """kernel_distance of the centered kernels: a large constant part no longer makes the kernel look frozen."""
    return kernel_distance(center(now), center(start))


def trace(kernel: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    return kernel.double().diagonal(dim1=-2, dim2=-1).sum(-1)

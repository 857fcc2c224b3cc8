"""How far a kernel moved. Kernels are (*s, n, n) with any leading dimensions; results keep those."""

from typing import NamedTuple

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


def magnified_kernel(kernel: Kernel) -> Float[Tensor, "*s"]:
    """||K||_F / ||H K H||_F: how many times larger rounding, relative to the kernel, is relative to the centered one."""
    return kernel.double().norm(dim=(-2, -1)) / center(kernel).norm(dim=(-2, -1))


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


class Resampled(NamedTuple):
    """How far something moved on subsets of the points."""

    drawn: dict[str, Float[Tensor, "*s B"]]
    """By measure."""
    magnified: Float[Tensor, "*s"]
    """How many times larger rounding counts once a constant part is removed, at the start or now."""


class StartKernel:
    """Theta_0, with what comparing another kernel with it on B subsets of the points takes again and again."""

    def __init__(self, kernel: Kernel, weights: Weights) -> None:
        """Prepare the comparison with Theta_0 on subsets, each a row of ones and zeros among the weights."""
        self.kernel, self.weights = kernel.double(), weights
        self.size: Float[Tensor, "*s B"] = weighted(self.kernel.square(), weights)
        self.plain, self.centered = _Direction(self.kernel, weights), _Direction(center(self.kernel), weights, centered=True)
        self.magnified: Float[Tensor, "*s"] = magnified_kernel(self.kernel)

    def resampled(self, now: Kernel) -> Resampled:
        """Return kernel_change, kernel_distance and kernel_distance_centered of Theta_t on the subsets."""
        now = now.double()
        centered = center(now)
        norms = _norm(now), _norm(centered)
        drawn = {
            "kernel_change": (weighted((now - self.kernel).square(), self.weights) / self.size).sqrt(),
            "kernel_distance": self.plain.distance(now / norms[0]),
            "kernel_distance_centered": self.centered.distance(centered / norms[1]),
        }
        return Resampled(drawn, torch.maximum((norms[0] / norms[1])[..., 0, 0], self.magnified))


class _Direction:
    """A normalized kernel, from which others are 1 - cosine away on each subset of the points.

    With n = sum of w, <H a H, H b H> = w.(a b).w - 2/n sum_i w_i (a w)_i (b w)_i + (w.a.w) (w.b.w) / n^2, of kernels that are
    centered over all points before, so that nothing large cancels.
    """

    def __init__(self, kernel: Kernel, weights: Weights, *, centered: bool = False) -> None:
        self.unit, self.weights, self.recentered = kernel / _norm(kernel), weights, centered
        self.rows = self._rows(self.unit)
        self.size = self._inner(self.unit.square(), self.rows, self.rows)

    def distance(self, unit: Kernel) -> Float[Tensor, "*s B"]:
        """1 - cosine on each subset: sin^2 / (1 + cos), with the sine from the small difference of normalized kernels."""
        moved = unit - self.unit
        rows = self._rows(moved)
        along = self._inner(self.unit * moved, self.rows, rows)
        across = self._inner(moved.square(), rows, rows)
        whole = self.size + 2 * along + across
        return ((across - along**2 / self.size) / whole).clamp(min=0) / (1 + (self.size + along) / (self.size * whole).sqrt())

    def _rows(self, kernel: Kernel) -> Float[Tensor, "*s B n"] | None:
        return self.weights @ kernel if self.recentered else None

    def _inner(self, entries: Kernel, one: Tensor | None, two: Tensor | None) -> Float[Tensor, "*s B"]:
        """<a, b> on each subset, of the entrywise product and the kernels' rows."""
        plain = weighted(entries, self.weights)
        if one is None:
            return plain
        n, chosen = self.weights.sum(-1), self.weights
        wholes = [(rows * chosen).sum(-1) for rows in (one, two)]
        return plain - 2 / n * (one * two * chosen).sum(-1) + wholes[0] * wholes[1] / n**2


def _norm(kernel: Kernel) -> Float[Tensor, "*s 1 1"]:
    return torch.linalg.vector_norm(kernel, dim=(-2, -1), keepdim=True)


def trace(kernel: Kernel) -> Float[Tensor, "*s"]:
    """Return the sum of the diagonal, in double precision."""
    return kernel.double().diagonal(dim1=-2, dim2=-1).sum(-1)

"""How far a kernel moved. Kernels are (*s, n, n) with any leading dimensions; results keep those."""

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
    """H K H with H = I - 11^T/n: the kernel of features whose mean over the n points is removed."""
    kernel = kernel.double()
    rows = kernel.mean(-1, keepdim=True)
    return kernel - rows - kernel.mean(-2, keepdim=True) + rows.mean(-2, keepdim=True)


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
    """The three measures above on B weightings of the points.

    With n = sum of w, <H a H, H b H> = w.(a b).w - 2/n sum_i w_i (a w)_i (b w)_i + (w.a.w) (w.b.w) / n^2.
    """
    now, start, n = now.double(), start.double(), weights.sum(-1)
    difference = now - start
    plain, centered = {}, {}
    rows = {"t": weights @ now, "0": weights @ start}
    whole = {name: (row * weights).sum(-1) for name, row in rows.items()}
    for pair, product in {"tt": now * now, "t0": now * start, "00": start * start}.items():
        a, b = pair
        plain[pair] = weighted(product, weights)
        centered[pair] = plain[pair] - 2 / n * (rows[a] * rows[b] * weights).sum(-1) + whole[a] * whole[b] / n**2
    return {
        "kernel_change": (weighted(difference * difference, weights) / plain["00"]).sqrt(),
        "kernel_distance": 1 - plain["t0"] / (plain["tt"] * plain["00"]).sqrt(),
        "kernel_distance_centered": 1 - centered["t0"] / (centered["tt"] * centered["00"]).sqrt(),
    }


def trace(kernel: Kernel) -> Float[Tensor, "*s"]:
    return kernel.double().diagonal(dim1=-2, dim2=-1).sum(-1)

"""Gaussian expectations of activations, which infinitely wide layers are made of: closed forms, and Hermite series."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.quadrature import Function, Grid, check_elementwise, check_function

Formula = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

CHUNK = 128
"""Hermite terms computed at once; even."""
TERMS = 2048
"""The most terms that are summed one by one."""
TAIL = 1e-14
"""Share of E[phi^2] that may stay in the remainder, whose sum is exact but whose dependence on the correlation is not."""
ROWS = 256
"""Points on each side of a block: its values at the nodes, their gradients and coefficients take about 100 MiB."""


@dataclass(frozen=True)
class Closed:
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)] of centered Gaussians, by an elementwise formula of (k, q, p).

    Their variances are q and p, their covariance k.
    """

    formula: Formula

    def pairs(
        self, k: Float[Tensor, "n m"], q: Float[Tensor, " n"], p: Float[Tensor, " m"]
    ) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
        """Return both moments of all pairs of points.

        Args:
            k: covariances.
            q: variances of the n points.
            p: variances of the m points.
        """
        return self.formula(k, q.unsqueeze(1), p)

    def own(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u)^2] and E[phi'(u)^2] of each point."""
        return self.formula(q, q, q)


def _scale(q: Tensor, p: Tensor) -> Tensor:
    """sqrt(q p), which is a number though the product may be none; exactly q for q = p."""
    return torch.where(q == p, q, q.sqrt() * p.sqrt())


def _correlation(k: Tensor, q: Tensor, p: Tensor) -> Tensor:
    """k / sqrt(q p), exactly 1 for k = q = p; 0 where a variance is."""
    scale = _scale(q, p)
    return torch.where(scale > 0, k / scale, torch.zeros_like(k)).clamp(-1, 1)


def _relu(k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    cosine = _correlation(k, q, p)
    sine = ((1 - cosine) * (1 + cosine)).sqrt()
    beyond = pi - cosine.acos()
    return _scale(q, p) * (sine + beyond * cosine) / (2 * pi), beyond / (2 * pi)


def _erf(k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """By atan2, and with q p - k^2 from the correlation: at large variances asin's argument comes too close to 1."""
    cosine = _correlation(k, q, p)
    sine = ((1 - cosine) * (1 + cosine)).sqrt()
    root = torch.hypot((1 + 2 * (q + p)).sqrt(), 2 * _scale(q, p) * sine)
    return 2 / pi * torch.atan2(2 * k, root), 4 / pi / root


def _linear(k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - a Formula
    return k.clone(), torch.ones_like(k)


class Series:
    """Moments of any function: sum_k a_k(q) a_k(p) rho^k, a_k(q) = E[phi(sqrt(q) z) He_k(z)] / sqrt(k!), z standard normal.

    The terms beyond the last one computed are known in sum, at rho = 1 and at rho = -1, from one quadrature of the product.
    They are counted as two last terms, one even and one odd: exact at rho = +-1, and elsewhere wrong by |rho|^K of that sum at
    most.
    """

    def __init__(self, function: Function, device: torch.device) -> None:
        self.function, self.grid = function, Grid.of(device)
        gauss = self.grid.gauss
        self.hermite = (torch.zeros_like(gauss), gauss * self.grid.root)  # the functions of orders k - 1 and k
        self.basis: list[Float[Tensor, "2 Q k"]] = []

    def pairs(self, k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u) phi(v)] and E[phi'(u) phi'(v)] of all pairs of points.

        Args:
            k, q, p: as in `Closed.pairs`.
        """
        rho = _correlation(k, q.unsqueeze(1), p)
        values, slopes = torch.empty_like(k), torch.empty_like(k)
        for i in range(0, len(q), ROWS):
            rows = slice(i, i + ROWS)
            left = self.grid.parts(self.function, q[rows])
            for j in range(0, len(p), ROWS):
                columns = slice(j, j + ROWS)
                right = self.grid.parts(self.function, p[columns])
                for kernel, a, b in zip((values, slopes), left, right, strict=True):
                    kernel[rows, columns] = self._sum(a, b, rho[rows, columns])
        return values, slopes

    def own(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u)^2] and E[phi'(u)^2] of each point.

        Raises:
            ValueError: the function jumps, grows too fast or has no moments that the nodes resolve, at these variances.
        """
        check_function(self.function, self.grid, q)
        blocks = [[part.square().sum((0, 2)) for part in self.grid.parts(self.function, block)] for block in q.split(ROWS)]
        values, slopes = (torch.cat(kind) for kind in zip(*blocks, strict=True))
        return values, slopes

    def _sum(self, a: Float[Tensor, "2 r Q"], b: Float[Tensor, "2 c Q"], rho: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
        ours, theirs = [], []
        for index in range(TERMS // CHUNK):
            if index == len(self.basis):
                self.basis.append(self._extend())
            for part, coefficients in ((a, ours), (b, theirs)):
                coefficients.append(part @ self.basis[index])
            if all(map(_exhausted, (a, b), (ours, theirs))):
                break
        left, right = torch.cat(ours, -1), torch.cat(theirs, -1)
        even, odd = a @ b.mT - left @ right.mT
        total = even + rho * odd
        for k in range(left.shape[-1] - 1, -1, -1):
            for parity in (1, 0):
                total = torch.addcmul(torch.outer(left[parity, :, k], right[parity, :, k]), total, rho)
        return total

    def _extend(self) -> Float[Tensor, "2 Q k"]:
        """The next CHUNK Hermite functions at the nodes, even and odd ones, times the root of the weights."""
        before, now = self.hermite
        functions = []
        for k in range(CHUNK * len(self.basis), CHUNK * (len(self.basis) + 1)):
            functions.append(now)
            before, now = now, (self.grid.nodes * now - sqrt(k) * before) / sqrt(k + 1)
        self.hermite = (before, now)
        return torch.stack([torch.stack(functions[parity::2], -1) for parity in (0, 1)])


def _exhausted(part: Float[Tensor, "2 r Q"], coefficients: list[Float[Tensor, "2 r k"]]) -> bool:
    """Whether what the coefficients leave of E[phi^2] is negligible, at every point."""
    whole = part.square().sum((0, 2))
    return bool((whole - sum(chunk.square().sum((0, 2)) for chunk in coefficients) <= TAIL * whole).all())


CLOSED: dict[str, Formula] = {"relu": _relu, "erf": _erf, "linear": _linear}
SMOOTH: dict[str, Function] = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu}


def moments_of(activation: str | Function, device: torch.device) -> Closed | Series:
    """Return how the moments of an activation are taken: by its closed form, or as a series.

    Raises:
        ValueError: its name is unknown, or the function is not elementwise.
    """
    if isinstance(activation, str) and activation in CLOSED:
        return Closed(CLOSED[activation])
    if isinstance(activation, str) and activation in SMOOTH:
        return Series(SMOOTH[activation], device)
    if callable(activation):
        check_elementwise(activation, device)
        return Series(activation, device)
    names = ", ".join(map(repr, (*CLOSED, *SMOOTH)))
    raise ValueError(f"activation = {activation!r} is not allowed; allowed: {names}, or an elementwise function of tensors")

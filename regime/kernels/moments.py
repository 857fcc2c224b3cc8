"""Gaussian expectations of activations, which infinitely wide layers are made of: closed forms, and Hermite series."""

from collections.abc import Callable
from dataclasses import dataclass
from math import asinh, pi, sqrt
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

Function = Callable[[Tensor], Tensor]
Formula = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

NODES = 2048
"""Quadrature nodes on each side of zero."""
REACH = 13.0
"""Standard deviations they cover: beyond, exp(-x^2/4) is below 1e-18."""
FOCUS = 0.05
"""Standard deviations around zero within which the nodes stop coming closer: there activations bend, or have their kink."""

CHUNK = 128
"""Hermite terms computed at once; even."""
TERMS = 2048
"""The most terms that are summed one by one."""
TAIL = 1e-14
"""Share of E[phi^2] that may stay in the remainder, whose sum is exact but whose dependence on the correlation is not."""
EDGE = 1e-10
"""Share of E[phi^2] that may come from the last node: with more, the rest lies beyond."""
NEAR = 6.0
"""Standard deviations within which a jump matters: exp(-x^2/2) is 1e-8 there."""
TRIED = (256, 128)
"""Shape of the random tensor on which a function is tried for whether it is elementwise."""
ALIKE = 1e-6
"""What two computations of one entry may differ by, relative to its size: a function may compute in float32 inside."""
ROWS = 256
"""Points on each side of a block: its values at the nodes, their gradients and coefficients take about 100 MiB."""


class Moments(Protocol):
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)] of centered Gaussians with variances q, p and covariance k."""

    def pairs(
        self, k: Float[Tensor, "n m"], q: Float[Tensor, " n"], p: Float[Tensor, " m"]
    ) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
        """Return both for all pairs of points.

        Args:
            k: covariances.
            q: variances of the n points.
            p: variances of the m points.
        """

    def own(self, q: Float[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """For u = v."""
        ...


@dataclass(frozen=True)
class Closed:
    """Moments by a formula of (k, q, p), elementwise."""

    formula: Formula

    def pairs(self, k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u) phi(v)] and E[phi'(u) phi'(v)] for all pairs of points, as in `Moments`.

        Args:
            k: covariances.
            q: variances of the n points.
            p: variances of the m points.
        """
        return self.formula(k, q.unsqueeze(1), p)

    def own(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u)^2] and E[phi'(u)^2] of each point."""
        return self.formula(q, q, q)


def _correlation(k: Tensor, q: Tensor, p: Tensor) -> Tensor:
    """k / sqrt(q p), exactly 1 for k = q = p; 0 where a variance is."""
    scale = (q * p).sqrt()
    return torch.where(scale > 0, k / scale, torch.zeros_like(k)).clamp(-1, 1)


def _relu(k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    cosine = _correlation(k, q, p)
    sine = ((1 - cosine) * (1 + cosine)).sqrt()
    beyond = pi - cosine.acos()
    return (q * p).sqrt() * (sine + beyond * cosine) / (2 * pi), beyond / (2 * pi)


def _erf(k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """By atan2, and with q p - k^2 from the correlation: at large variances asin's argument comes too close to 1."""
    cosine = _correlation(k, q, p)
    root = (1 + 2 * (q + p) + 4 * q * p * (1 - cosine) * (1 + cosine)).sqrt()
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
        self.function = function
        # The trapezoidal rule in t, z = FOCUS sinh t, is exact to rounding for functions analytic around the real line, however
        # wide their argument is spread; its nodes lie symmetric to 0, so that a kink there costs the square of a tiny step.
        step = asinh(REACH / FOCUS) / NODES
        t = (torch.arange(NODES, device=device, dtype=torch.float64) + 0.5) * step
        self.nodes = FOCUS * t.sinh()
        self.root = (2 * step * FOCUS * t.cosh()).sqrt()  # of the weights, counting both sides of zero
        self.gauss = (-self.nodes.square() / 4).exp() / (2 * pi) ** 0.25
        self.hermite = (torch.zeros_like(self.gauss), self.gauss * self.root)  # the functions of orders k - 1 and k
        self.basis: list[Float[Tensor, "2 Q k"]] = []

    def pairs(self, k: Tensor, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u) phi(v)] and E[phi'(u) phi'(v)] for all pairs of points, as in `Moments`.

        Args:
            k: covariances.
            q: variances of the n points.
            p: variances of the m points.
        """
        rho = _correlation(k, q.unsqueeze(1), p)
        values, slopes = torch.empty_like(k), torch.empty_like(k)
        for i in range(0, len(q), ROWS):
            rows = slice(i, i + ROWS)
            left = self._parts(q[rows])
            for j in range(0, len(p), ROWS):
                columns = slice(j, j + ROWS)
                right = self._parts(p[columns])
                for kernel, a, b in zip((values, slopes), left, right, strict=True):
                    kernel[rows, columns] = self._sum(a, b, rho[rows, columns])
        return values, slopes

    def own(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[phi(u)^2] and E[phi'(u)^2] of each point.

        Raises:
            ValueError: the function jumps, or grows too fast, at these variances.
        """
        self._check(torch.stack([q.min(), q.max()]))
        blocks = [[part.square().sum((0, 2)) for part in self._parts(block)] for block in q.split(ROWS)]
        values, slopes = (torch.cat(kind) for kind in zip(*blocks, strict=True))
        return values, slopes

    def _parts(self, q: Float[Tensor, " r"]) -> tuple[Float[Tensor, "2 r Q"], Float[Tensor, "2 r Q"]]:
        """Even and odd part of phi(sqrt(q) z), and of phi', at the nodes; their inner products are those under the Gaussian."""
        at = q.sqrt().unsqueeze(1) * self.nodes
        up, down = _evaluate(self.function, at), _evaluate(self.function, -at)
        scale = self.root * self.gauss
        values, slopes = (torch.stack([(u + d) / 2, (u - d) / 2]) * scale for u, d in zip(up, down, strict=True))
        return values, slopes

    def _check(self, q: Float[Tensor, " r"]) -> None:
        """Refuse a function that jumps, or grows too fast, at these variances."""
        for part in self._parts(q):
            squares = part.square().sum(0)
            if (squares[:, -1] > EDGE * squares.sum(1)).any():
                most = REACH * q.max().sqrt().item()
                raise ValueError(f"activation: it grows too fast for arguments up to {most:.3g}; allowed: as a polynomial")
        near = self.nodes[self.nodes < NEAR]
        at = q.sqrt().unsqueeze(1) * torch.cat([-near.flip(0), near])
        _check_jumps(at, *_evaluate(self.function, at))

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
            before, now = now, (self.nodes * now - sqrt(k) * before) / sqrt(k + 1)
        self.hermite = (before, now)
        return torch.stack([torch.stack(functions[parity::2], -1) for parity in (0, 1)])


def _exhausted(part: Float[Tensor, "2 r Q"], coefficients: list[Float[Tensor, "2 r k"]]) -> bool:
    """Whether what the coefficients leave of E[phi^2] is negligible, at every point."""
    whole = part.square().sum((0, 2))
    return bool((whole - sum(chunk.square().sum((0, 2)) for chunk in coefficients) <= TAIL * whole).all())


def _evaluate(function: Function, at: Tensor) -> tuple[Tensor, Tensor]:
    """phi and phi'."""
    with torch.inference_mode(False), torch.enable_grad():
        at = at.clone().requires_grad_()
        try:
            value = function(at.clone())  # which it may overwrite
        except Exception as error:
            raise _failed(error, at) from error
        if not isinstance(value, Tensor) or value.shape != at.shape or value.dtype != at.dtype:
            got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"activation: it returned {got}; allowed: elementwise, here {at.dtype} {tuple(at.shape)}")
        if not value.requires_grad:
            raise ValueError(
                "activation: autograd does not see its output depend on its input; allowed: differentiable functions"
            )
        try:
            (slope,) = torch.autograd.grad(value.sum(), at)
        except Exception as error:
            raise _failed(error, at) from error
    for name, tensor in (("value", value), ("derivative", slope)):
        if not tensor.isfinite().all():
            raise ValueError(f"activation: its {name} is not finite for arguments up to {at.abs().max().item():.3g}")
    return value.detach(), slope


def _failed(error: Exception, at: Tensor) -> ValueError:
    said = f"activation: it failed on {at.dtype} {tuple(at.shape)} with {type(error).__name__}: {error!s:.200}"
    return ValueError(f"{said}; allowed: elementwise functions, of tensors of any shape")


def _check_elementwise(function: Function, device: torch.device) -> None:
    """Refuse a function by whose output, or derivative, an entry depends on more than itself.

    Each entry has to be the same in a second call, in another place of a tensor of another shape, and among fewer entries.
    """
    generator = torch.Generator().manual_seed(0)
    at = 3 * torch.randn(TRIED, generator=generator, dtype=torch.float64, device="cpu").to(device)
    order = torch.randperm(at.numel(), generator=generator, device="cpu").to(device)
    whole = _evaluate(function, at)
    others = "other entries, on its place or on the shape"
    for cause, places in (
        ("chance, or on calls before", torch.arange(at.numel(), device=device).view(TRIED)),
        (others, order.view(TRIED[::-1])),
        (others, order[:11].unsqueeze(1)),
        (others, order[:11].unsqueeze(0)),
    ):
        for found, part in zip(_evaluate(function, at.flatten()[places]), whole, strict=True):
            wanted = part.flatten()[places]
            if (found - wanted).abs().max() > ALIKE * wanted.abs().max():
                raise ValueError(f"activation: an entry of its output depends on {cause}; allowed: elementwise functions")


def _check_jumps(at: Float[Tensor, "r Q"], value: Float[Tensor, "r Q"], slope: Float[Tensor, "r Q"]) -> None:
    """Refuse a function that changes between neighboring arguments by more than twice what its derivative there allows."""
    steepest = torch.nn.functional.max_pool1d(slope.abs(), 3, 1, 1)
    allowed = 2 * at.diff() * torch.maximum(steepest[:, 1:], steepest[:, :-1])
    beyond = value.diff().abs() > allowed + ALIKE * value.abs().amax(1, keepdim=True)
    if beyond.any():
        where = at[:, 1:][beyond].abs().min().item()
        raise ValueError(f"activation: it jumps near +-{where:.3g}; allowed: continuous functions, not too steep")


CLOSED: dict[str, Formula] = {"relu": _relu, "erf": _erf, "linear": _linear}
SMOOTH: dict[str, Function] = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu}


def moments_of(activation: str | Function, device: torch.device) -> Moments:
    """Return how the moments of an activation are taken: by its closed form, or as a series.

    Raises:
        ValueError: its name is unknown, or the function is not elementwise.
    """
    if isinstance(activation, str) and activation in CLOSED:
        return Closed(CLOSED[activation])
    if isinstance(activation, str) and activation in SMOOTH:
        return Series(SMOOTH[activation], device)
    if callable(activation):
        _check_elementwise(activation, device)
        return Series(activation, device)
    names = ", ".join(map(repr, (*CLOSED, *SMOOTH)))
    raise ValueError(f"activation = {activation!r} is not allowed; allowed: {names}, or an elementwise function of tensors")

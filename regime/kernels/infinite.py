"""`infinite_ntk`: NNGP and NTK of a fully connected network whose hidden layers are infinitely wide."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regime.errors import is_finite, is_integer, show
from regime.kernels.entries import check_finite
from regime.kernels.moments import Function, moments_of

LEAST, MOST = 1e-150, 1e150
"""Scales whose squares are numbers, not 0 or infinite."""


@dataclass(frozen=True)
class InfiniteKernel:
    """Both kernels of the outputs, (n, m), in the dtype of the points."""

    nngp: Float[Tensor, "n m"]
    ntk: Float[Tensor, "n m"]


@torch.no_grad()
def infinite_ntk(
    x: Float[Tensor, "n i"],
    other: Float[Tensor, "m i"] | None = None,
    *,
    depth: int,
    activation: str | Function = "relu",
    weight_std: float = 1.0,
    bias_std: float = 0.0,
    speeds: Sequence[tuple[float, float]] | None = None,
) -> InfiniteKernel:
    """K and Theta of h = weight_std W a / sqrt(fan_in) + bias_std b, W and b standard normal, readout included.

    With w = weight_std^2 and b = bias_std^2, from K_0(x, x') = Theta_0(x, x') = w x.x' / i + b, each hidden layer gives

        K_l     = w E[phi(u) phi(v)] + b,                  (u, v) ~ N(0, K_{l-1} on {x, x'})
        Theta_l = K_l + w E[phi'(u) phi'(v)] Theta_{l-1}

    K is the covariance of the outputs at initialization, Theta the tangent kernel, constant in training; both are those of one
    output, and different outputs are independent. Jacot et al. 2018 (arXiv 1806.07572), Lee et al. 2019 (arXiv 1902.06720).

    The expectations are closed forms for "relu" (arc-cosine kernels, Cho and Saul 2009), "erf" (Williams 1997) and "linear".
    Otherwise they are Hermite series in the correlation, sum_k a_k a'_k rho^k (Mehler's formula), whose coefficients come from
    quadrature. Relative to E[phi^2] and E[phi'^2] their errors are, measured on erf and relu,

        smooth, variance up to 10       1e-14
        smooth, variance 100            1e-14; 4e-10 and 2e-7 (phi, phi') where 0 < 1 - |rho| < 0.01
        smooth, variance 10^4           1e-8; 1e-3 and 0.3 there
        a kink at 0, any variance       1e-8; 1e-7 and 3e-3 there

    A kink elsewhere costs up to 1e-7 and 1e-2 at any correlation, rho = 1 too (shifted relu, kink within 2.5 standard
    deviations). The moments of the points of least, middle and largest variance are taken again with more nodes, and must not
    change by more than 1e-5 and 1e-2. Refused are functions that are not elementwise, as tried on random tensors (softmax,
    normalizations, dropout); that jump, or whose derivative has no second moment (the root of |z|), since their tangent kernel
    is infinite; that bend too sharply for the nodes (tanh at a variance of 10^8, a clamp to 0.001 standard deviations, a kink
    many of them away); that grow so fast that E[phi^2] lies beyond them.

    Closed forms and series work in float64. The diagonal of the kernel of x with itself is exact and the matrix symmetric; for
    other pairs the rounding of the correlation limits an angle to about 1e-8, and with it Theta of "relu" to about 1e-8.

    Args:
        x: n points.
        other: m points; None: the points x themselves.
        depth: hidden layers; 0 is a linear model.
        activation: "relu", "erf", "linear", "tanh", "gelu" (the exact one), or an elementwise function of tensors, continuous,
            with a derivative by autograd, that grows about as a polynomial; it may work in place.
        weight_std: positive scale of the weights.
        bias_std: scale of the biases; 0: none.
        speeds: for each layer, readout last, how fast weights and biases learn: the squares of their multipliers, the weights'
            times fan_in. None: (w, b) in every layer. A layer's own term of Theta, above w E[phi(u) phi(v)] + b, is then
            speed_w E[phi(u) phi(v)] + speed_b; zeros freeze it.

    Raises:
        ValueError: an argument is not allowed, or the kernel is too large or too small for its dtype.
    """
    _check_points("x", x)
    if other is not None:
        _check_points("other", other, x)
    if not is_integer(depth) or depth < 0:
        raise ValueError(f"depth = {depth!r} is not allowed; allowed: an integer from 0 up")
    weight = _number("weight_std", weight_std, zero=False) ** 2
    bias = _number("bias_std", bias_std, zero=True) ** 2
    moments = moments_of(activation, x.device)
    own = [(weight, bias)] * (int(depth) + 1) if speeds is None else _speeds(speeds, int(depth) + 1)

    left = x.double()
    right = left if other is None else other.double()
    inputs = x.shape[1]
    gram = left @ right.mT / inputs
    if other is None:
        gram.diagonal().copy_(left.square().sum(1) / inputs)
    nngp, ntk = weight * gram + bias, own[0][0] * gram + own[0][1]
    q, p = (_variance(points.square().sum(1) / inputs, points.any(1), weight, bias) for points in (left, right))
    for speed, speed_of_bias in own[1:]:
        values, slopes = moments.pairs(nngp, q, p)
        squares, steepness = moments.own(q)
        if other is None:
            values.diagonal().copy_(squares)
            slopes.diagonal().copy_(steepness)
        both = squares, squares if other is None else moments.own(p)[0]
        q, p = (_variance(square, square > 0, weight, bias) for square in both)
        nngp = weight * values + bias
        ntk = speed * values + speed_of_bias + weight * slopes * ntk
    if other is None:
        nngp, ntk = ((kernel + kernel.mT) / 2 for kernel in (nngp, ntk))
    kernels = InfiniteKernel(nngp.to(x.dtype), ntk.to(x.dtype))
    for kernel in (kernels.nngp, kernels.ntk):
        _check_size(kernel, torch.cat([q[q > 0], p[p > 0]]), x.dtype)
    return kernels


def _variance(squares: Float[Tensor, " n"], live: Bool[Tensor, " n"], weight: float, bias: float) -> Float[Tensor, " n"]:
    """weight squares + bias: the variance of a layer, which is no 0 where points or activations are `live`."""
    variance = weight * squares + bias
    _check_size(variance, variance[live], variance.dtype)
    return variance


def _check_size(kernel: Tensor, variances: Tensor, dtype: torch.dtype) -> None:
    """Refuse a kernel that is too large for a dtype, or has variances that are too small; raises ValueError."""
    if not kernel.isfinite().all():
        raise ValueError(f"x: its kernel overflows {dtype}; allowed: smaller points, weight_std, bias_std or depth")
    if (variances < torch.finfo(dtype).tiny).any():
        raise ValueError(f"x: its kernel vanishes in {dtype}; allowed: larger points, weight_std or bias_std, or less depth")


def _check_points(name: str, points: Tensor, like: Tensor | None = None) -> None:
    if not isinstance(points, Tensor) or not points.is_floating_point() or points.dim() != 2 or 0 in points.shape:
        got = f"{points.dtype} {tuple(points.shape)}" if isinstance(points, Tensor) else type(points).__name__
        raise ValueError(
            f"{name}: {got} is not allowed; allowed: a floating-point tensor (points, inputs), one of each at least"
        )
    if like is not None:
        got, allowed = ((f"{t.shape[1]} inputs", t.dtype, t.device) for t in (points, like))
        if got != allowed:
            raise ValueError(
                f"{name}: {', '.join(map(str, got))} is not allowed; allowed: as x, {', '.join(map(str, allowed))}"
            )
    check_finite(name, points)


def _number(name: str, value: float, *, zero: bool) -> float:
    if not is_finite(value) or not (0 if zero else LEAST) <= float(value) <= MOST:
        allowed = f"0 to {MOST:g}" if zero else f"{LEAST:g} to {MOST:g}"
        raise ValueError(f"{name} = {show(value)} is not allowed; allowed: a finite number from {allowed}")
    return float(value)


def _speeds(speeds: Sequence[tuple[float, float]], layers: int) -> list[tuple[float, float]]:
    pairs = list(speeds) if isinstance(speeds, Sequence) else []
    if len(pairs) != layers or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"speeds = {speeds!r:.80} is not allowed; allowed: one pair of numbers for each of {layers} layers")
    return [tuple(_number("speeds", speed, zero=True) for speed in pair) for pair in pairs]

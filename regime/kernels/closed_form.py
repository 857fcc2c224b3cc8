"""What a constant kernel predicts: gradient flow on the mean squared error at any time, and kernel regression.

The loss is L = 1/N sum_i 1/2 ||f(x_i) - y_i||^2 over N training points; time is steps times step size. Any kernel will do,
empirical or infinite: (n, m), shared by all C outputs, which then evolve independently, or (n, m, C, C), which couples them.
Everything is computed in float64 and returned in the dtype of the targets.
"""

from contextlib import suppress
from dataclasses import dataclass
from math import inf
from numbers import Real

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regime.errors import is_finite
from regime.kernels.entries import check_finite

Kernel = Float[Tensor, "n m"] | Float[Tensor, "n m C C"]

ROUNDING = 1e-4
"""Asymmetry and negative eigenvalues, relative to the largest entry and eigenvalue, that may be rounding (of float32 sums)."""


def gradient_flow(
    train_kernel: Kernel,
    initial: Float[Tensor, "N C"],
    targets: Float[Tensor, "N C"],
    time: float | Float[Tensor, "*t"],
    *,
    cross_kernel: Kernel | None = None,
    cross_initial: Float[Tensor, "m C"] | None = None,
) -> Float[Tensor, "*t N C"] | Float[Tensor, "*t m C"]:
    """The outputs f_t of df/dt = -Theta(., X) (f(X) - y) / N, in closed form.

        f_t(X) = y + exp(-Theta t / N) (f_0(X) - y)
        f_t(x) = f_0(x) - Theta(x, X) Theta^-1 (I - exp(-Theta t / N)) (f_0(X) - y)

    Theta^-1 (I - exp(-Theta t / N)) is taken per eigenvalue, t/N where that is zero: a singular kernel is no obstacle. At
    t = inf directions with an eigenvalue below D eps of the largest (D eigenvalues, eps that of the kernel's dtype) do not
    move, and f_t(x) is `kernel_regression` about f_0; at a finite time rounding in them grows to eps lambda_max t / N of the
    result. Jacot et al. 2018 (arXiv 1806.07572), Lee et al. 2019 (arXiv 1902.06720).

    Args:
        train_kernel: Theta(X, X), symmetric and positive semidefinite.
        initial: f_0(X).
        targets: y.
        time: zero or more, inf allowed; a tensor of times gives their shape in front of the result's.
        cross_kernel: Theta(x, X) of m other points with the training points; None: the outputs at X itself.
        cross_initial: f_0(x); with cross_kernel and not without.

    Raises:
        ValueError: shapes do not fit, an entry is not finite, the kernel is not symmetric or has negative eigenvalues, a time
            is negative, or the outputs are too large for the targets' dtype.
    """
    _check_targets(targets)
    _check_outputs("initial", initial, len(targets), targets)
    if (cross_kernel is None) != (cross_initial is None):
        raise ValueError("cross_initial: it is needed with cross_kernel, and allowed only with it")
    times = _times(time, targets.device)
    modes = Modes.of(train_kernel, targets)
    times = times.unsqueeze(-1) / len(targets)
    finite = times.nan_to_num(posinf=0.0)
    residual = initial.double() - targets.double()
    if cross_kernel is None:
        left = torch.where(times == inf, (~modes.live).double(), (-modes.values * finite).exp())
        return _rounded(targets.double() + modes.apply(left, residual), targets)
    _check_cross(cross_kernel, train_kernel, targets)
    _check_outputs("cross_initial", cross_initial, len(cross_kernel), targets)
    moved = torch.where(modes.values > 0, -torch.expm1(-modes.values * finite) / modes.values, finite)
    weights = modes.apply(torch.where(times == inf, modes.inverse(), moved), residual)
    return _rounded(cross_initial.double() - _product(cross_kernel, weights), targets)


def kernel_regression(
    train_kernel: Kernel,
    cross_kernel: Kernel,
    targets: Float[Tensor, "N C"],
    ridge: float = 0.0,
    *,
    initial: Float[Tensor, "N C"] | None = None,
    cross_initial: Float[Tensor, "m C"] | None = None,
) -> Float[Tensor, "m C"]:
    """f(x) = f_0(x) + K(x, X) (K(X, X) + ridge I)^-1 (y - f_0(X)); with ridge 0 the minimum-norm solution.

    With the tangent kernel this is gradient flow's limit from f_0; with the NNGP kernel, and f_0 = 0, it is the posterior mean
    for observation noise of variance ridge (Lee et al. 2019, arXiv 1902.06720). For ridge 0 the inverse is a pseudo-inverse,
    which drops the same eigenvalues as `gradient_flow` at t = inf.

    Args:
        train_kernel: K(X, X), symmetric and positive semidefinite.
        cross_kernel: K(x, X) of m points with the training points.
        targets: y.
        ridge: zero or more, added to the eigenvalues of K(X, X).
        initial: f_0(X); None: zero, and then cross_initial too.
        cross_initial: f_0(x).

    Raises:
        ValueError: shapes do not fit, an entry is not finite, the kernel is not symmetric or has negative eigenvalues, the
            ridge is negative, or the outputs are too large for the targets' dtype.
    """
    _check_targets(targets)
    if (initial is None) != (cross_initial is None):
        raise ValueError("cross_initial: it is needed with initial, and allowed only with it")
    if not is_finite(ridge) or ridge < 0:
        raise ValueError(f"ridge = {ridge!r:.80} is not allowed; allowed: a finite number from 0 up")
    modes = Modes.of(train_kernel, targets)
    residual = targets.double()
    if initial is not None:
        _check_outputs("initial", initial, len(targets), targets)
        residual = residual - initial.double()
    weights = modes.apply(1 / (modes.values + float(ridge)) if ridge > 0 else modes.inverse(), residual)
    _check_cross(cross_kernel, train_kernel, targets)
    outputs = _product(cross_kernel, weights)
    if cross_initial is not None:
        _check_outputs("cross_initial", cross_initial, len(cross_kernel), targets)
        outputs = outputs + cross_initial.double()
    return _rounded(outputs, targets)


def interpolation_weights(kernel: Float[Tensor, "*s D D"], residual: Float[Tensor, "*s D"]) -> Float[Tensor, "2 *s D"]:
    """w = (K + r I)^-1 y for residuals y, then w + (K + r I)^-1 (y - K w): kernel regression fast enough for use in every run.

    r = 10 D eps mean(diagonal), eps that of the kernel's dtype, is above what rounding leaves uncertain in K; directions with
    smaller eigenvalues fade, where `kernel_regression` drops them at once. The second weights fit what the first left, and are
    off by (r / lambda)^2 along an eigenvalue lambda, the first by r / lambda: where fits by the two differ, the ridge decides.
    By Cholesky in float64; nan where K is not finite, or not positive semidefinite to rounding.
    """
    d = kernel.shape[-1]
    matrix = kernel.double()
    ridge = (10 * d * torch.finfo(kernel.dtype).eps * matrix.diagonal(dim1=-2, dim2=-1).mean(-1))[..., None, None]
    factor, failed = torch.linalg.cholesky_ex(matrix + ridge * torch.eye(d, dtype=matrix.dtype, device=matrix.device))
    weights = torch.cholesky_solve(residual.double().unsqueeze(-1), factor)
    refined = weights + ridge * torch.cholesky_solve(weights, factor)
    both = torch.stack([weights, refined]).squeeze(-1)
    return both.masked_fill(failed.unsqueeze(-1) != 0, torch.nan).to(residual.dtype)


@dataclass(frozen=True)
class Modes:
    """Eigenvalues, none negative, and eigenvectors, in columns, of a kernel of the training points: D = N or N C."""

    values: Float[Tensor, " D"]
    vectors: Float[Tensor, "D D"]
    live: Bool[Tensor, " D"]
    """Whose eigenvalue is more than rounding."""

    @classmethod
    def of(cls, kernel: Kernel, targets: Float[Tensor, "N C"]) -> "Modes":
        """Return the modes of a kernel on the training points, checked to be symmetric and without negative eigenvalues.

        Raises:
            ValueError: the kernel is of another shape than the targets ask for, or is no kernel.
        """
        _check_kernel("train_kernel", kernel, len(targets), targets)
        matrix = _matrix(kernel)
        largest = matrix.abs().max()
        asymmetry = (matrix - matrix.mT).abs().max()
        if asymmetry > ROUNDING * largest:
            raise ValueError(
                f"train_kernel: entries across its diagonal differ by up to {asymmetry.item():.3g}; allowed: a symmetric kernel"
            )
        values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
        top = values.abs().max()
        if values[0] < -ROUNDING * top:
            raise ValueError(f"train_kernel: an eigenvalue is {values[0].item():.3g}; allowed: zero or more")
        return cls(values.clamp(min=0), vectors, values > len(values) * torch.finfo(kernel.dtype).eps * top)

    def inverse(self) -> Float[Tensor, " D"]:
        """Return one over each eigenvalue that is more than rounding, 0 for the others."""
        return torch.where(self.live, 1 / self.values, torch.zeros_like(self.values))

    def apply(self, function: Float[Tensor, "*t D"], outputs: Float[Tensor, "N C"]) -> Float[Tensor, "*t N C"]:
        """A function of the kernel, given at its eigenvalues, times outputs on the training points."""
        columns = outputs.reshape(len(self.values), -1)  # D = N C takes points and outputs together
        result = self.vectors @ (function.unsqueeze(-1) * (self.vectors.mT @ columns))
        return result.reshape(*function.shape[:-1], *outputs.shape)


def _times(time: object, device: torch.device) -> Float[Tensor, "*t"]:
    with suppress(TypeError, ValueError, RuntimeError, OverflowError):
        number = float(time) if isinstance(time, Real) and not isinstance(time, bool) else time  # torch takes no 10**30
        kind = torch.as_tensor(number).dtype
        if not kind.is_complex and kind != torch.bool:
            times = torch.as_tensor(number, dtype=torch.float64, device=device)
            if (times >= 0).all():
                return times
    raise ValueError(f"time = {time!r:.80} is not allowed; allowed: zero or more, or inf")


def _rounded(outputs: Tensor, targets: Tensor) -> Tensor:
    """Outputs in the dtype of the targets; raises ValueError where it does not hold them."""
    result = outputs.to(targets.dtype)
    if not result.isfinite().all():
        allowed = "targets of wider precision, or kernels of another scale"
        raise ValueError(f"targets: the outputs are not finite in {targets.dtype}; allowed: {allowed}")
    return result


def _matrix(kernel: Kernel) -> Float[Tensor, "n m"]:
    """In float64; a full kernel with points and outputs together, (n C, m C)."""
    kernel = kernel.double()
    return kernel if kernel.dim() == 2 else kernel.transpose(1, 2).flatten(2).flatten(0, 1)


def _product(kernel: Kernel, weights: Float[Tensor, "*t N C"]) -> Float[Tensor, "*t m C"]:
    """Theta(x, X) weights."""
    matrix = _matrix(kernel)
    result = matrix @ weights.reshape(*weights.shape[:-2], matrix.shape[1], -1)
    return result.reshape(*weights.shape[:-2], kernel.shape[0], weights.shape[-1])


def _check_kernel(name: str, kernel: Kernel, rows: int | None, targets: Float[Tensor, "N C"]) -> None:
    """(rows, N) or (rows, N, C, C); rows None: any number of points."""
    n, c = targets.shape
    shape = tuple(kernel.shape) if isinstance(kernel, Tensor) else ()
    m = shape[0] if rows is None and shape else rows
    if shape not in ((m, n), (m, n, c, c)):
        got = shape if isinstance(kernel, Tensor) else type(kernel).__name__
        m = "any number" if rows is None else rows
        raise ValueError(f"{name}: {got} is not allowed; allowed: a tensor ({m}, {n}) or ({m}, {n}, {c}, {c})")
    _check_entries(name, kernel, targets)


def _check_cross(cross: Kernel, train: Kernel, targets: Float[Tensor, "N C"]) -> None:
    _check_kernel("cross_kernel", cross, None, targets)
    if train.dim() != cross.dim():
        raise ValueError(f"cross_kernel: {cross.dim()} dimensions are not allowed; allowed: as train_kernel has, {train.dim()}")


def _check_outputs(name: str, outputs: Float[Tensor, "_ C"], rows: int, targets: Float[Tensor, "N C"]) -> None:
    if not isinstance(outputs, Tensor) or outputs.shape != (rows, targets.shape[1]):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"{name}: {got} is not allowed; allowed: a tensor ({rows}, {targets.shape[1]})")
    _check_entries(name, outputs, targets)


def _check_targets(targets: Float[Tensor, "N C"]) -> None:
    if not isinstance(targets, Tensor) or targets.dim() != 2 or 0 in targets.shape:
        got = tuple(targets.shape) if isinstance(targets, Tensor) else type(targets).__name__
        raise ValueError(f"targets: {got} is not allowed; allowed: a tensor (N, C), one of each at least")
    _check_entries("targets", targets, targets)


def _check_entries(name: str, tensor: Tensor, targets: Tensor) -> None:
    if not tensor.is_floating_point():
        raise ValueError(f"{name}: {tensor.dtype} is not allowed; allowed: a floating-point tensor")
    if tensor.device != targets.device:
        raise ValueError(f"{name}: device {tensor.device} is not allowed; allowed: that of the targets, {targets.device}")
    check_finite(name, tensor)

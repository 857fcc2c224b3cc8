"""Spectra of kernels."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

RESIDUAL = 1e-10
"""Of a largest eigenvalue that Lanczos stops at, relative to it; for tangent kernels, whose top stands apart, after some 16
products."""
LOOK = 8
"""Products from one look at the residual to the next."""

SMALL = 64
"""Rows up to which decomposing a whole matrix takes less time than Lanczos's first products do."""

CONSTANT = 100.0
"""What centering may leave of something constant, relative to its size, in units of its dtype's rounding."""


def top_eigenvalue(kernel: Float[Tensor, "*s n n"], iterations: int | None = None) -> Float[Tensor, "*s"]:
    """The largest eigenvalue of symmetric matrices, to the precision of their dtype; of large ones by `lanczos_top`."""
    if kernel.shape[-1] <= SMALL:
        return _eigenvalues(kernel)[..., -1]
    start = torch.cos(torch.arange(kernel.shape[-1], device=kernel.device, dtype=torch.float64) ** 2)
    return lanczos_top(
        lambda v: (kernel @ v.unsqueeze(-1).to(kernel.dtype)).squeeze(-1), start.expand(kernel.shape[:-1]), iterations
    )


def lanczos_top(
    matvec: Callable[[Float[Tensor, "*s n"]], Float[Tensor, "*s n"]],
    start: Float[Tensor, "*s n"],
    iterations: int | None = None,
) -> Float[Tensor, "*s"]:
    """The largest eigenvalue of symmetric operators, from products alone: Lanczos, reorthogonalized in full, in float64.

    It stops when the residual of the eigenvector, which bounds the error, is below rounding; so many products are exact as the
    operator has rows, and the result never exceeds the true value by more than rounding (Golub and Van Loan, Matrix
    Computations, chapter 10). nan where a product is not finite.

    Args:
        matvec: v -> A v, in float64 or what it is converted from.
        start: not zero, and not orthogonal to the eigenvector; it need not be normalized.
        iterations: products taken, whatever the residual; None: as many as it needs, at most n.
    """
    most = min(start.shape[-1], iterations or start.shape[-1])
    start = start.double()
    basis = [start / start.norm(dim=-1, keepdim=True)]
    alive = torch.ones_like(start[..., 0], dtype=torch.bool)
    largest = torch.zeros_like(start[..., 0])
    diagonal, beside = [], []
    for taken in range(1, most + 1):
        product = matvec(basis[-1])
        w, residual = product.double(), max(RESIDUAL, torch.finfo(product.dtype).eps)
        largest = torch.maximum(largest, w.norm(dim=-1))
        rayleigh = (w * basis[-1]).sum(-1)
        # Where the Krylov space is exhausted, a copy of the first entry, apart from the rest, changes no largest eigenvalue.
        diagonal.append(torch.where(alive, rayleigh, diagonal[0]) if diagonal else rayleigh)
        q = torch.stack(basis, dim=-1)
        for _ in range(2):
            w = w - (q @ (q.mT @ w.unsqueeze(-1))).squeeze(-1)
        norm = w.norm(dim=-1)
        alive = norm > 1e-12 * largest
        beside.append(torch.where(alive, norm, torch.zeros_like(norm)))
        basis.append(torch.where(alive.unsqueeze(-1), w / norm.unsqueeze(-1), torch.zeros_like(w)))
        if iterations is None and taken % LOOK == 0 and taken < most:
            top, left = _top(diagonal, beside)
            if not bool((left > residual * top.abs()).any()):
                return top
    return _top(diagonal, beside)[0]


def _top(diagonal: list[Float[Tensor, "*s"]], beside: list[Float[Tensor, "*s"]]) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue of tridiagonal matrices, nan where they are not finite; and the norm of its residual."""
    small = torch.diag_embed(torch.stack(diagonal, -1))
    if len(diagonal) > 1:
        small = small + torch.diag_embed(torch.stack(beside[:-1], -1), -1)  # eigh reads the lower triangle alone
    values, vectors = torch.linalg.eigh(_finite(small))
    return _known(values, small)[..., -1], beside[-1] * vectors[..., -1, -1].abs()


def _finite(matrix: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n n"]:
    """The matrices, zero where one is not finite: no decomposition takes those."""
    return torch.where(matrix.isfinite().all(-1).all(-1)[..., None, None], matrix, torch.zeros_like(matrix))


def _known(values: Float[Tensor, "*s n"], matrix: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n"]:
    """Eigenvalues, nan where the matrix is not finite."""
    return values.masked_fill(~matrix.isfinite().all(-1).all(-1)[..., None], torch.nan)


def _eigenvalues(kernel: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n"]:
    """All eigenvalues in float64, ascending."""
    return _known(torch.linalg.eigvalsh(_finite(kernel).double()), kernel)


def effective_rank(kernel: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s"]:
    """exp(-sum p log p), p the eigenvalues over their sum (Roy and Vetterli 2007): r for r equal ones and zeros.

    Negative eigenvalues of a positive semidefinite kernel are rounding and count as zero. nan where the kernel is zero or not
    finite.
    """
    values = _eigenvalues(kernel).clamp(min=0)
    share = values / values.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


def alignment(kernel: Float[Tensor, "*s n n"], targets: Float[Tensor, "*s n C"]) -> Float[Tensor, "*s"]:
    """<H K H, H y y^T H> / (||H K H|| ||H y y^T H||), H = I - 11^T/n: the cosine of two kernels, both centered.

    Cortes, Mohri and Rostamizadeh 2012 (JMLR 13). 0 to 1; 1 where the centered kernel is a multiple of the targets' own. nan
    where targets or kernel are constant: centering leaves nothing of them but their dtype's rounding.
    """
    centered = _centered(_centered(kernel.double(), -1), -2)
    y = _centered(targets.double(), -2)
    inner = (centered @ y * y).sum((-2, -1))
    cosine = inner / (centered.norm(dim=(-2, -1)) * (y.mT @ y).norm(dim=(-2, -1)))
    defined = torch.ones_like(cosine, dtype=torch.bool)
    for part, left in ((kernel, centered), (targets, y)):
        small = CONSTANT * torch.finfo(part.dtype).eps * part.double().norm(dim=(-2, -1))
        defined = defined & (left.norm(dim=(-2, -1)) > small)
    return torch.where(defined, cosine, torch.full_like(cosine, torch.nan)).clamp(0, 1)


def _centered(tensor: Tensor, dim: int) -> Tensor:
    return tensor - tensor.mean(dim, keepdim=True)

"""Spectra of kernels."""

import torch
from jaxtyping import Float
from torch import Tensor

LANCZOS = 40
"""Iterations; on tangent kernels, whose top eigenvalue stands apart, a third of them would do."""


def top_eigenvalue(kernel: Float[Tensor, "*s n n"], iterations: int = LANCZOS) -> Float[Tensor, "*s"]:
    """The largest eigenvalue of symmetric matrices by Lanczos with full reorthogonalization, to the precision of their dtype.

    Exact once `iterations` reaches n; before, its error falls exponentially, and it never exceeds the true value by more than
    rounding (Golub and Van Loan, Matrix Computations, chapter 10). nan where an entry is not finite.
    """
    n = kernel.shape[-1]
    largest = kernel.abs().amax((-2, -1))
    finite = largest.isfinite()
    kernel = torch.where(finite[..., None, None], kernel, torch.zeros_like(kernel))
    start = torch.cos(torch.arange(n, device=kernel.device, dtype=torch.float64) ** 2)
    basis = [(start / start.norm()).expand(kernel.shape[:-1])]
    diagonal, beside = [], []
    for _ in range(min(iterations, n)):
        w = (kernel @ basis[-1].unsqueeze(-1).to(kernel.dtype)).squeeze(-1).double()
        diagonal.append((w * basis[-1]).sum(-1))
        q = torch.stack(basis, dim=-1)
        for _ in range(2):
            w = w - (q @ (q.mT @ w.unsqueeze(-1))).squeeze(-1)
        beside.append(w.norm(dim=-1))
        live = beside[-1] > 1e-12 * largest
        beside[-1] = torch.where(live, beside[-1], torch.zeros_like(beside[-1]))
        basis.append(torch.where(live[..., None], w / w.norm(dim=-1, keepdim=True), torch.zeros_like(w)))
    small = torch.diag_embed(torch.stack(diagonal, -1))
    if len(diagonal) > 1:
        off = torch.stack(beside[:-1], -1)
        small = small + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    finite = finite & small.isfinite().all(-1).all(-1)
    top = torch.linalg.eigvalsh(torch.where(finite[..., None, None], small, torch.zeros_like(small)))[..., -1]
    return torch.where(finite, top, torch.full_like(top, torch.nan))

"""How far hidden representations moved. Representations are (..., n, d), one row a point."""

import torch
from jaxtyping import Float
from torch import Tensor


def _u_centered(gram: Float[Tensor, "*s n n"]) -> Float[Tensor, "*s n n"]:
    """U-centering: zero diagonal, rows and columns that sum to zero (Szekely and Rizzo 2014)."""
    n = gram.shape[-1]
    off = gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))
    rows = off.sum(-1, keepdim=True) / (n - 2)
    centered = off - rows - rows.mT + off.sum((-2, -1), keepdim=True) / ((n - 1) * (n - 2))
    return centered - torch.diag_embed(centered.diagonal(dim1=-2, dim2=-1))


def debiased_cka(x: Float[Tensor, "*s n p"], y: Float[Tensor, "*s n q"]) -> Float[Tensor, "*s"]:
    """Linear CKA with the unbiased HSIC estimator: 1 for representations equal up to rotation and scale, 0 in mean for
    independent ones whatever n and p (the biased estimator would say about p / (n + p)). It needs n >= 4.

    Source: Kornblith et al. 2019 (arXiv 1905.00414) with the estimator of Song et al. 2012.
    """
    n = x.shape[-2]
    if n < 4:
        raise ValueError(f"debiased CKA needs at least 4 points, got {n}")
    a, b = (_u_centered(h.double() @ h.double().mT) for h in (x, y))
    cross, own_a, own_b = ((p * q).sum((-2, -1)) for p, q in ((a, b), (a, a), (b, b)))
    return cross / (own_a * own_b).sqrt()


def representation_change(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """1 - debiased CKA(h_t, h_0)."""
    return (1 - debiased_cka(now, start)).clamp(min=0)


def feature_movement(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """||h_t - h_0||_F / ||h_0||_F."""
    difference, start = now.double() - start.double(), start.double()
    return difference.square().sum((-2, -1)).sqrt() / start.square().sum((-2, -1)).sqrt()

"""How far hidden representations moved. Representations are (*s, n, d), one row a point.

With `weights` (B, n), zeros and ones that choose points, results are (*s, B).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from regime.measures.kernel import Weights, weighted


def _hsic(a: Float[Tensor, "*s n n"], b: Float[Tensor, "*s n n"], weights: Float[Tensor, "B n"]) -> Float[Tensor, "*s B"]:
    """Unbiased HSIC of hollow Gram matrices, on each subset of m points that a row of zeros and ones names.

    [tr(a b) + 1.a.1 1.b.1 / ((m - 1)(m - 2)) - 2 / (m - 2) 1.a b.1] / (m (m - 3))     (Song et al. 2012)
    """
    m = weights.sum(-1)
    rows = [weights @ gram for gram in (a, b)]
    wholes = [(row * weights).sum(-1) for row in rows]
    cross = (rows[0] * rows[1] * weights).sum(-1)
    return (weighted(a * b, weights) + wholes[0] * wholes[1] / ((m - 1) * (m - 2)) - 2 / (m - 2) * cross) / (m * (m - 3))


def magnified_features(x: Float[Tensor, "*s n p"]) -> Float[Tensor, "*s"]:
    """||h||_F / ||H h||_F: how many times larger rounding, relative to features, is relative to the centered ones."""
    mean = x.mean(-2, keepdim=True, dtype=torch.float64)
    sizes = (torch.linalg.vector_norm(part, dim=(-2, -1), dtype=torch.float64) for part in (x, x - mean.to(x.dtype)))
    return next(sizes) / next(sizes)


def hollow(x: Float[Tensor, "*s n p"]) -> Float[Tensor, "*s n n"]:
    """Gram matrix of the centered points, in float64, with a zero diagonal: all that debiased CKA needs of them."""
    n = x.shape[-2]
    if n < 4:
        raise ValueError(f"debiased CKA needs at least 4 points, got {n}")
    # The estimator is the same for centered points, which keep its terms from cancelling.
    x = x.double() - x.double().mean(-2, keepdim=True)
    gram = x @ x.mT
    gram.diagonal(dim1=-2, dim2=-1).zero_()
    return gram


def cka_of_grams(a: Float[Tensor, "*s n n"], b: Float[Tensor, "*s n n"], weights: Weights) -> Float[Tensor, "*s B"]:
    """Return `debiased_cka` of subsets of points.

    Args:
        a, b: `hollow` Gram matrices of both representations.
        weights: (B, n), zeros and ones that choose points.
    """
    return _hsic(a, b, weights) / (_hsic(a, a, weights) * _hsic(b, b, weights)).sqrt()


def debiased_cka(x: Float[Tensor, "*s n p"], y: Float[Tensor, "*s n q"]) -> Float[Tensor, "*s"]:
    """Return linear CKA of two representations of the same n points, at least 4, with the unbiased HSIC estimator.

    It is 1 for representations equal up to rotation and scale, and 0 in mean for independent ones whatever n and p (the biased
    estimator would say about p / (n + p)).

    Source: Kornblith et al. 2019 (arXiv 1905.00414) with the estimator of Song et al. 2012.
    """
    return cka_of_grams(hollow(x), hollow(y), torch.ones(1, x.shape[-2], dtype=torch.float64, device=x.device)).squeeze(-1)


def representation_change(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """Return 1 - debiased CKA(h_t, h_0)."""
    return (1 - debiased_cka(now, start)).clamp(min=0)


def feature_movement(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"], weights: Weights | None = None) -> Tensor:
    """Return ||h_t - h_0||_F / ||h_0||_F.

    Args:
        now: h_t.
        start: h_0.
        weights: (B, n) of the points; with them the result is (*s, B).
    """
    moved, size = ((part.square().sum(-1)) for part in (now.double() - start.double(), start.double()))
    if weights is None:
        return (moved.sum(-1) / size.sum(-1)).sqrt()
    return ((moved @ weights.mT) / (size @ weights.mT)).sqrt()


def principal_plane(x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
    """Return the points along the two principal directions of their representation, centered, in float64.

    The coordinate that is largest in size is positive, in either direction.
    """
    x = x.double() - x.double().mean(0)
    shares, vectors = torch.linalg.eigh(x @ x.mT)
    plane = (vectors * shares.clamp(min=0).sqrt())[:, -2:].flip(1)
    return plane * plane.gather(0, plane.abs().argmax(0, keepdim=True)).sign()


def aligned(now: Float[Tensor, "n d"], start: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return the points turned, and perhaps mirrored, to lie as near as they can to where they were at the start.

    Orthogonal Procrustes: now R with the orthogonal R that minimizes ||now R - start||_F.
    """
    u, _, vh = torch.linalg.svd(now.mT @ start)
    return now @ (u @ vh)

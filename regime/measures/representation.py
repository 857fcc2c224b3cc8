"""How far hidden representations moved. Representations are (*s, n, d), one row a point."""

import torch
from jaxtyping import Float
from torch import Tensor

from regime.measures.kernel import Resampled, Weights, weighted


class _Gram:
    """Gram matrix of the centered points, with a zero diagonal: all that debiased CKA needs of them."""

    def __init__(self, x: Float[Tensor, "*s n p"], weights: Weights) -> None:
        """Take a representation's, in float64, with what each subset of its points needs of it.

        Raises:
            ValueError: debiased CKA is not defined of so few points.
        """
        n = x.shape[-2]
        if n < 4:
            raise ValueError(f"debiased CKA needs at least 4 points, got {n}")
        # The estimator is the same for centered points, which keep its terms from cancelling.
        whole = x.double()
        mean = whole.mean(-2, keepdim=True)
        centered = whole - mean
        self.entries, self.weights = centered @ centered.mT, weights
        diagonal = self.entries.diagonal(dim1=-2, dim2=-1)
        self.magnified: Float[Tensor, "*s"] = (1 + n * mean.square().sum((-2, -1)) / diagonal.sum(-1)).sqrt()
        """||h||_F / ||H h||_F."""
        diagonal.zero_()
        self.rows = weights @ self.entries
        self.wholes = (self.rows * weights).sum(-1)
        self.size = self.hsic(self)

    def hsic(self, other: "_Gram") -> Float[Tensor, "*s B"]:
        """Return unbiased HSIC of two, on each subset of m points that a row of the weights names.

        [tr(a b) + 1.a.1 1.b.1 / ((m - 1)(m - 2)) - 2 / (m - 2) 1.a b.1] / (m (m - 3))     (Song et al. 2012)
        """
        m = self.weights.sum(-1)
        whole = weighted(self.entries * other.entries, self.weights) + self.wholes * other.wholes / ((m - 1) * (m - 2))
        return (whole - 2 / (m - 2) * (self.rows * other.rows * self.weights).sum(-1)) / (m * (m - 3))

    def cka(self, other: "_Gram") -> Float[Tensor, "*s B"]:
        """Return `debiased_cka` of both representations on each subset."""
        return self.hsic(other) / (self.size * other.size).sqrt()


def debiased_cka(x: Float[Tensor, "*s n p"], y: Float[Tensor, "*s n q"]) -> Float[Tensor, "*s"]:
    """Return linear CKA of two representations of the same n points, at least 4, with the unbiased HSIC estimator.

    It is 1 for representations equal up to rotation and scale, and 0 in mean for independent ones whatever n and p (the biased
    estimator would say about p / (n + p)).

    Source: Kornblith et al. 2019 (arXiv 1905.00414) with the estimator of Song et al. 2012.
    """
    every = torch.ones(1, x.shape[-2], dtype=torch.float64, device=x.device)
    return _Gram(x, every).cka(_Gram(y, every)).squeeze(-1)


def representation_change(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """Return 1 - debiased CKA(h_t, h_0)."""
    return (1 - debiased_cka(now, start)).clamp(min=0)


def feature_movement(now: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"]) -> Float[Tensor, "*s"]:
    """Return ||h_t - h_0||_F / ||h_0||_F."""
    return (_squares(now, start).sum(-1) / _squares(start).sum(-1)).sqrt()


def _squares(x: Float[Tensor, "*s n d"], start: Float[Tensor, "*s n d"] | None = None) -> Float[Tensor, "*s n"]:
    """Each point's squared norm, or squared distance."""
    return (x.double() if start is None else x.double() - start.double()).square().sum(-1)


class StartFeatures:
    """h_0, with what comparing another representation with it on B subsets of the points takes again and again."""

    def __init__(self, x: Float[Tensor, "*s n d"], weights: Weights) -> None:
        """Prepare the comparison with h_0 on subsets, each a row of ones and zeros among the weights."""
        self.x, self.weights, self.gram = x, weights, _Gram(x, weights)
        self.size: Float[Tensor, "*s B"] = _squares(x) @ weights.mT

    def resampled(self, now: Float[Tensor, "*s n d"]) -> Resampled:
        """Return representation_change and feature_movement of h_t on the subsets."""
        now = now.double()
        gram = _Gram(now, self.weights)
        drawn = {
            "representation_change": (1 - gram.cka(self.gram)).clamp(min=0),
            "feature_movement": (_squares(now, self.x) @ self.weights.mT / self.size).sqrt(),
        }
        return Resampled(drawn, torch.maximum(gram.magnified, self.gram.magnified))


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

"""How far the trained function left its linear prediction. Outputs are (*s, n, C)."""

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from regime.measures.kernel import Weights

Outputs = Float[Tensor, "*s n C"]


def linear_gap(outputs: Outputs, linear: Outputs, start: Outputs, weights: Weights | None = None) -> Tensor:
    """Return ||f_t - f_lin,t|| / ||f_t - f_0|| over points and outputs; nan before anything moved.

    It is infinite of a prediction that diverged to what is no number, as a twin's may in a run that does not.

    Against the twin this is the linearization gap, against the expansion along the real path the Taylor gap.

    Args:
        outputs: f_t.
        linear: f_lin,t.
        start: f_0.
        weights: (B, n) of the points; with them the result is (*s, B).
    """
    missed, moved = ((outputs.double() - other.double()).square().sum(-1) for other in (linear, start))
    if weights is None:
        missed, moved = missed.sum(-1), moved.sum(-1)
    else:
        missed, moved = missed @ weights.mT, moved @ weights.mT
    return (_diverged(missed) / moved).sqrt().where(moved > 0, torch.nan)


def gap_by_mode(
    outputs: Outputs, linear: Outputs, start: Outputs, modes: Float[Tensor, "*s n n"], bands: list[slice]
) -> Float[Tensor, "*s K"]:
    """Return the linear gap within each band of modes of Theta_0: the slow ones leave the linear path first.

    Args:
        outputs: f_t.
        linear: f_lin,t.
        start: f_0.
        modes: eigenvectors of Theta_0, as columns.
        bands: the modes of each of the K bands.
    """
    missed, moved = ((modes.mT @ (outputs.double() - other.double())).square().sum(-1) for other in (linear, start))
    return torch.stack([(missed[..., band].sum(-1) / moved[..., band].sum(-1)).sqrt() for band in bands], -1)


def unexplained(outputs: Outputs, linear: Outputs, start: Outputs) -> tuple[Float[Tensor, "*s"], Float[Tensor, "*s"]]:
    """Return what the forecast missed, and what there was to foresee.

    They are sum ||f_t - f_lin,t||^2 and sum ||f_t - f_0 - its mean over points||^2. One minus their ratio, both summed along
    the path, is the forecast skill: what was there at the start is no forecast.

    Args:
        outputs: f_t.
        linear: f_lin,t.
        start: f_0.
    """
    actual, predicted = outputs.double() - start.double(), linear.double() - start.double()
    around = actual - actual.mean(-2, keepdim=True)
    return _diverged((actual - predicted).square().sum((-2, -1))), around.square().sum((-2, -1))


def _diverged(missed: Tensor) -> Tensor:
    """A squared distance, infinite where it is no number: what diverged is ever further away."""
    return missed.nan_to_num(nan=inf, posinf=inf)

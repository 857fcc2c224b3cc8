"""How far the trained function left its linear prediction."""

from jaxtyping import Float
from torch import Tensor


def linear_gap(
    outputs: Float[Tensor, "*s n C"], linear: Float[Tensor, "*s n C"], start: Float[Tensor, "*s n C"]
) -> Float[Tensor, "*s"]:
    """||f_t - f_lin,t|| / ||f_t - f_0|| over points and outputs; nan before anything moved.

    Against the twin this is the linearization gap, against the expansion along the real path the Taylor gap.
    """
    missed = (outputs.double() - linear.double()).square().sum((-2, -1))
    moved = (outputs.double() - start.double()).square().sum((-2, -1))
    return (missed / moved).sqrt()

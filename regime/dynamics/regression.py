"""Kernel regression beside a run: its losses, and what rounding, and the ridge that stands against it, leave open of them."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

TOLD = 0.02
"""Share of a loss that fitting again what the first fit left may change; where it changes more, the ridge decides the loss.
Strict, since directions far below the ridge hide from both fits."""
SMALL = 0.01
"""Share of the loss before the fit that a smaller loss counts as: what is nearly nothing may vary by as much."""
ROUNDED = 2
"""How often a fit is made again as other rounding in the steps before would have it."""
BEYOND = 4.303
"""Student's t at 97.5% for two draws, of mean 0: one more draw lies within so many root mean squares of theirs in 95%."""
SINGULAR = "the kernel is too near singular for its precision: the ridge that stands against rounding decides the fit"


def fit_scores(
    fits: dict[str, Float[Tensor, "K *s n C"]],
    start: dict[str, Float[Tensor, "*s n C"]],
    score: Callable[[str, Tensor], dict[str, Float[Tensor, "*s"]]],
) -> tuple[dict[str, Float[Tensor, "*s"]], dict[str, Float[Tensor, "*s"]]]:
    """Return scores of the second of two fits, nan where the ridge decides them, and their floors: how far others' are off.

    Args:
        fits: outputs by points, "train" and "test", of both `interpolation_weights`; then `ROUNDED` such as the second's with
            other rounding, or none.
        start: the outputs before the fit.
        score: gives the scores of outputs at points by name, such as "test_loss".
    """
    found, floors = {}, {}
    for name, each in fits.items():
        before, first, scores, *others = (score(name, outputs) for outputs in (start[name], *each))
        loss = f"{name}_loss"
        told = (scores[loss] - first[loss]).abs() <= TOLD * torch.maximum(scores[loss], SMALL * before[loss])
        found |= {measure: value.masked_fill(~told, torch.nan) for measure, value in scores.items()}
        for measure, value in scores.items():
            squares = [(value - other[measure]).square() for other in others]
            rounded = BEYOND * (sum(squares) / ROUNDED) ** 0.5 if others else 0.0
            floors[measure] = (value - first[measure]).abs() + rounded
    return found, floors

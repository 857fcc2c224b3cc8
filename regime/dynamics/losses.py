"""Losses and errors of outputs F against targets y. Two classes are one output, -1 or +1; C classes one-hot less 1/C."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Outputs = Float[Tensor, "*s n C"]
Targets = Float[Tensor, "n C"]


class Loss(NamedTuple):
    """1/n sum of l(F, y), dl/dF point by point, and the largest eigenvalue that d2l/dF2 can have."""

    value: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    curvature: float


def mse(outputs: Outputs, targets: Targets) -> Float[Tensor, "*s"]:
    """Return 1/n sum of 1/2 ||F - y||**2."""
    return (outputs - targets).square().sum((-2, -1)) / (2 * targets.shape[-2])


def logistic(outputs: Outputs, targets: Targets) -> Float[Tensor, "*s"]:
    """Return the cross-entropy of two classes, 1/n sum of log(1 + exp(-y F))."""
    return functional.softplus(-targets * outputs).sum((-2, -1)) / targets.shape[-2]


def softmax(outputs: Outputs, targets: Targets) -> Float[Tensor, "*s"]:
    """Return the cross-entropy of C classes, 1/n sum of log sum_c exp(F_c) - F_label."""
    hot = targets + 1 / targets.shape[-1]
    return (outputs.logsumexp(-1) - (hot * outputs).sum(-1)).mean(-1)


LOSSES = {
    "mse": Loss(mse, lambda f, y: f - y, 1.0),
    "logistic": Loss(logistic, lambda f, y: -y * torch.sigmoid(-y * f), 0.25),
    "softmax": Loss(softmax, lambda f, y: f.softmax(-1) - (y + 1 / y.shape[-1]), 0.5),
}


def loss_named(name: str, outputs: int) -> Loss:
    """Return the loss that a configuration names, for so many outputs: cross-entropy of one output is logistic."""
    return LOSSES["mse" if name == "mse" else "logistic" if outputs == 1 else "softmax"]


def error(outputs: Outputs, targets: Targets, classes: int) -> Float[Tensor, "*s"]:
    """Return the share of points in the wrong class, zeros counting half; in regression squared error over variance.

    Args:
        outputs: F, not a number where training diverged, and so is the error then; not finite where targets have no variance.
        targets: -1 and +1 for two classes, one-hot less 1/C for C, numbers in regression.
        classes: C, or 0 in regression.
    """
    if classes == 0:
        spread = (targets - targets.mean(-2, keepdim=True)).square().sum((-2, -1))
        return (outputs - targets).square().sum((-2, -1)) / (spread * _vary(targets))
    if classes == 2:
        wrong = (1 - outputs.sign() * targets.sign()).mean((-2, -1)) / 2
    else:
        wrong = (outputs.argmax(-1) != targets.argmax(-1)).to(outputs.dtype).mean(-1)
    return torch.where(outputs.isfinite().all(-1).all(-1), wrong, torch.full_like(wrong, torch.nan))


def undefined_errors(targets: Mapping[str, Targets], classes: int, predictors: Iterable[str]) -> dict[str, str]:
    """Return why errors are not defined, by name: in regression, those on points whose targets are all the same.

    Args:
        targets: by points, such as "train".
        classes: as in `error`.
        predictors: what is before the names of each one's errors.
    """
    still = [points for points, y in targets.items() if classes == 0 and not _vary(y)]
    return {f"{who}{points}_error": "the targets are constant" for who in predictors for points in still}


def _vary(targets: Targets) -> Bool[Tensor, ""]:
    return (targets != targets[:1]).any()  # the mean of equal targets is off by rounding

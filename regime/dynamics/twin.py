"""The linearized twin: f_lin = f(theta_0) + J_0 (theta - theta_0), trained by the network's optimizer on the same batches.

Without Adam its parameters only ever move along theta_0 and the rows of J_0 at the training points: theta = d theta_0 +
J_0(X)^T c / alpha. So the coefficients c and the share d are its whole state. A step of descent on the batch B takes

    c <- (1 - learning_rate decay) c - learning_rate dL/dF_B,     d <- (1 - learning_rate decay) d

with momentum on both where there is some, and F_lin(x) = F_0(x) + (d - 1) U_0(x) + Theta_0(x, X) c anywhere, exactly, with
U_0 = alpha J_0 theta_0, whatever alpha is. Adam scales each parameter by itself: its twin lives in parameter space.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.dynamics.losses import Loss
from regime.dynamics.optimizers import Descent, PerRow


class TwinPoints(NamedTuple):
    """M points as the twins see them. Kernels are full, all pairs of outputs, or where outputs do not mix one for them all."""

    start: Float[Tensor, "S M C"]
    """F_0."""
    rows: Float[Tensor, "S MC NC"] | Float[Tensor, "S M N"] | None
    """Theta_0 between these and the training points; None for Adam."""
    along: Float[Tensor, "S M C"] | None = None
    """U_0 = alpha J_0 theta_0; None without weight decay, and for Adam."""
    jacobian: Any = None
    """For Adam: what J_0 is made of."""


class TwinState(NamedTuple):
    """Where a twin in function space stands."""

    coefficients: Float[Tensor, "S N C"]
    share: PerRow


@dataclass
class Twin:
    """S linearized models at once, in function space; `descent.learning_rate` includes the parameterization's n^-c."""

    train: TwinPoints
    y: Float[Tensor, "N C"]
    loss: Loss
    descent: Descent
    state: TwinState = field(init=False)
    velocity: TwinState = field(init=False)

    def __post_init__(self) -> None:
        self.state = TwinState(torch.zeros_like(self.train.start), 1.0)
        self.velocity = TwinState(torch.zeros_like(self.train.start), 0.0)

    def step(self, batch: Int[Tensor, "B"] | None = None) -> None:
        """Take the step that the network takes on the same batch."""
        outputs, rate, coupled = self.outputs(self.train), self.descent.learning_rate, self.descent.coupled
        if batch is None:
            force = self.loss.gradient(outputs, self.y) / self.y.shape[0]
        else:
            force = torch.zeros_like(outputs)
            force[:, batch] = self.loss.gradient(outputs[:, batch], self.y[batch]) / batch.shape[0]
        pull = 0.0
        if self.descent.momentum:
            pull = self.descent.momentum * self.velocity.share + coupled * self.state.share
            force = force + self.descent.momentum * self.velocity.coefficients
            if coupled:
                force = force + coupled * self.state.coefficients
            self.velocity = TwinState(force, pull)
        kept = self.descent.shrink
        self.state = TwinState(kept * self.state.coefficients - rate * force, kept * self.state.share - rate * pull)

    def outputs(self, points: TwinPoints) -> Float[Tensor, "S M C"]:
        """Return F_lin at some points; points of fewer seeds take the first ones."""
        coefficients = self.state.coefficients[: points.start.shape[0]]
        if points.rows.shape[-1] == coefficients.shape[-2]:
            moved = points.rows @ coefficients
        else:
            moved = (points.rows @ coefficients.flatten(-2).unsqueeze(-1)).view_as(points.start)
        if points.along is not None:
            moved = moved + (self.state.share - 1) * points.along
        return points.start + moved

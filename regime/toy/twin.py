"""The linearized twin: f_lin = f(theta_0) + J_0 (theta - theta_0), trained beside the network in function space.

Its parameters only ever move along the rows of J_0 at the training points, theta - theta_0 = J_0(X)^T c, so the coefficients c
(and their velocity) are its whole state: for a step on the batch B, c_B <- c_B - learning_rate (F_lin - y)_B / |B|, and
F_lin(x) = F_0(x) + Theta_0(x, X) c anywhere, exactly, for descent with or without momentum, whatever alpha is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.toy.training import Descent


@dataclass
class Twin:
    """S linearized models at once. Kernels are full: (S, points C, N C), all pairs of outputs."""

    kernel: Float[Tensor, "S NC NC"]
    start: Float[Tensor, "S N C"]
    y: Float[Tensor, "N C"]
    descent: Descent
    coefficients: Float[Tensor, "S N C"]
    velocity: Float[Tensor, "S N C"] | None

    @classmethod
    def begin(cls, kernel: Tensor, start: Tensor, y: Tensor, descent: Descent) -> "Twin":
        """The twin before its first step, from Theta_0(X, X) and F_0(X)."""
        return cls(kernel, start, y, descent, torch.zeros_like(start), descent.velocity(start))

    def step(self, batch: Int[Tensor, "B"] | None = None) -> None:
        """The step the network takes on the same batch."""
        residual = predict(self.kernel, self.start, self.coefficients) - self.y
        if batch is None:
            gradient = residual / self.y.shape[0]
        else:
            gradient = torch.zeros_like(residual)
            gradient[:, batch] = residual[:, batch] / batch.shape[0]
        if self.velocity is not None:
            gradient = self.velocity = self.velocity * self.descent.momentum + gradient
        self.coefficients = self.coefficients - self.descent.learning_rate * gradient


def predict(
    kernel: Float[Tensor, "S MC NC"], start: Float[Tensor, "S M C"], coefficients: Float[Tensor, "S N C"]
) -> Float[Tensor, "S M C"]:
    """F_lin at M points, from Theta_0 between them and the training points."""
    return start + (kernel @ coefficients.flatten(-2).unsqueeze(-1)).squeeze(-1).view_as(start)

"""The regression of Kumar et al. 2023: a network of one hidden layer learns a square, and its test loss is known exactly.

The network is f(x) = alpha mean_i phi(w_i x) with phi(h) = h + epsilon h^2 / 2, inputs are N(0, 1/D), weights start at N(0, 1),
and the target is (beta x)^2 / 2 with |beta|^2 = D. As phi is quadratic, f(x) = alpha (m x + epsilon x M x / 2) depends alone
on m, the mean of the weights, and on M, that of w w^T; and so do their changes by gradient descent.
"""

from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor

RATE = 1 / 6
"""Step size over D, of the loss whose gradient alpha^2 divides."""


class Polynomial(NamedTuple):
    """S regressions."""

    x: Float[Tensor, "S P D"]
    y: Float[Tensor, "S P"]
    beta: Float[Tensor, "S D"]

    @classmethod
    def draw(cls, seeds: int, inputs: int, samples: int) -> Self:
        """Draw the regressions.

        Args:
            seeds: how many.
            inputs: D.
            samples: P.
        """
        random = torch.Generator().manual_seed(0)
        x = torch.randn(seeds, samples, inputs, generator=random, dtype=torch.float64, device="cpu") / sqrt(inputs)
        beta = torch.randn(seeds, inputs, generator=random, dtype=torch.float64, device="cpu")
        beta *= sqrt(inputs) / beta.norm(dim=1, keepdim=True)
        return cls(x, (x @ beta.unsqueeze(2)).squeeze(2).square() / 2, beta)


class Network(NamedTuple):
    """S networks, by what their functions depend on."""

    mean: Float[Tensor, "S D"]
    second: Float[Tensor, "S D D"]
    alpha: float
    epsilon: float

    @classmethod
    def of(cls, weights: Float[Tensor, "S D N"], alpha: float, epsilon: float) -> Self:
        """Build the networks of some weights.

        Args:
            weights: of N units.
            alpha: output scale.
            epsilon: of phi; small is badly aligned with the target.
        """
        return cls(weights.mean(2), weights @ weights.mT / weights.shape[2], alpha, epsilon)

    def __call__(self, x: Float[Tensor, "S P D"]) -> Float[Tensor, "S P"]:
        """Return f(x)."""
        linear = (x @ self.mean.unsqueeze(2)).squeeze(2)
        return self.alpha * (linear + self.epsilon / 2 * (x @ self.second * x).sum(2))

    def test_loss(self, task: Polynomial) -> Float[Tensor, "S"]:
        """Return E (f - y)^2 over all inputs: f - y = b x + x Q x has |b|^2 / D + (tr Q / D)^2 + 2 |Q|^2 / D^2."""
        inputs = task.beta.shape[1]
        b = self.alpha * self.mean
        q = self.alpha * self.epsilon / 2 * self.second - task.beta.unsqueeze(2) * task.beta.unsqueeze(1) / 2
        trace = q.diagonal(dim1=1, dim2=2).sum(1)
        return b.square().sum(1) / inputs + (trace.square() + 2 * q.square().sum((1, 2))) / inputs**2

    def stepped(self, task: Polynomial, residual: Float[Tensor, "S P"]) -> Self:
        """Return the networks after a step on the mean of (f - y)^2, of size N D RATE / alpha^2.

        Every weight moves by w <- (1 - epsilon G) w - v, G and v the residuals' sums of c r x x^T and c r x.
        """
        x, (_, points, inputs) = task.x, task.x.shape
        pull = 2 * RATE * inputs / (self.alpha * points) * residual.unsqueeze(2) * x
        v = pull.sum(1)
        turn = torch.eye(inputs, dtype=x.dtype, device=x.device) - self.epsilon * pull.mT @ x
        mean = (turn @ self.mean.unsqueeze(2)).squeeze(2)
        cross = mean.unsqueeze(2) * v.unsqueeze(1)
        second = turn @ self.second @ turn.mT - cross - cross.mT + v.unsqueeze(2) * v.unsqueeze(1)
        return self._replace(mean=mean - v, second=second)


def path(task: Polynomial, units: int, alpha: float, epsilon: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Train without end, and yield train and test loss (S,) before each step.

    Args:
        task: what is learned.
        units: N.
        alpha: output scale.
        epsilon: of phi.
    """
    seeds, inputs = task.beta.shape
    random = torch.Generator().manual_seed(1)
    weights = torch.randn(seeds, inputs, units, generator=random, dtype=torch.float64, device="cpu")
    network = Network.of(weights, alpha, epsilon)
    while True:
        residual = network(task.x) - task.y
        yield residual.square().mean(1), network.test_loss(task)
        network = network.stepped(task, residual)

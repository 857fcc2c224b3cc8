"""Full-batch and mini-batch descent on the scaled, centered network, by explicit gradients."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.toy.network import Layer, Network


@dataclass(frozen=True)
class Descent:
    """One step of v <- momentum v + dL/dp, p <- p - learning_rate v: gradient descent where momentum is 0."""

    learning_rate: float
    momentum: float

    def velocity(self, like: Tensor) -> Tensor | None:
        return torch.zeros_like(like) if self.momentum else None


def mse(outputs: Float[Tensor, "S n C"], targets: Float[Tensor, "n C"]) -> Float[Tensor, "S"]:
    """1/n sum over points of 1/2 ||F - y||**2."""
    return (outputs - targets).square().sum((-2, -1)) / (2 * targets.shape[0])


@dataclass
class Training:
    """The state of S networks being trained to y by F = alpha (f - offset); the parameter step is divided by alpha**2.

    With that step F moves by -learning_rate Theta dL/dF whatever alpha is (Chizat et al. 2019, arXiv 1812.07956).
    """

    network: Network
    parameters: list[Layer]
    x: Float[Tensor, "N i"]
    y: Float[Tensor, "N C"]
    offset: Float[Tensor, "S N C"]
    alpha: float
    descent: Descent
    velocity: list[Layer] | None = field(init=False)

    def __post_init__(self) -> None:
        still = [Layer(*map(torch.zeros_like, layer)) for layer in self.parameters]
        self.velocity = still if self.descent.momentum else None

    @classmethod
    def start(
        cls, network: Network, parameters: list[Layer], x: Tensor, y: Tensor, *, alpha: float, centered: bool, descent: Descent
    ) -> "Training":
        """Begin at `parameters`, which are copied and left alone."""
        outputs = network.forward(parameters, x)[0]
        offset = outputs if centered else torch.zeros_like(outputs)
        return cls(network, [Layer(*(p.clone() for p in layer)) for layer in parameters], x, y, offset, alpha, descent)

    @torch.no_grad()
    def step(self, batch: Int[Tensor, "B"] | None = None) -> None:
        """One step on the points `batch` names, or on all of them."""
        x, y, offset = (self.x, self.y, self.offset) if batch is None else (self.x[batch], self.y[batch], self.offset[:, batch])
        outputs, inputs = self.network.forward(self.parameters, x)
        residual = self.alpha * (outputs - offset) - y
        gradients = self.network.backward(self.parameters, inputs, residual * (self.alpha / x.shape[0]))
        size = self.descent.learning_rate / self.alpha**2
        for index, (layer, a, g) in enumerate(zip(self.parameters, inputs, gradients, strict=True)):
            scale, bias_std = self.network.scale(index), self.network.bias_std
            if self.velocity is None:
                layer.weight.baddbmm_(g.mT, a, alpha=-size * scale)
                layer.bias.sub_(g.sum(-2), alpha=size * bias_std)
            else:
                v = self.velocity[index]
                v.weight.baddbmm_(g.mT, a, beta=self.descent.momentum, alpha=scale)
                v.bias.mul_(self.descent.momentum).add_(g.sum(-2), alpha=bias_std)
                layer.weight.sub_(v.weight, alpha=size)
                layer.bias.sub_(v.bias, alpha=size)

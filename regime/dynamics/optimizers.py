"""The steps of gradient descent, momentum and Adam, for many networks at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig

PerRow = float | Float[Tensor, "S 1 1"]
"""One number for all S networks, or one for each."""

Parameters = Sequence[Tensor | None]
"""A layer's weight, and its bias or none."""

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Descent:
    """What one step does to parameters p with gradient g of the loss, at output scale alpha.

    Gradient descent, and momentum:  v <- momentum v + g,  p <- p - learning_rate / alpha**2 v
    Adam (Kingma and Ba 2015):       p <- p - learning_rate / alpha m / (sqrt(v) + 1e-8), bias-corrected moments of g

    so that F moves by -learning_rate Theta dL/dF whatever alpha is (Chizat et al. 2019, arXiv 1812.07956). Weight decay coupled
    adds alpha**2 weight_decay p to g; decoupled it shrinks p by learning_rate * weight_decay beside the step. Without momentum
    the two are one.
    """

    learning_rate: PerRow
    momentum: float = 0.0
    weight_decay: float = 0.0
    decoupled: bool = False
    adam: bool = False

    @classmethod
    def of(cls, config: ToyConfig, learning_rate: PerRow) -> "Descent":
        """Return the step of a configuration's optimizer."""
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        return cls(learning_rate, momentum, config.weight_decay, config.decoupled, config.optimizer == "adam")

    @property
    def shrink(self) -> PerRow:
        """What a step leaves of a parameter without gradient, where decay acts beside momentum and Adam's scaling."""
        beside = self.weight_decay and (self.decoupled or not (self.momentum or self.adam))
        return 1 - self.learning_rate * self.weight_decay if beside else 1.0

    @property
    def coupled(self) -> float:
        """Weight decay that goes through momentum or Adam's scaling."""
        return 0.0 if self.decoupled or not (self.momentum or self.adam) else self.weight_decay


class Adam:
    """Adam's moments for layers of parameters, and its step."""

    def __init__(
        self, parameters: Sequence[Parameters], factors: Sequence[tuple[float, float]], descent: Descent, alpha: PerRow
    ):
        self.descent, self.alpha, self.factors = descent, alpha, factors
        self.moments = [[(torch.zeros_like(p), torch.zeros_like(p)) for p in tensors(layer)] for layer in parameters]
        self.count = 0

    def state(self) -> list[Tensor]:
        """Return every tensor that steps change, in a fixed order."""
        return [part for layer in self.moments for pair in layer for part in pair]

    def step(self, parameters: Sequence[Parameters], gradients: Sequence[Parameters]) -> None:
        """Change `parameters` in place; `gradients` may be overwritten."""
        self.count += 1
        first, second = (1 - beta**self.count for beta in BETAS)
        size = self.descent.learning_rate / self.alpha / first
        for layer, slopes, moments, factors in zip(parameters, gradients, self.moments, self.factors, strict=True):
            for p, g, (m, v), factor in zip(tensors(layer), tensors(slopes), moments, factors, strict=False):
                if self.descent.coupled:
                    g.add_(p * rowwise(self.alpha**2 * self.descent.coupled, p))
                shrink(p, self.descent.shrink)
                m.lerp_(g, 1 - BETAS[0])
                v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
                p.addcdiv_(m * rowwise(-size * factor, p), (v / second).sqrt_().add_(EPSILON))


def rowwise(value: PerRow, like: Tensor) -> PerRow | Tensor:
    """Return `value` in a shape that multiplies tensors of as many dimensions as `like`, seeds first."""
    return value.view(-1, *(1,) * (like.dim() - 1)) if isinstance(value, Tensor) else value


def shrink(parameter: Tensor, kept: PerRow) -> None:
    """Multiply a parameter by what decay leaves of it."""
    if isinstance(kept, Tensor) or kept != 1:
        parameter.mul_(rowwise(kept, parameter))


def tensors(layer: Parameters) -> list[Tensor]:
    """Return a layer's parameters, without the bias that it may lack."""
    return [part for part in layer if part is not None]

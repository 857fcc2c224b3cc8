"""Descent on the scaled, centered network, by explicit gradients, all seeds in one batched product."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.config import ToyConfig
from regime.losses import Loss
from regime.toy.network import Layer, Network, gradient

PerRow = float | Float[Tensor, "S 1 1"]
"""One number for all S networks, or one for each."""

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

    def __init__(self, parameters: Sequence[Layer], factors: Sequence[tuple[float, float]], descent: Descent, alpha: PerRow):
        self.descent, self.alpha, self.factors = descent, alpha, factors
        self.moments = [[(torch.zeros_like(p), torch.zeros_like(p)) for p in tensors(layer)] for layer in parameters]
        self.count = 0

    def state(self) -> list[Tensor]:
        """Every tensor that steps change, in a fixed order."""
        return [part for layer in self.moments for pair in layer for part in pair]

    def step(self, parameters: Sequence[Layer], gradients: Sequence[Layer]) -> None:
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
    """`value`, shaped to multiply tensors of so many dimensions."""
    return value.view(-1, *(1,) * (like.dim() - 1)) if isinstance(value, Tensor) else value


def shrink(parameter: Tensor, kept: PerRow) -> None:
    """Multiply a parameter by what decay leaves of it."""
    if isinstance(kept, Tensor) or kept != 1:
        parameter.mul_(rowwise(kept, parameter))


def tensors(layer: Layer) -> list[Tensor]:
    """A layer's parameters, without the bias it may lack."""
    return [part for part in layer if part is not None]


@dataclass
class Training:
    """The state of S networks being trained to y by F = alpha (f - offset)."""

    network: Network
    parameters: list[Layer]
    x: Float[Tensor, "N i"]
    y: Float[Tensor, "N C"]
    offset: Float[Tensor, "S N C"]
    alpha: PerRow
    loss: Loss
    descent: Descent
    velocity: list[Layer] | None = field(init=False, default=None)
    """Times the step size."""
    adam: Adam | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.descent.adam:
            factors = [(scale.adam_weight, scale.adam_bias) for scale in self.network.scales]
            trained = self.network.trained
            self.adam = Adam(self.trained, [factors[layer] for layer in trained], self.descent, self.alpha)
        elif self.descent.momentum:
            self.velocity = [Layer(*(None if p is None else torch.zeros_like(p) for p in layer)) for layer in self.trained]

    @classmethod
    def start(
        cls,
        network: Network,
        parameters: list[Layer],
        x: Tensor,
        y: Tensor,
        *,
        alpha: PerRow,
        centered: bool,
        loss: Loss,
        descent: Descent,
    ) -> "Training":
        """Begin at `parameters`, which are copied and left alone."""
        outputs = network.forward(parameters, x).outputs
        offset = outputs if centered else torch.zeros_like(outputs)
        copies = [Layer(*(None if p is None else p.clone() for p in layer)) for layer in parameters]
        return cls(network, copies, x, y, offset, alpha, loss, descent)

    @property
    def trained(self) -> list[Layer]:
        return [self.parameters[layer] for layer in self.network.trained]

    def state(self) -> list[Tensor]:
        """Every tensor that steps change, in a fixed order."""
        moments = self.adam.state() if self.adam else []
        return [p for layer in [*self.trained, *(self.velocity or [])] for p in tensors(layer)] + moments

    def restore(self, state: Sequence[Tensor], steps: int) -> None:
        """Return to a `state` after so many steps."""
        for part, saved in zip(self.state(), state, strict=True):
            part.copy_(saved)
        if self.adam:
            self.adam.count = steps

    @torch.no_grad()
    def step(self, batch: Int[Tensor, "B"] | None = None) -> Float[Tensor, "S"]:
        """One step on the points `batch` names, or on all of them; returns their loss before it."""
        x, y, offset = (self.x, self.y, self.offset) if batch is None else (self.x[batch], self.y[batch], self.offset[:, batch])
        outputs, inputs, kept = self.network.forward(self.parameters, x)
        scaled = self.alpha * (outputs - offset)
        # But for Adam's, steps are linear in the gradient: their size is taken where the numbers are few.
        size = 1.0 if self.adam else self.descent.learning_rate / self.alpha**2
        force = self.loss.gradient(scaled, y) * (size * self.alpha / x.shape[0])
        gradients = self.network.backward(self.parameters, kept, force)
        self._descend(inputs[self.network.first_trained :], gradients)
        return self.loss.value(scaled, y)

    def _descend(self, inputs: list[Tensor], gradients: list[Tensor]) -> None:
        scales = [self.network.scales[layer] for layer in self.network.trained]
        layers = list(zip(self.trained, inputs, gradients, scales, strict=True))
        if self.adam:
            self.adam.step(self.trained, [gradient(g, a, scale) for _, a, g, scale in layers])
            return
        kept = self.descent.shrink
        if self.velocity is None:
            for layer, a, g, scale in layers:
                shrink(layer.weight, kept)
                layer.weight.baddbmm_(g.mT, a, alpha=-scale.weight)
                if layer.bias is not None:
                    shrink(layer.bias, kept)
                    layer.bias.sub_(g.sum(-2), alpha=scale.bias)
            return
        for (layer, a, g, scale), v in zip(layers, self.velocity, strict=True):
            v.weight.baddbmm_(g.mT, a, beta=self.descent.momentum, alpha=scale.weight)
            if v.bias is not None:
                v.bias.mul_(self.descent.momentum).add_(g.sum(-2), alpha=scale.bias)
            for p, velocity in zip(tensors(layer), tensors(v), strict=True):
                if self.descent.coupled:
                    velocity.add_(p * rowwise(self.descent.learning_rate * self.descent.coupled, p))
                shrink(p, kept)
                p.sub_(velocity)

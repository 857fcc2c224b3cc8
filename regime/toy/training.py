"""Descent on the scaled, centered network, by explicit gradients, all seeds in one batched product."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.dynamics.losses import Loss
from regime.dynamics.optimizers import Adam, Descent, OwnSteps, PerRow, rowwise, shrink, tensors
from regime.toy.network import Layer, Network, gradient


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
    """Momentum's velocity times the step size."""
    stepper: Adam | OwnSteps | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.descent.by_parameter:
            self.stepper = self.descent.stepper(self.trained, self.network.adam_factors, self.alpha)
        elif self.descent.momentum:
            self.velocity = [layer.map(torch.zeros_like) for layer in self.trained]

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
        """Begin to train at `parameters`, which are copied and left alone.

        Args:
            network: the architecture.
            parameters: of S networks, by layer.
            x: training inputs (N, i).
            y: training targets (N, C).
            alpha: output scale.
            centered: whether the outputs at the start are subtracted.
            loss: to be minimized.
            descent: the optimizer's step.
        """
        outputs = network.forward(parameters, x).outputs
        offset = outputs if centered else torch.zeros_like(outputs)
        return cls(network, [layer.map(torch.clone) for layer in parameters], x, y, offset, alpha, loss, descent)

    @property
    def trained(self) -> list[Layer]:
        """Parameters of the layers that are trained."""
        return [self.parameters[layer] for layer in self.network.trained]

    def state(self) -> list[Tensor]:
        """Return every tensor that steps change, in a fixed order."""
        moments = self.stepper.state() if self.stepper else []
        return [p for layer in [*self.trained, *(self.velocity or [])] for p in tensors(layer)] + moments

    @torch.no_grad()
    def step(self, batch: Int[Tensor, "B"] | None = None) -> Float[Tensor, "S"]:
        """Take one step on the points that `batch` indexes, or on all of them; return their loss before it."""
        x, y, offset = (self.x, self.y, self.offset) if batch is None else (self.x[batch], self.y[batch], self.offset[:, batch])
        outputs, inputs, kept = self.network.forward(self.parameters, x)
        scaled = self.alpha * (outputs - offset)
        # Steps but those by parameter are linear in the gradient: their size is taken where the numbers are few.
        size = 1.0 if self.stepper else self.descent.learning_rate / self.alpha**2
        force = self.loss.gradient(scaled, y) * (size * self.alpha / x.shape[0])
        gradients = self.network.backward(self.parameters, kept, force)
        self._descend(inputs[self.network.first_trained :], gradients)
        return self.loss.value(scaled, y)

    def _descend(self, inputs: list[Tensor], gradients: list[Tensor]) -> None:
        scales = [self.network.scales[layer] for layer in self.network.trained]
        layers = list(zip(self.trained, inputs, gradients, scales, strict=True))
        if self.stepper:
            self.stepper.step(self.trained, [gradient(g, a, scale) for _, a, g, scale in layers])
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

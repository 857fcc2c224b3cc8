"""The linearized twin of toy networks whose optimizer has a state for each parameter, as Adam has: in parameter space."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.dynamics.losses import Loss
from regime.dynamics.optimizers import Descent, PerRow, tensors
from regime.dynamics.twin import TwinPoints
from regime.toy.network import Layer, Network, NetworkJacobian, difference


class SteppedTwin:
    """S linearized models in parameter space: gradients J_0^T dL/dF of outputs F_0 + alpha J_0 (theta - theta_0)."""

    def __init__(
        self,
        network: Network,
        initial: list[Layer],
        train: TwinPoints,
        y: Tensor,
        *,
        alpha: PerRow,
        loss: Loss,
        descent: Descent,
    ) -> None:
        self.network, self.train, self.y, self.alpha, self.loss = network, train, y, alpha, loss
        self.initial = [initial[layer] for layer in network.trained]
        self.parameters = [layer.map(torch.clone) for layer in self.initial]
        self.stepper = descent.stepper(self.parameters, network.adam_factors, alpha)

    def step(self, batch: Int[Tensor, "B"] | None = None) -> None:
        """Take the step that the network takes on the same batch."""
        jacobian, start, y = self.train.jacobian, self.train.start, self.y
        if batch is not None:
            jacobian, start, y = jacobian.rows((slice(None), batch)), start[:, batch], y[batch]
        outputs = self._outputs(jacobian, start)
        force = self.loss.gradient(outputs, y) * (self.alpha / y.shape[0])
        self.stepper.step(self.parameters, self.network.pullback(jacobian, force))

    def state(self) -> list[Tensor]:
        """Return every tensor that steps change, in a fixed order."""
        return [p for layer in self.parameters for p in tensors(layer)] + self.stepper.state()

    def outputs(self, points: TwinPoints) -> Float[Tensor, "S M C"]:
        """Return F_lin at some points; points of fewer seeds take the first ones."""
        return self._outputs(points.jacobian, points.start)

    def _outputs(self, jacobian: NetworkJacobian, start: Tensor) -> Tensor:
        seeds = start.shape[0]
        moved = [difference(now, then, seeds) for now, then in zip(self.parameters, self.initial, strict=True)]
        return start + self.alpha * self.network.product(jacobian, moved).sum(0)

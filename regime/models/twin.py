"""The linearized twin of a transformer: trained on the same batches by the same optimizer, from the initial kernel alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ProbeConfig
from regime.config.own import is_own
from regime.dynamics.losses import Loss
from regime.dynamics.optimizers import Descent
from regime.dynamics.pieces import Tick, idle
from regime.dynamics.twin import Twin, TwinPoints
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.packed import PackedJacobian
from regime.models.training import make_optimizer

Jacobians = Mapping[str, LayerJacobian]


def full_kernel(one: Jacobians, other: Jacobians, tick: Tick = idle) -> Float[Tensor, "nC mC"]:
    """Compute Theta between examples, all pairs of outputs, summed over layers.

    Args:
        one: n examples.
        other: m examples.
        tick: called between two layers.
    """
    total = None
    for path, jacobian in one.items():
        with torch.no_grad():
            term = jacobian.kernel(other[path], "full")
            total = term if total is None else total.add_(term)
        tick()
    n, m, c, _ = total.shape
    return total.transpose(1, 2).reshape(n * c, m * c)


class KernelTwin:
    """The twin of a model trained by SGD: in function space, where a step is a product with Theta_0(., X).

    Its whole path is known before the first step of the model.
    """

    def __init__(self, config: ProbeConfig, train: TwinPoints, probe: TwinPoints, y: Tensor, loss: Loss) -> None:
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        self.points = {"train": train, "probe": probe}
        self.twin = Twin(train, y, loss, Descent(config.step_size, momentum))

    def step(self, batch: list[int], rate: float) -> None:
        """Take the step that the model takes on the same batch."""
        self.twin.descent = replace(self.twin.descent, learning_rate=rate)
        self.twin.step(torch.tensor(batch, device=self.twin.y.device))

    def outputs(self, name: str) -> Float[Tensor, "n C"]:
        """Return f_lin on the "train" or the "probe" texts."""
        return self.twin.outputs(self.points[name])[0]


class Linear(NamedTuple):
    """A model to first order in its parameters, on some texts."""

    outputs: Float[Tensor, "n C"]
    """f_0."""
    jacobians: Mapping[str, PackedJacobian]

    def rows(self, chosen: list[int]) -> "Linear":
        """Return the same on some of the texts."""
        return Linear(self.outputs[chosen], {path: each.rows(chosen) for path, each in self.jacobians.items()})


class ParameterTwin:
    """The twin of a model whose optimizer has a state for each parameter, as AdamW has: in parameter space, on J_0's Jacobians.

    It has the interface of `KernelTwin`. The optimizer is torch's, as the model's is.
    """

    def __init__(
        self,
        config: ProbeConfig,
        train: Linear,
        probe: Linear,
        y: Tensor,
        loss: Loss,
        like: Mapping[str, Mapping[str, Tensor]],
        tick: Tick = idle,
    ) -> None:
        """Begin at theta_0, from the Jacobians there.

        Args:
            config: for the optimizer.
            train: the training texts.
            probe: the probe texts.
            y: targets of the training texts.
            loss: that the model is trained on.
            like: the model's parameters by layer and name.
            tick: called between two layers.
        """
        self.points, self.y, self.loss, self.tick = {"train": train, "probe": probe}, y, loss, tick
        self.known: dict[str, Tensor] = {}
        """f_lin where the twin stands, as far as it was asked for."""
        own = is_own(config.optimizer)
        self.start = {
            path: {name: _origin(like[path][name], own) for part, _ in jacobian.parts for name in part.names}
            for path, jacobian in train.jacobians.items()
        }
        self.now = {
            path: {name: value.clone(memory_format=torch.contiguous_format) for name, value in parts.items()}
            for path, parts in self.start.items()
        }
        self.optimizer = make_optimizer(config, [value for parts in self.now.values() for value in parts.values()])

    def step(self, batch: list[int], rate: float) -> None:
        """Take the step that the model takes on the same batch."""
        part = self.points["train"]
        if len(batch) == len(self.y):
            outputs, y = self.outputs("train"), self.y
        else:
            part, y = part.rows(batch), self.y[batch]
            outputs = self._outputs(part)
        force = self.loss.gradient(outputs, y) / len(batch)
        for path, jacobian in part.jacobians.items():
            self._pull(path, jacobian, force)
            self.tick()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.known.clear()

    def outputs(self, name: str) -> Float[Tensor, "n C"]:
        """Return f_lin on the "train" or the "probe" texts."""
        if name not in self.known:
            self.known[name] = self._outputs(self.points[name])
        return self.known[name]

    def _outputs(self, at: Linear) -> Float[Tensor, "n C"]:
        outputs = at.outputs.clone()
        for path, jacobian in at.jacobians.items():
            outputs += self._product(path, jacobian)
            self.tick()
        return outputs

    @torch.no_grad()
    def _product(self, path: str, jacobian: PackedJacobian) -> Float[Tensor, "n C"]:
        return jacobian.product({name: value - self.start[path][name] for name, value in self.now[path].items()})

    @torch.no_grad()
    def _pull(self, path: str, jacobian: PackedJacobian, force: Float[Tensor, "n C"]) -> None:
        for name, gradient in jacobian.pullback(force).items():
            self.now[path][name].grad = gradient.contiguous()  # a fused step reads memory in order, whatever the strides


def _origin(parameter: Tensor, own: bool) -> Tensor:
    """Where a parameter begins: as the model's for an optimizer of one's own, whose steps may depend on that; else at 0."""
    return parameter.clone() if own else parameter.new_zeros(()).expand_as(parameter)

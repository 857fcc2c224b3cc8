"""MLPs in NTK parameterization, S initializations at once: parameters carry a leading seed dimension.

Every layer, the readout included, computes h = weight_std W a / sqrt(fan_in) + bias_std b with W, b standard normal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.kernels import rules


class Layer(NamedTuple):
    """Parameters of one layer, or any tensors shaped like them."""

    weight: Float[Tensor, "S o i"]
    bias: Float[Tensor, "S o"]


class Activation(NamedTuple):
    """phi, and phi' as a function of phi's own value."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


ACTIVATIONS = {
    "relu": Activation(torch.relu, lambda a: (a > 0).to(a.dtype)),
    "tanh": Activation(torch.tanh, lambda a: 1 - a * a),
}


@dataclass(frozen=True)
class Network:
    """The architecture; parameters are passed in, so that one network serves every step and seed."""

    sizes: tuple[int, ...]
    activation: Activation
    weight_std: float
    bias_std: float

    @classmethod
    def of(cls, config: ToyConfig, inputs: int, outputs: int) -> "Network":
        sizes = (inputs, *[config.width] * config.depth, outputs)
        return cls(sizes, ACTIVATIONS[config.activation], config.weight_std, config.bias_std)

    @property
    def names(self) -> list[str]:
        return [f"hidden {i}" for i in range(1, len(self.sizes) - 1)] + ["readout"]

    def scale(self, layer: int) -> float:
        """weight_std / sqrt(fan_in)."""
        return self.weight_std / sqrt(self.sizes[layer])

    def init(self, seeds: int, seed: int, device: torch.device, dtype: torch.dtype) -> list[Layer]:
        """Standard normal parameters; initialization k depends on seed + k alone, not on how many are drawn."""
        draws = []
        for k in range(seeds):
            generator = torch.Generator().manual_seed(seed + k)
            shapes = zip(self.sizes[1:], self.sizes[:-1], strict=True)
            draws.append([(_normal(generator, o, i), _normal(generator, o)) for o, i in shapes])
        return [
            Layer(*(torch.stack(part).to(device, dtype) for part in zip(*layer, strict=True)))
            for layer in zip(*draws, strict=True)
        ]

    def forward(
        self, parameters: list[Layer], x: Float[Tensor, "n i"]
    ) -> tuple[Float[Tensor, "S n C"], list[Float[Tensor, "S n _"]]]:
        """The outputs, and each layer's inputs (the last of them is the last hidden representation)."""
        a = x.expand(parameters[0].weight.shape[0], *x.shape)
        inputs = []
        for index, (weight, bias) in enumerate(parameters):
            inputs.append(a)
            h = torch.baddbmm(bias.unsqueeze(-2), a, weight.mT, beta=self.bias_std, alpha=self.scale(index))
            a = self.activation.value(h) if index < len(parameters) - 1 else h
        return a, inputs

    def backward(
        self, parameters: list[Layer], inputs: list[Float[Tensor, "S n _"]], output_gradient: Float[Tensor, "S r o"]
    ) -> list[Float[Tensor, "S r _"]]:
        """Gradients with respect to each layer's output h, from those with respect to the network's output.

        r = n rows, or n C rows ordered by point: several gradients for each point.
        """
        gradients = [output_gradient]
        for index in range(len(parameters) - 1, 0, -1):
            a = inputs[index]
            slope = self.activation.slope(a)
            if (repeat := output_gradient.shape[-2] // a.shape[-2]) > 1:
                slope = slope.repeat_interleave(repeat, dim=-2)
            gradients.append(torch.bmm(gradients[-1], parameters[index].weight).mul_(slope).mul_(self.scale(index)))
        return gradients[::-1]

    def tape(self, parameters: list[Layer], x: Float[Tensor, "n i"]) -> "Tape":
        """Inputs and output gradients of every layer, one gradient for each of the C outputs."""
        outputs, inputs = self.forward(parameters, x)
        seeds, n, c = outputs.shape
        identity = torch.eye(c, dtype=x.dtype, device=x.device).repeat(n, 1).expand(seeds, n * c, c)
        gradients = self.backward(parameters, inputs, identity)
        return Tape(
            outputs,
            [a.unsqueeze(-2) for a in inputs],
            [g.unflatten(-2, (n, 1, c)) for g in gradients],
        )

    def kernel(self, index: int, tape: "Tape", other: "Tape", outputs: rules.Outputs) -> Tensor:
        """Theta^(index) between two tapes' points, by the dense rule."""
        return rules.dense(
            tape.inputs[index],
            tape.gradients[index],
            other.inputs[index],
            other.gradients[index],
            weight=self.scale(index) ** 2,
            bias=self.bias_std**2,
            outputs=outputs,
            method="token-gram",
        )

    def kernels(self, tape: "Tape", other: "Tape") -> dict[str, Float[Tensor, "S n m"]]:
        """Theta^(l) by layer, traced over outputs and divided by C."""
        return {name: self.kernel(index, tape, other, "trace") for index, name in enumerate(self.names)}

    def full_kernel(self, tape: "Tape", other: "Tape") -> Float[Tensor, "S nC mC"]:
        """Theta summed over layers, with all pairs of outputs: what dynamics needs."""
        total = sum(self.kernel(index, tape, other, "full") for index in range(len(self.names)))
        return total.transpose(-3, -2).flatten(-4, -3).flatten(-2)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    """In float32 whatever the default is, so that a seed means the same numbers everywhere."""
    return torch.randn(*shape, generator=generator, dtype=torch.float32)


class Tape(NamedTuple):
    """One forward pass and C backward passes, kept: T = 1 position, so that the rules of any dense layer apply."""

    outputs: Float[Tensor, "S n C"]
    inputs: list[Float[Tensor, "S n 1 _"]]
    gradients: list[Float[Tensor, "S n 1 C _"]]

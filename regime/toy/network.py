"""MLPs in any parameterization, S initializations at once: parameters carry a leading seed dimension.

Every layer, the readout included, computes h = m W a + m_b b; `regime.toy.parameterization` has the multipliers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.optimizers import tensors
from regime.kernels.jacobian import blocks, contraction
from regime.toy.activations import ACTIVATIONS, Activation
from regime.toy.parameterization import Scale, scales


class Layer(NamedTuple):
    """Parameters of one layer, or any tensors shaped like them."""

    weight: Float[Tensor, "S o i"]
    bias: Float[Tensor, "S o"] | None

    def map(self, function: Callable[..., Tensor], *others: "Layer") -> "Layer":
        """Return the layer of function(p, q, ...) for each parameter p, with q, ... those of `others`; no bias stays none."""
        return Layer(*(None if p is None else function(p, *rest) for p, *rest in zip(self, *others, strict=True)))


class Pass(NamedTuple):
    """A forward pass: what every layer was given, and what its activation's derivative is computed from."""

    outputs: Float[Tensor, "S n C"]
    inputs: list[Float[Tensor, "S n _"]]
    kept: list[Float[Tensor, "S n _"]]


@dataclass(frozen=True)
class Network:
    """The architecture; parameters are passed in, so that one network serves every step and seed."""

    sizes: tuple[int, ...]
    activation: Activation
    scales: tuple[Scale, ...]
    first_trained: int = 0
    """Layers before this one are frozen."""

    @classmethod
    def of(cls, config: ToyConfig) -> "Network":
        """Return the architecture that a configuration describes."""
        scaled = scales(
            config.parameterization,
            config.sizes,
            weight_std=config.weight_std,
            bias_std=config.bias_std,
            bias=config.bias,
            init_scale=config.init_scale,
        )
        frozen = config.depth if config.trainable == "readout" else 0
        return cls(config.sizes, ACTIVATIONS[config.activation], tuple(scaled), frozen)

    @cached_property
    def names(self) -> list[str]:
        """Names of the layers, from input to output."""
        return [scale.layer for scale in self.scales]

    @property
    def trained(self) -> range:
        """Indices of the layers that learn."""
        return range(self.first_trained, len(self.scales))

    @property
    def adam_factors(self) -> list[tuple[float, float]]:
        """By what Adam's steps are multiplied in each trained layer, for its weight and its bias."""
        return [(self.scales[layer].adam_weight, self.scales[layer].adam_bias) for layer in self.trained]

    @property
    def step(self) -> float:
        """n^-c: gradient descent steps by learning_rate times this, in every layer."""
        return self.scales[0].step

    def init(self, seeds: int, seed: int, device: torch.device, dtype: torch.dtype) -> list[Layer]:
        """Draw Gaussian parameters of S networks; initialization k depends on seed + k alone, not on how many are drawn.

        Args:
            seeds: S.
            seed: of the first network.
            device: that the parameters are moved to.
            dtype: that they are rounded to, from float32.
        """
        draws = [self._draw(torch.Generator().manual_seed(seed + k)) for k in range(seeds)]
        return [one.map(lambda *parts: torch.stack(parts).to(device, dtype), *rest) for one, *rest in zip(*draws, strict=True)]

    def _draw(self, generator: torch.Generator) -> list[Layer]:
        """One network's parameters, drawn in float32 on the CPU: a seed means the same numbers, whatever torch's defaults."""
        layers = []
        for scale, i, o in zip(self.scales, self.sizes[:-1], self.sizes[1:], strict=True):
            weight, bias = (
                torch.randn(*shape, generator=generator, dtype=torch.float32, device="cpu") for shape in ((o, i), (o,))
            )
            layers.append(Layer(weight * scale.weight_init, bias * scale.bias_init if scale.has_bias else None))
        return layers

    def forward(self, parameters: list[Layer], x: Float[Tensor, "n i"]) -> Pass:
        """Return the outputs and what a backward pass needs; the last of the inputs is the last hidden representation."""
        a = x.expand(parameters[0].weight.shape[0], *x.shape)
        inputs, kept = [], []
        for index, (layer, scale) in enumerate(zip(parameters, self.scales, strict=True)):
            inputs.append(a)
            h = affine(a, layer, scale)
            if index == len(parameters) - 1:
                return Pass(h, inputs, kept)
            a = self.activation.value(h)
            kept.append(h if self.activation.by_argument else a)
        raise AssertionError("a network has a readout")

    def forward_from(
        self, first: int, a: Float[Tensor, "S n i"], parameters: list[Layer], moved: Layer
    ) -> Float[Tensor, "S n C"]:
        """Return the outputs where one layer's inputs and parameters are given.

        Args:
            first: index of that layer.
            a: its inputs.
            parameters: those of all layers, which later layers use.
            moved: its own parameters, instead of those.
        """
        for index in range(first, len(parameters)):
            h = affine(a, moved if index == first else parameters[index], self.scales[index])
            a = self.activation.value(h)
        return h

    def backward(
        self, parameters: list[Layer], kept: list[Float[Tensor, "S n _"]], output_gradient: Float[Tensor, "S r o"]
    ) -> list[Float[Tensor, "S r _"]]:
        """Return the gradients with respect to each trained layer's h, from those with respect to the network's outputs.

        Args:
            parameters: those of all layers.
            kept: what the forward pass kept for the activations' derivatives.
            output_gradient: r = n rows, or n C rows ordered by point where there are several gradients for each point.
        """
        gradients = [output_gradient]
        for index in range(len(parameters) - 1, self.first_trained, -1):
            at = kept[index - 1]
            if (repeat := output_gradient.shape[-2] // at.shape[-2]) > 1:
                at = at.repeat_interleave(repeat, dim=-2)
            weight, scale = parameters[index].weight, self.scales[index].weight
            back = gradients[-1] * weight * scale if weight.shape[-2] == 1 else torch.bmm(gradients[-1], weight).mul_(scale)
            gradients.append(self.activation.descend(back, at))
        return gradients[::-1]

    def jacobian(self, parameters: list[Layer], x: Float[Tensor, "n i"]) -> "NetworkJacobian":
        """Return the Jacobian at x: every trained layer's inputs and output gradients, one for each of the C outputs."""
        outputs, inputs, kept = self.forward(parameters, x)
        seeds, n, c = outputs.shape
        identity = torch.eye(c, dtype=x.dtype, device=x.device).repeat(n, 1).expand(seeds, n * c, c)
        gradients = self.backward(parameters, kept, identity)
        hidden = inputs[1:]
        return NetworkJacobian(outputs, hidden, inputs[self.first_trained :], [g.unflatten(-2, (n, c)) for g in gradients])

    def kernel(self, index: int, jacobian: "NetworkJacobian", other: "NetworkJacobian", outputs: blocks.Outputs) -> Tensor:
        """Return Theta^(l) = J^(l) J^(l)^T between the points of two Jacobians, by the dense rule of the kernel engine.

        Args:
            index: of the layer l among the trained ones.
            jacobian: at n points.
            other: at m points.
            outputs: which pairs of outputs, as in `empirical_ntk`.
        """
        scale = self.scales[self.first_trained + index]
        return contraction.dense(
            jacobian.inputs[index].unsqueeze(-2),
            jacobian.gradients[index].unsqueeze(-3),
            other.inputs[index].unsqueeze(-2),
            other.gradients[index].unsqueeze(-3),
            weight=scale.weight**2,
            bias=scale.bias**2,
            outputs=outputs,
            method="token-gram",
        )

    def kernels(self, jacobian: "NetworkJacobian", other: "NetworkJacobian") -> dict[str, Float[Tensor, "S n m"]]:
        """Return Theta^(l) of the trained layers by name, traced over outputs and divided by C."""
        return {self.names[layer]: self.kernel(k, jacobian, other, "trace") for k, layer in enumerate(self.trained)}

    def full_kernel(self, jacobian: "NetworkJacobian", other: "NetworkJacobian") -> Float[Tensor, "S nC mC"]:
        """Return Theta summed over layers, with all pairs of outputs: the kernel that moves the outputs."""
        total = self.kernel(0, jacobian, other, "full")
        for k in range(1, len(jacobian.inputs)):
            total += self.kernel(k, jacobian, other, "full")  # in place: it may be the largest of all tensors
        return total.transpose(-3, -2).flatten(-4, -3).flatten(-2)

    def product(self, jacobian: "NetworkJacobian", trained: list[Layer]) -> Float[Tensor, "K S n C"]:
        """Return J theta for each of K trained layers: what moving it by `trained` does to the outputs, to first order."""
        parts = []
        for k, layer in enumerate(self.trained):
            moved = affine(jacobian.inputs[k], trained[k], self.scales[layer])
            parts.append((jacobian.gradients[k] @ moved.unsqueeze(-1)).squeeze(-1))
        return torch.stack(parts)

    def kernel_product(
        self, jacobian: "NetworkJacobian", other: "NetworkJacobian", vectors: Float[Tensor, "*k S m C"]
    ) -> Float[Tensor, "*k S n C"]:
        """Return Theta(x, X) v, with all pairs of outputs, without forming Theta(x, X): as fast as with one output.

        Args:
            jacobian: at n points x.
            other: at m points X.
            vectors: v.
        """
        parts = []
        for k, layer in enumerate(self.trained):
            scale = self.scales[layer]
            gram = scale.weight**2 * torch.bmm(jacobian.inputs[k], other.inputs[k].mT) + scale.bias**2
            along = (vectors.unsqueeze(-2) @ other.gradients[k]).squeeze(-2)
            parts.append((jacobian.gradients[k] @ (gram @ along).unsqueeze(-1)).squeeze(-1))
        return sum(parts)

    def pullback(self, jacobian: "NetworkJacobian", output_gradient: Float[Tensor, "S n C"]) -> list[Layer]:
        """Return J^T g by trained layer, for gradients g of the outputs."""
        parts = []
        for k, layer in enumerate(self.trained):
            g = (output_gradient.unsqueeze(-2) @ jacobian.gradients[k]).squeeze(-2)
            parts.append(gradient(g, jacobian.inputs[k], self.scales[layer]))
        return parts


class NetworkJacobian(NamedTuple):
    """One forward pass and C backward passes, kept: all hidden representations; inputs and gradients of the trained layers."""

    outputs: Float[Tensor, "S n C"]
    hidden: list[Float[Tensor, "S n _"]]
    inputs: list[Float[Tensor, "S n _"]]
    gradients: list[Float[Tensor, "S n C _"]]

    def rows(self, index: Any) -> "NetworkJacobian":
        """Return the Jacobian at an index of seeds and points, such as `np.s_[:1]` for the first seed."""
        return NetworkJacobian(*(part[index] if isinstance(part, Tensor) else [p[index] for p in part] for part in self))


def affine(a: Float[Tensor, "S n i"], layer: Layer, scale: Scale) -> Float[Tensor, "S n o"]:
    """Return h = m W a + m_b b.

    Args:
        a: inputs of the layer.
        layer: W and b.
        scale: the multipliers m and m_b.
    """
    if layer.bias is None:
        return torch.bmm(a, layer.weight.mT).mul_(scale.weight)
    return torch.baddbmm(layer.bias.unsqueeze(-2), a, layer.weight.mT, beta=scale.bias, alpha=scale.weight)


def gradient(g: Float[Tensor, "S n o"], a: Float[Tensor, "S n i"], scale: Scale) -> Layer:
    """Return the gradients of weight and bias.

    Args:
        g: gradients with respect to the layer's h.
        a: inputs of the layer.
        scale: the multipliers of weight and bias.
    """
    return Layer(torch.bmm(g.mT, a).mul_(scale.weight), g.sum(-2).mul_(scale.bias) if scale.has_bias else None)


def concatenated(batches: list[list[Layer]]) -> list[Layer]:
    """Return the layers of several batches of networks as those of one, seeds side by side."""
    return [one.map(lambda *parts: torch.cat(parts), *rest) for one, *rest in zip(*batches, strict=True)]


def first_network(parameters: list[Layer]) -> list[Layer]:
    """Return the parameters of the first of several networks."""
    return [layer.map(lambda part: part[:1]) for layer in parameters]


def squared_norm(layer: Layer) -> Float[Tensor, "S"]:
    """Return ||layer||**2 over weight and bias, in double precision."""
    return sum(torch.linalg.vector_norm(p.flatten(1), dim=1, dtype=torch.float64).square() for p in tensors(layer))


def difference(now: Layer, then: Layer, seeds: int | None = None) -> Layer:
    """Return now - then.

    Args:
        now: parameters of one layer.
        then: the same layer's at another time.
        seeds: how many seeds to take, from the first on; None takes all.
    """
    return now.map(lambda a, b: a[:seeds] - b[:seeds], then)

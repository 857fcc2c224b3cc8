"""The check of every kernel in every call: what the fast path believes of a layer, against gradients by plain autograd.

A few examples pass through the model apart from their batch, and one backward pass gives the gradient G of a mixture of their
outputs, sum_ik c_i r_k f_k(x_i). Each layer's J^T (c r) must be that gradient, compared along a random direction; and of the
kernel K of the mixed outputs on these examples, c.K c must be ||G||^2. The weights c and r are in no special proportion, so
that no error hides in their sum.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers
from regime.kernels.jacobian.part import real, wide

PRECISION = 1e-6
"""The smallest relative error of a kernel that is not taken for rounding."""
LARGE = 2**14
"""Entries of a gradient that is not kept beside others."""


@dataclass(frozen=True)
class GradientCheck:
    """A few examples on their own: their outputs, with the graph under them."""

    outputs: Float[Tensor, "k C"]
    chosen: list[int]
    """Rows of `outputs` that are compared."""
    rows: list[int]
    """The same examples in the batch."""
    rounding: float
    """Unit of rounding of the coarsest numbers that the passes compute."""

    @property
    def tolerance(self) -> float:
        """The relative error that rounding may make of a gradient, a kernel, or outputs."""
        return max(PRECISION, self.rounding**0.5)

    def same(self, outputs: Float[Tensor, "n C"]) -> bool:
        """Whether the batch has the same outputs for these examples."""
        return near(outputs[self.rows], self.outputs[self.chosen], self.tolerance)

    def disagreeing(self, jacobians: dict[str, LayerJacobian | None], layers: Layers) -> list[str]:
        """The layers whose Jacobians, on the batch, are not those of these examples."""
        c, r = (_weights(n, self.outputs.dtype, self.outputs.device) for n in (len(self.rows), self.outputs.shape[1]))
        rows = torch.tensor(self.rows, device=c.device)

        def mix(g: Tensor) -> Tensor:
            return c.to(g).view(-1, *[1] * (g.dim() - 1)) * (r.to(g).unsqueeze(0) @ g)

        comparisons = {path: _Comparison((t := jacobians[path]) and t.rows(rows).of_outputs(mix)) for path in layers}
        with torch.enable_grad():
            value = c @ (self.outputs[self.chosen] @ r)
        _each_gradient(value, layers, lambda path, name, gradient: comparisons[path].take(name, wide(gradient)))
        # a layer whose gradients vanish in their sum, as those of keys' biases do, has rounding to compare, and nothing else
        noise = 10 * self.tolerance**2 * sum(each.size for each in comparisons.values()) ** 0.5
        return [path for path, each in comparisons.items() if not each.agrees(self.tolerance, noise)]


@dataclass
class _Comparison:
    """A layer's Jacobian of the mixture, and the gradient of it by autograd."""

    jacobian: LayerJacobian | None
    size: float = 0.0
    """||G||^2."""
    error: float = 0.0
    """||J^T (c r) - G||^2, of weights along a random direction."""

    def take(self, name: str, gradient: Tensor) -> None:
        """Compare the gradient of one parameter."""
        flat = real(gradient).flatten()
        self.size += float(torch.dot(flat, flat))
        part = next((part for part in self.jacobian.parts if name in part.names), None) if self.jacobian is not None else None
        if part is not None:
            ours, theirs = part.sketches(name, gradient)
            self.error += float(torch.dot(difference := ours - theirs, difference))

    def agrees(self, tolerance: float, noise: float) -> bool:
        """Whether both are the same, up to rounding: of the gradient itself, and of all gradients."""
        if self.jacobian is None:
            return self.size**0.5 <= noise
        kernel = self.jacobian.kernel(self.jacobian, "trace", out=self.jacobian.zeros(self.jacobian.examples, "trace"))
        ours, size = max(0.0, float(2 * kernel.tril().sum() - kernel.trace())) ** 0.5, self.size**0.5
        return max(abs(ours - size), self.error**0.5) <= tolerance * size + noise


def near(one: Tensor, two: Tensor, relative: float) -> bool:
    """Return whether outputs differ by no more than rounding.

    Args:
        one: outputs.
        two: the same ones, computed otherwise.
        relative: the error that rounding may make.
    """
    return bool((one - two).norm() <= relative * (1 + one.norm() + two.norm()))


@cache
def _weights(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " n"]:
    return (1 + torch.cos(torch.arange(n, dtype=torch.float64) ** 2) / 2).to(device, dtype)


def _each_gradient(value: Tensor, layers: Layers, take: Callable[[str, str, Tensor], None]) -> None:
    """Call `take` with the gradient of every parameter that is reached, by its layer's path and its name there.

    On a CPU large ones are let go at once: the backward pass runs in this thread, where a hook can take a gradient from it.
    """
    named = {parameter: (path, name) for path, own in layers.items() for name, parameter in own.items()}
    thread = threading.get_ident()

    def hook(place: tuple[str, str]) -> Callable[[Tensor], Tensor | None]:
        def seen(gradient: Tensor) -> Tensor | None:
            if threading.get_ident() != thread:  # a backward pass of somebody else's
                return None
            with torch.no_grad():
                take(*place, gradient)
            return gradient.new_zeros(()).expand(gradient.shape)

        return seen

    large = [p for p in named if p.numel() >= LARGE and value.device.type == "cpu"]
    hooks = [p.register_hook(hook(named[p])) for p in large]
    try:
        found = torch.autograd.grad(value, list(named), retain_graph=True, allow_unused=True)
    finally:
        for each in hooks:
            each.remove()
    taken = set(large)
    for parameter, gradient in zip(named, found, strict=True):
        if gradient is not None and parameter not in taken:
            take(*named[parameter], gradient)

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

        none = c.new_zeros((), dtype=torch.float64)
        comparisons = {
            path: _Comparison((t := jacobians[path]) and t.rows(rows).of_outputs(mix), none, none) for path in layers
        }
        with torch.enable_grad():
            value = c @ (self.outputs[self.chosen] @ r)
        _each_gradient(value, layers, lambda path, name, gradient: comparisons[path].take(name, wide(gradient)))
        known = torch.stack([torch.stack(each.numbers()) for each in comparisons.values()]).tolist()  # a GPU is waited for once
        # a layer whose gradients vanish in their sum, as those of keys' biases do, has rounding to compare, and nothing else
        noise = 10 * self.tolerance**2 * sum(size for size, _, _ in known) ** 0.5
        compared = zip(comparisons.items(), known, strict=True)
        return [path for (path, each), numbers in compared if not each.agrees(*numbers, self.tolerance, noise)]


@dataclass
class _Comparison:
    """A layer's Jacobian of the mixture, and the gradient of it by autograd."""

    jacobian: LayerJacobian | None
    size: Float[Tensor, ""]
    """||G||^2."""
    error: Float[Tensor, ""]
    """||J^T (c r) - G||^2, of weights along a random direction."""

    def take(self, name: str, gradient: Tensor) -> None:
        """Compare the gradient of one parameter."""
        self.size = self.size + squared(real(gradient))
        part = next((part for part in self.jacobian.parts if name in part.names), None) if self.jacobian is not None else None
        if part is not None:
            ours, theirs = part.sketches(name, gradient)
            self.error = self.error + torch.dot(difference := ours - theirs, difference)

    def numbers(self) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """||G||^2, the squared error, and c.K c of the kernel K of the mixed outputs: 0 without a Jacobian."""
        if self.jacobian is None:
            return self.size, self.error, torch.zeros_like(self.size)
        kernel = self.jacobian.kernel(self.jacobian, "trace", out=self.jacobian.zeros(self.jacobian.examples, "trace"))
        return self.size, self.error, (2 * kernel.tril().sum() - kernel.trace()).double()

    def agrees(self, size: float, error: float, kernel: float, tolerance: float, noise: float) -> bool:
        """Whether both are the same, up to rounding: of the gradient itself, and of all gradients.

        Args:
            size, error, kernel: the `numbers`.
            tolerance: the relative error that rounding may make.
            noise: what it may make of a gradient that vanishes.
        """
        size = size**0.5
        if self.jacobian is None:
            return size <= noise
        return max(abs(max(0.0, kernel) ** 0.5 - size), error**0.5) <= tolerance * size + noise


def squared(tensor: Tensor) -> Float[Tensor, ""]:
    """Return the sum of squares, by rows first: one float32 sum over 16 million products is off by 5e-4."""
    rows = tensor.flatten(1) if tensor.dim() > 1 else tensor
    return torch.linalg.vector_norm(rows, dim=-1).double().square().sum()


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
    return (1 + torch.cos(torch.arange(n, dtype=torch.float64, device="cpu") ** 2) / 2).to(device, dtype)


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

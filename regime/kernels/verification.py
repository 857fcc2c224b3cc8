"""The check of every kernel in every call: what the fast path believes of a layer, against gradients by plain autograd.

A few examples pass through the model apart from their batch, and one backward pass gives the gradient G of a mixture of their
outputs, sum_ik c_i r_k f_k(x_i). For each layer J^T (c r), as its tape has it, must be that gradient: of the layer's kernel K
of the mixed outputs on these examples, K c must be J G, and c.K c must be ||G||^2. By Cauchy and Schwarz both hold together
only for the gradient itself. The weights c and r are in no special proportion, so that no error hides in their sum.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.ownership import Layers
from regime.kernels.tapes import Tape, real, wide

PRECISION = 1e-6
"""The smallest relative error of a kernel that is not taken for rounding."""


@dataclass(frozen=True)
class Probe:
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
        """The relative error that rounding may make of a kernel, or of outputs."""
        return max(PRECISION, self.rounding**0.5)

    def same(self, outputs: Float[Tensor, "n C"]) -> bool:
        """Whether the batch has the same outputs for these examples."""
        return near(outputs[self.rows], self.outputs[self.chosen], self.tolerance)

    def disagreeing(self, tapes: dict[str, Tape | None], layers: Layers) -> list[str]:
        """The layers whose tapes, on the batch, are not those of these examples."""
        c, r = (_weights(n).to(self.outputs) for n in (len(self.rows), self.outputs.shape[1]))
        here = {
            path: tapes[path] and tapes[path].rows(self.rows).of_outputs(lambda g: r.to(g).unsqueeze(0) @ g) for path in layers
        }
        sizes, products = dict.fromkeys(layers, 0.0), dict.fromkeys(layers, 0.0)

        def take(path: str, name: str, gradient: Tensor) -> None:
            gradient = wide(gradient)
            flat = real(gradient).flatten()
            sizes[path] += float(torch.dot(flat, flat))
            if here[path] is not None:
                products[path] = products[path] + here[path].product({name: gradient}).squeeze(-1)

        with torch.enable_grad():
            value = c @ (self.outputs[self.chosen] @ r)
        _each_gradient(value, layers, take)
        # a layer whose gradients vanish in their sum, as those of keys' biases do, has rounding to compare, and nothing else
        noise = 10 * self.tolerance**3 * sum(sizes.values())
        errors = {p: sizes[p] if tape is None else _error(tape, c, products[p], sizes[p]) for p, tape in here.items()}
        return [path for path, error in errors.items() if not error <= self.tolerance * sizes[path] + noise]


def near(one: Tensor, two: Tensor, relative: float) -> bool:
    """Whether outputs differ by no more than rounding."""
    return bool((one - two).norm() <= relative * (1 + one.norm() + two.norm()))


def _weights(n: int) -> Float[Tensor, " n"]:
    return 1 + torch.cos(torch.arange(n, dtype=torch.float64) ** 2) / 2


def _each_gradient(value: Tensor, layers: Layers, take: Callable[[str, str, Tensor], None]) -> None:
    """Call `take` with the gradient of every parameter that is reached, by its layer's path and its name there.

    On a CPU each is let go at once: the backward pass runs in this thread, where a hook can take a gradient from it.
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

    hooks = [p.register_hook(hook(place)) for p, place in named.items()] if value.device.type == "cpu" else []
    try:
        found = torch.autograd.grad(value, list(named), retain_graph=True, allow_unused=True)
    finally:
        for each in hooks:
            each.remove()
    for place, gradient in zip(named.values(), found, strict=True) if not hooks else ():
        if gradient is not None:
            take(*place, gradient)


def _error(tape: Tape, c: Float[Tensor, " k"], product: Float[Tensor, " k"] | float, size: float) -> float:
    """The larger of |c.K c - ||G||^2| and ||c|| ||K c - J G||, of a tape with one output."""
    kernel = tape.kernel(tape, "trace")
    c = c.to(kernel)
    mixed = kernel @ c
    return max(abs(float(c @ mixed) - size), float(c.norm() * (mixed - product).norm()))

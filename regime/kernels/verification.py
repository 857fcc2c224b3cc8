"""The check of every kernel in every call: what the fast path believes of a layer, against gradients by plain autograd.

A few examples pass through the model apart from their batch, and one backward pass gives the gradient G of a mixture of their
outputs, sum_ik c_i r_k f_k(x_i). For each layer J^T (c r), as its tape has it, must be that gradient: of the layer's kernel K
of the mixed outputs on these examples, K c must be J G, and c.K c must be ||G||^2. By Cauchy and Schwarz both hold together
only for the gradient itself. The weights c and r are in no special proportion, so that no error hides in their sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.ownership import Layers
from regime.kernels.structure import CHECKED
from regime.kernels.tapes import Direction, Tape, real, wide

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
        examples, outputs = (_weights(n).to(self.outputs) for n in (len(self.rows), self.outputs.shape[1]))
        with torch.enable_grad():
            value = examples @ (self.outputs[self.chosen] @ outputs)
        errors, sizes = {}, {}
        for path, gradients in _by_layer(value, layers):
            sizes[path] = sum(float(torch.dot(flat, flat)) for flat in (real(g).flatten() for g in gradients.values()))
            tape = tapes[path] and tapes[path].rows(self.rows).of_outputs(lambda g: outputs.to(g).unsqueeze(0) @ g)
            errors[path] = sizes[path] if tape is None else _error(tape, examples, gradients, sizes[path])
        # a layer whose gradients vanish in their sum, as those of keys' biases do, has rounding to compare, and nothing else
        noise = 10 * self.tolerance**3 * sum(sizes.values())
        return [path for path, error in errors.items() if not error <= self.tolerance * sizes[path] + noise]


def near(one: Tensor, two: Tensor, relative: float) -> bool:
    """Whether outputs differ by no more than rounding."""
    return bool((one - two).norm() <= relative * (1 + one.norm() + two.norm()))


def _weights(n: int) -> Float[Tensor, " n"]:
    return 1 + torch.cos(torch.arange(n, dtype=torch.float64) ** 2) / 2


def _by_layer(value: Tensor, layers: Layers) -> Iterator[tuple[str, Direction]]:
    """The gradients of each layer's parameters, in groups of so many bytes; none of a parameter that is not reached."""
    left = dict(layers)
    while left:
        group, size = {}, 0
        while left and (not group or size < CHECKED):
            path = next(iter(left))
            group[path] = left.pop(path)
            size += sum(parameter.nbytes for parameter in group[path].values())
        flat = [parameter for own in group.values() for parameter in own.values()]
        found = dict(zip(flat, torch.autograd.grad(value, flat, retain_graph=True, allow_unused=True), strict=True))
        for path, own in group.items():
            yield path, {name: wide(found[p]) for name, p in own.items() if found[p] is not None}


def _error(tape: Tape, c: Float[Tensor, " k"], gradients: Direction, size: float) -> float:
    """The larger of |c.K c - ||G||^2| and ||c|| ||K c - J G||, of a tape with one output."""
    kernel = tape.kernel(tape, "trace")
    c = c.to(kernel)
    mixed, reached = kernel @ c, tape.product(gradients).squeeze(-1)
    return max(abs(float(c @ mixed) - size), float(c.norm() * (mixed - reached).norm()))

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
from regime.kernels.tapes import Direction, Tape, real, wide

PRECISION = 1e-6
"""The smallest relative error of a kernel that is no rounding: models in float64 compute parts of themselves in float32."""
BYTES = 2**28
"""Of gradients that are held at once, but for a single layer's."""


@dataclass(frozen=True)
class Probe:
    """A few examples on their own: their outputs, with the graph under them."""

    outputs: Float[Tensor, "k C"]
    chosen: list[int]
    """Rows of `outputs` that are compared."""
    rows: list[int]
    """The same examples in the batch."""

    def weights(self) -> tuple[Float[Tensor, " k"], Float[Tensor, " C"]]:
        """c of the chosen examples, and r of the outputs."""
        return tuple(1 + torch.cos(torch.arange(n).to(self.outputs) ** 2) / 2 for n in (len(self.rows), self.outputs.shape[1]))

    def disagreeing(self, tapes: dict[str, Tape | None], layers: Layers) -> list[str]:
        """The layers whose tapes, on the batch, are not those of these examples."""
        examples, outputs = self.weights()
        with torch.enable_grad():
            value = examples @ (self.outputs[self.chosen] @ outputs)
        errors, sizes = {}, {}
        for path, gradients in _by_layer(value, layers):
            length = sum(torch.dot(flat, flat) for flat in (real(g).flatten() for g in gradients.values()))
            errors[path], sizes[path] = _error(tapes[path], gradients, length, self.rows, examples, outputs), length
        # a layer whose gradients vanish in their sum, as those of keys' biases do, has rounding to compare, and nothing else
        noise = 10 * tolerance(value, layers) ** 3 * sum(sizes.values())
        return [path for path, error in errors.items() if not error <= tolerance(value, layers) * sizes[path] + noise]


def tolerance(outputs: Tensor, layers: Layers) -> float:
    """The relative error that rounding may make of a kernel, or of outputs, where the coarsest of the dtypes is used."""
    dtypes = {outputs.dtype} | {parameter.dtype for own in layers.values() for parameter in own.values()}
    return max(PRECISION, *(torch.finfo(dtype).eps ** 0.5 for dtype in dtypes))


def _by_layer(value: Tensor, layers: Layers) -> Iterator[tuple[str, Direction]]:
    """The gradients of each layer's parameters, in groups of so many bytes; none of a parameter that is not reached."""
    left = dict(layers)
    while left:
        group, size = {}, 0
        while left and (not group or size < BYTES):
            path = next(iter(left))
            group[path] = left.pop(path)
            size += sum(parameter.nbytes for parameter in group[path].values())
        flat = [parameter for own in group.values() for parameter in own.values()]
        found = dict(zip(flat, torch.autograd.grad(value, flat, retain_graph=True, allow_unused=True), strict=True))
        for path, own in group.items():
            yield path, {name: wide(found[p]) for name, p in own.items() if found[p] is not None}


def _error(
    tape: Tape | None, gradients: Direction, length: Tensor | int, rows: list[int], examples: Tensor, outputs: Tensor
) -> Tensor | int:
    """The larger of |c.K c - ||G||^2| and ||c|| ||K c - J G||; ||G||^2 where there is no tape."""
    if tape is None:
        return length
    here = tape.rows(rows).mixed(outputs)
    kernel = here.kernel(here, "trace")
    examples = examples.to(kernel)
    mixed, reached = kernel @ examples, here.product(gradients).squeeze(-1)
    return torch.maximum((examples @ mixed - length).abs(), examples.norm() * (mixed - reached).norm())

"""What rounding makes of a network's outputs and gradients, measured: each result is moved at random by its last digit."""

from typing import Any

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, Readout, evaluate
from regime.kernels.jacobian.functions import EagerMode

SUMS = 16
"""How many times the measured rounding of fine numbers passes for rounding: what is added up within a result is not moved."""
DRAWS = 4
"""Passes that tell what rounding makes of outputs."""
SINGLE = torch.finfo(torch.float32).eps
"""Unit of rounding of numbers that are not coarse."""


class Jitter(EagerMode):
    """Moves every finite result at random within its rounding (Monte Carlo arithmetic), in backward passes, too.

    The examples stay the same, so that what differs is rounding and nothing that they do to one another.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        output = function(*args, **(kwargs or {}))
        if function._schema.is_mutable or function.is_view or torch.Tag.nondeterministic_seeded in function.tags:
            return output
        if isinstance(output, tuple | list):
            return type(output)(self._moved(each) for each in output)
        return self._moved(output)

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout != torch.strided:
            return value
        limits = torch.finfo(value.dtype)
        wide = value.to(torch.promote_types(value.dtype, torch.float32) if value.element_size() > 1 else torch.float32)
        if ((wide == wide.round()) & (wide.abs() * limits.eps < 1) | wide.isinf()).all():
            return value  # counts, such as positions, and masks are not rounded
        generator = self.generators.setdefault(value.device, torch.Generator(value.device).manual_seed(self.seed))
        noise = torch.rand(wide.shape, generator=generator, dtype=wide.dtype, device=wide.device) - 0.5
        moved = torch.addcmul(wide, wide, noise, value=limits.eps).clamp(limits.min, limits.max)
        return torch.where(wide.isinf(), wide, moved).to(value.dtype)


def jittered(model: nn.Module, batch: Batch, readout: Readout | None, seed: int = 0) -> Tensor:
    """Return the outputs with another rounding.

    Args:
        model, batch, readout: as in `evaluate`.
        seed: of the moves.
    """
    with Jitter(seed):
        return evaluate(model, batch, readout)


def noise_of(model: nn.Module, batch: Batch, readout: Readout | None) -> float:
    """Return what rounding may make of the outputs for one example; 0 where two passes differ by themselves.

    Args:
        model, batch, readout: as in `evaluate`.
    """
    outputs, again = (evaluate(model, batch, readout).detach() for _ in range(2))
    if not torch.equal(outputs, again):
        return 0.0
    moves = [jittered(model, batch, readout, seed).detach() - outputs for seed in range(DRAWS)]
    return SUMS * largest_row(torch.cat(moves, 1)) / DRAWS**0.5


def largest_row(outputs: Tensor) -> float:
    """Return the largest norm of the outputs for one example."""
    return float(torch.linalg.vector_norm(outputs, dim=1, dtype=torch.float64).max())

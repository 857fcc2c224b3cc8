"""What is seen of a watched network at one time, and what that is compared with."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class First:
    """The network with its first parameters, and everything else as it was lately: P examples, C outputs."""

    state: dict[str, Any]
    """That else."""
    outputs: Float[Tensor, "P C"]
    kernels: dict[str, Float[Tensor, "P P"]]
    representations: dict[str, Float[Tensor, "P _"]]
    left_out: Float[Tensor, "G P P"] | None
    """The kernel without each group of the outputs, where these are random projections."""
    glimpse: Float[Tensor, "k C"]
    """The outputs for a few examples, by a pass of their own that can be taken again."""


@dataclass(frozen=True)
class Sight:
    """A network at one time, on P examples with C outputs; layers by name, from input to output."""

    outputs: Float[Tensor, "P C"]
    expansion: Float[Tensor, "P C"]
    """f_0 + J_0 (theta_t - theta_0)."""
    kernels: dict[str, Float[Tensor, "P P"]]
    representations: dict[str, Float[Tensor, "P _"]]
    left_out: Float[Tensor, "G P P"] | None
    moved: dict[str, tuple[Float[Tensor, "P C"], Float[Tensor, "P C"]]]
    """By block: f with that block alone moved, and its linear prediction f_0 + J_0 D_b."""
    displacement: dict[str, Float[Tensor, ""]]
    magnitude: dict[str, Float[Tensor, ""]]
    first: First
    """What f_0 and J_0 are of."""
    restarts: int
    """How often that was taken anew and was other than before: some state only counts, or is written and never read."""

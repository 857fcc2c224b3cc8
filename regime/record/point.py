"""One step of a run, measured, before it becomes an event."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from regime.measures.measurement import Measurement


@dataclass(frozen=True)
class Point:
    """What is measured of one step, seed by seed."""

    step: int
    time: float
    loss: Float[Tensor, "S"] | None
    blocks: dict[str, str]
    moved: bool
    """Whether any parameter did."""
    diverged: bool
    measurement: Measurement

"""What can be told of a toy run before it starts: the step size it would choose, where that becomes unstable, its cost."""

from dataclasses import dataclass

from regime.config import ToyConfig
from regime.toy.producer import ToyRun


@dataclass(frozen=True)
class Preview:
    """A toy run, not yet begun."""

    learning_rate: float
    """The one that is chosen where the configuration leaves it open."""
    top: float | None
    """lambda_max(Theta_0 / N), so that learning_rate * top is compared with the edges; None for Adam."""
    edges: tuple[float, ...]
    """Values of learning_rate * top: stable below the first, divergent above the second; empty where theory has none."""
    seconds: float


def preview(config: ToyConfig) -> Preview:
    """Draw the networks and their kernel, and go no further.

    Raises:
        ConfigError: the configuration cannot run on this machine.
    """
    run = ToyRun(config.model_copy(update={"learning_rate": None}))
    edges = tuple(reference.value for reference in run.references() if reference.measure == "stability")
    return Preview(run.learning_rate, run.top_eigenvalue(), edges, run.estimate().seconds)

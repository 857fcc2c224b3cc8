"""What would carry a run to the other regime, computed from its own kernel change by the scaling laws of the lazy limit."""

from regime.config import ProbeConfig, ToyConfig
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE, Label

BEYOND = 2.0
"""How far past a threshold the advice aims."""


def advise(config: ToyConfig | ProbeConfig, learning_rate: float, label: Label, kernel: float) -> list[str]:
    """One sentence for each other side worth crossing to.

    The kernel's change falls as 1/alpha (Chizat et al. 2019); for a fixed number of steps it grows in proportion to the step.
    """
    sides = {"lazy": ["rich"], "mixed": ["lazy", "rich"], "rich": ["lazy"]}[label]
    return [_cross(config, learning_rate, side, kernel) for side in sides]


def _cross(config: ToyConfig | ProbeConfig, learning_rate: float, side: Label, kernel: float) -> str:
    factor = RICH_ABOVE * BEYOND / kernel if side == "rich" else LAZY_BELOW / BEYOND / kernel
    if config.kind == "toy":
        return f"For {side}, try alpha near {config.alpha / factor:.2g} (now {config.alpha:.3g})"
    return f"For {side}, try learning_rate near {learning_rate * factor:.1g} (now {learning_rate:.1g})"

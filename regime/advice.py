"""What would carry a run to the other regime, computed from its own numbers by the scaling laws of the lazy limit."""

from regime.config import ProbeConfig, ToyConfig
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE, Label

Interval = tuple[float, float]

BEYOND = 2.0
"""How far past a threshold the advice aims."""

RELU_GAP = 0.4
"""How a ReLU network's gap falls with alpha: slower than a smooth one's, because of its kinks (measured: 0.35 to 0.6)."""


def advise(config: ToyConfig | ProbeConfig, learning_rate: float, label: Label, kernel: Interval, gap: Interval) -> list[str]:
    """One sentence for each other side worth crossing to; none where nothing moved.

    Kernel change and gap both fall about as 1/alpha (Chizat et al. 2019), a ReLU network's gap about as alpha**-0.4, and
    for a fixed number of steps they grow about in proportion to the step. The one that asks for the larger change decides, and
    the far end of its interval has to cross too.
    """
    if min(*kernel, *gap) <= 0:
        return []
    power = RELU_GAP if config.kind == "toy" and config.activation == "relu" else 1.0
    farther = {
        "lazy": max(kernel[1] * BEYOND / LAZY_BELOW, (gap[1] * BEYOND / LAZY_BELOW) ** (1 / power)),
        "rich": max(RICH_ABOVE / kernel[0], LAZY_BELOW / gap[0]) * BEYOND,
    }
    sides = {"lazy": ["rich"], "mixed": ["lazy", "rich"], "rich": ["lazy"]}[label]
    return [_cross(config, learning_rate, side, max(1.0, farther[side])) for side in sides]


def _cross(config: ToyConfig | ProbeConfig, learning_rate: float, side: str, factor: float) -> str:
    field, now = ("alpha", config.alpha) if config.kind == "toy" else ("learning_rate", learning_rate)
    grows = (side == "lazy") == (field == "alpha")
    wanted = now * factor if grows else now / factor
    limit = {"alpha": (1e-4, 1e4), "learning_rate": (0.0, 10.0)}[field]
    near = float(f"{min(max(wanted, limit[0]), limit[1]):.2g}")
    return f"For {side}, try {field} near {near:g} (now {now:.3g})"

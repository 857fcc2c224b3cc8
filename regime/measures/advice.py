"""What would carry a run to the other regime, extrapolated from its own numbers by the scaling laws of the lazy limit."""

from collections.abc import Sequence
from statistics import geometric_mean
from typing import Literal

from regime.config import ProbeConfig, ToyConfig
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE, Label

Side = Literal["lazy", "rich"]
OTHERS: dict[str, list[Side]] = {"lazy": ["rich"], "mixed": ["lazy", "rich"], "rich": ["lazy"], "no verdict": []}
"""The sides worth crossing to."""
BEYOND = 2.0
"""How far past a threshold the advice aims."""
FAR = 1000.0
"""Factor from which on an extrapolated value is no number to set."""
WORDS = {"alpha": "output scale alpha", "learning_rate": "step size"}
"""The settings that are advised, in words."""
RICH_KERNEL = 3.0
"""Kernel change that a toy aims at for rich: where it was that large, the gap was above its bound too (measured)."""
SMOOTH_GROWTH = 1.25
"""Power of 1/alpha with which the kernel change grows on the way from lazy to rich, without ReLU (measured: 0.9 to 2)."""
FALL, RELU_FALL = 3 / 4, 1 / 3
"""Powers with which kernel change and gap fall with alpha on the way to lazy, and a ReLU network's gap, slower because of its
kinks (measured)."""


def advise(
    config: ToyConfig | ProbeConfig, learning_rate: float, label: Label, kernel: Sequence[float], gap: Sequence[float]
) -> list[str]:
    """Return one sentence for each other side, with the value that `extrapolate` gives.

    Args:
        config: of the run.
        learning_rate: that it took.
        label: its regime.
        kernel: its kernel change, seed by seed.
        gap: its gap, seed by seed.
    """
    field, now = _knob(config, learning_rate)
    values = extrapolate(config, learning_rate, label, kernel, gap)
    return [f"{_extrapolated(side, field, value, now)}, extrapolated" for side, value in values.items()]


def _extrapolated(side: Side, field: str, value: float, now: float) -> str:
    """Return an advice in words; where its value is far away, only the direction is meant."""
    if max(value, now) <= FAR * min(value, now):
        return sentence(side, field, value, now)
    change = "Raise" if value > now else "Lower"
    return f"{change} the {WORDS[field]} more than a thousandfold for {side} (now {now:.3g})"


def sentence(side: Side, field: str, value: float, now: float) -> str:
    """Return the words that begin an advice with a value.

    Args:
        side: the regime that is advised.
        field: the setting to change.
        value: what to change it to.
        now: what it is.
    """
    return f"For {side}, try {WORDS[field]} near {value:.3g} (now {now:.3g})"


def extrapolate(
    config: ToyConfig | ProbeConfig, learning_rate: float, label: Label, kernel: Sequence[float], gap: Sequence[float]
) -> dict[Side, float]:
    """Return the value of alpha, or of a probe's learning_rate, that should carry a run to each other side.

    In the lazy limit kernel change and gap fall as 1/alpha (Chizat et al. 2019). On the way there they fall as slowly as
    alpha**-0.75, a ReLU network's gap as alpha**(-1/3); the one that asks for the larger change decides, in every seed. Towards
    rich the kernel change decides, its geometric mean over seeds: it grows as 1/alpha with ReLU, as alpha**-1.25 without, and
    much further on lies divergence. A probe's grow about in proportion to the step, and both have to cross. A side to which
    this changes nothing, or that lies beyond what the field allows, has none; nor has any where a seed did not move at all.

    Args:
        config, learning_rate: the run, and the step size it took.
        label: the verdict's.
        kernel, gap: the verdict's evidence, seed by seed.
    """
    if min(*kernel, *gap) <= 0:
        return {}
    toy = config.kind == "toy"
    excess = [BEYOND * max(evidence) / LAZY_BELOW for evidence in (kernel, gap)]
    if toy:
        relu = config.activation == "relu"
        lazy = max(excess[0] ** (1 / FALL), excess[1] ** (1 / (RELU_FALL if relu else FALL)))
        rich = (RICH_KERNEL / geometric_mean(kernel)) ** (1 if relu else 1 / SMOOTH_GROWTH)
    else:
        lazy, rich = max(excess), BEYOND * max(RICH_ABOVE / min(kernel), LAZY_BELOW / min(gap))
    _, now = _knob(config, learning_rate)
    low, high = (1e-4, 1e4) if toy else (0.0, 10.0)
    values: dict[Side, float] = {}
    for side in OTHERS[label]:
        factor = max(1.0, {"lazy": lazy, "rich": rich}[side])
        wanted = min(max(now * factor if (side == "lazy") == toy else now / factor, low), high)
        if wanted != now:
            values[side] = float(f"{wanted:.2g}")
    return values


def _knob(config: ToyConfig | ProbeConfig, learning_rate: float) -> tuple[str, float]:
    """The field that is to be changed, and its value now."""
    return ("alpha", config.alpha) if config.kind == "toy" else ("learning_rate", learning_rate)

"""What claims about scaling share: runs along one field, the slope in log-log, and how they are drawn."""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch

from regime.config import ToyConfig
from regime.measures.intervals import mean_over_seeds
from regime.measures.measurement import Measurement
from regime.reproductions.claim import Series, Step, train_to

BASE = {"task": "circle", "samples": 24, "test_samples": 8, "probe_samples": 48}
LOSS = 0.1
"""Share of the initial loss that training stops at."""
STEP = f"to {LOSS:g} of the loss"
Pick = Callable[[Measurement], torch.Tensor]


def widths(full: bool) -> list[int]:
    """Return the widths that exponents are fitted through."""
    return [64, 128, 256, 512, 1024, *([2048] if full else [])]


def measured_along(
    field: str, values: Sequence[float], picks: dict[str, Pick], *, together: int = 5, **fields: object
) -> Generator[Step, None, tuple[dict[str, np.ndarray], list[ToyConfig]]]:
    """Return measures (K, S) of runs trained to LOSS, one for each value of a field, and the runs' configurations.

    Args:
        field: of `ToyConfig`.
        values: K of them.
        picks: the measures to take, by name.
        together: how many seeds are trained at a time, until their mean loss is LOSS of its start.
        fields: what all runs have in common, beside BASE.
    """
    configs = [ToyConfig(**{**BASE, **fields, field: value}) for value in values]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in picks}
    for config in configs:
        yield Step(doing=f"{field} = {getattr(config, field)}")
        parts = []
        for first in range(0, config.seeds, together):
            seeds = {"seed": config.seed + first, "seeds": min(together, config.seeds - first)}
            parts.append((yield from train_to(config.model_copy(update=seeds), LOSS)))
        for name, pick in picks.items():
            rows[name].append(torch.cat([pick(part) for part in parts]).cpu().numpy())
    return {name: np.stack(row) for name, row in rows.items()}, configs


def of_model(name: str) -> Pick:
    """Return the pick of a measure of the whole model."""
    return lambda measurement: measurement.model[name]


def of_layer(layer: str, name: str) -> Pick:
    """Return the pick of a measure of one layer."""
    return lambda measurement: measurement.layers[layer][name]


def dots(name: str, x: Sequence[float], y: np.ndarray) -> Series:
    """Return dots at the means over seeds, with their intervals.

    Args:
        name: in the legend.
        x: K places.
        y: (K, S) values there, one for each seed.
    """
    means = [mean_over_seeds(row) for row in y]
    return Series(
        name=name,
        x=[float(value) for value in x],
        y=[mean.value for mean in means],
        low=[mean.low for mean in means],
        high=[mean.high for mean in means],
    )


def law(name: str, x: Sequence[float], y: np.ndarray, slope: float) -> Series:
    """Return the line of a power law of a known exponent through the middle of y (K, S).

    Args:
        name: of the dots that it belongs to.
        x: places.
        y: values there.
        slope: the exponent that is expected.
    """
    places = np.asarray(x, dtype=float)
    scale = np.exp(np.log(y.mean(1)).mean() - slope * np.log(places).mean())
    return Series(name=f"{name}, expected", x=places.tolist(), y=(scale * places**slope).tolist(), style="guide")

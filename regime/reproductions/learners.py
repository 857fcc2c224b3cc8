"""What claims about learners share: test losses over several draws of the data, their quotient, and how they are drawn."""

from collections.abc import Generator

import numpy as np
from jaxtyping import Float

from regime.config import Runnable, ToyConfig
from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.reproductions.claim import Figure, Series, Step, log_log, watched

NETWORK, BEFORE, AFTER = "test_loss", "kernel_start_test_loss", "kernel_now_test_loss"
"""Test losses in reports: of the network, and of kernel regression with its tangent kernel at the start and at the end."""
Pairs = Float[np.ndarray, "K 2"]


def draws(base: ToyConfig, count: int) -> list[ToyConfig]:
    """Return one run for each of so many draws of data and initialization, measured at both ends alone."""
    changed = {"seeds": 1, "measure_every": max(1, base.steps)}
    return [base.model_copy(update={"data_seed": draw, "seed": draw, **changed}) for draw in range(count)]


def losses(configs: list[Runnable], *names: str) -> Generator[Step, None, np.ndarray]:
    """Return measures (K, len(names)) at the end of K runs of one seed."""
    rows = []
    for config in configs:
        report = yield from watched(config)
        rows.append([report.final[name] for name in names])
    return np.array(rows)


def quotient(pairs: Pairs) -> PointEstimate:
    """Return the mean over draws of the second loss over the first."""
    return mean_over_seeds(pairs[:, 1] / pairs[:, 0])


def against(title: str, x: str, y: str, rows: dict[str, Pairs]) -> Figure:
    """Return the second loss of each pair against the first, and the line on which both are the same.

    Args:
        title: what is seen.
        x: what the first loss is.
        y: what the second loss is.
        rows: pairs by what stands in the legend.
    """
    series = [Series(name=name, x=pairs[:, 0].tolist(), y=pairs[:, 1].tolist()) for name, pairs in rows.items()]
    first = np.concatenate([pairs[:, 0] for pairs in rows.values()])
    ends = [float(first.min()), float(first.max())]
    same = Series(name="both the same", x=ends, y=ends, style="guide")
    return log_log(title, x, y, [*series, same])

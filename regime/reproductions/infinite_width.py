"""S6: how the kernel at initialization approaches that of infinite width, which neural-tangents computes, too."""

import json
from collections.abc import Generator, Iterator
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from regime.config import ToyConfig
from regime.data import FOLDER
from regime.kernels.infinite import infinite_ntk
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import BASE, dots, law, widths
from regime.toy import tasks
from regime.toy.producer import ToyRun

PEER = FOLDER / "reproductions" / "neural-tangents.json"
"""Points, and their kernels of infinite width by the library neural-tangents."""
TOGETHER = 8
"""Seeds that are drawn at a time."""
CPU = torch.device("cpu")
CLOSE = 1e-5
"""Relative distance within which two implementations agree."""


def measure(full: bool) -> Iterator[Found]:
    """Fit the relative distance between Theta_0 and its limit against width."""
    series = []
    for part, activation in enumerate(("relu", "tanh")):
        yield Step(part / 2, f"{activation} networks of {len(widths(False))} widths")
        fields = [{"width": width, "seed": seed} for width in widths(False) for seed in range(0, 256 if full else 128, 64)]
        configs = [ToyConfig(**BASE, activation=activation, seeds=64, **each) for each in fields]
        limit, rows = of_infinite_width(tasks.draw_data(configs[0], CPU, torch.float64).train.x, activation), []
        for config in configs:
            rows.append((yield from distances(config, limit)))
        far, what = (
            np.concatenate(rows).reshape(len(widths(False)), -1),
            "exponent of ||Theta_0 - Theta_inf|| / ||Theta_inf|| against width, two hidden layers",
        )
        yield finding(f"{what}, {activation}", "-1/2", exponent(widths(False), far), -0.57, -0.43, configs=configs)
        series += [dots(activation, widths(False), far), law(activation, widths(False), far, -0.5)]
    for activation, known in json.loads(PEER.read_text(encoding="utf-8"))["ntk"].items():
        off = against_peer(activation, known)
        what = f"relative distance between two computations of Theta_inf, two hidden layers, {activation}"
        yield finding(what, "0", PointEstimate(off, off, off), None, CLOSE, against="neural-tangents")
    yield log_log("The kernel of a random network approaches that of infinite width", "width", "relative distance", series)


def of_infinite_width(x: Tensor, activation: str) -> Tensor:
    """Return Theta_inf of two hidden layers with the standard deviations that toys have by default."""
    return infinite_ntk(x, depth=2, activation=activation, weight_std=sqrt(2), bias_std=1.0).ntk


def distances(config: ToyConfig, limit: Tensor) -> Generator[Step, None, np.ndarray]:
    """Return the relative distance of Theta_0 from Theta_inf, (S,), drawn TOGETHER at a time."""
    found = []
    for first in range(config.seed, config.seed + config.seeds, TOGETHER):
        run = ToyRun(config.model_copy(update={"seed": first, "seeds": TOGETHER}), torch.float64)
        found.append(((run.kernel.to(limit) - limit).norm(dim=(1, 2)) / limit.norm()).numpy())
        yield Step()
    return np.concatenate(found)


def against_peer(activation: str, known: list[list[float]]) -> float:
    """Return the relative distance between our Theta_inf and the peer's, of the peer's points."""
    x, theirs = (
        torch.tensor(part, dtype=torch.float64, device=CPU)
        for part in (json.loads(PEER.read_text(encoding="utf-8"))["x"], known)
    )
    return ((of_infinite_width(x, activation) - theirs).norm() / theirs.norm()).item()


INFINITE_WIDTH = Claim(
    id="S6",
    title="Infinite width is a limit",
    claim="Random networks of one shape start with different kernels; the wider they are, the closer all come to one kernel, "
    "which needs no network to compute.",
    paper=Paper(
        authors="Jacot et al.",
        year=2018,
        title="Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
        arxiv="1806.07572",
    ),
    published="it converges; fluctuations of a mean over n units give -1/2",
    method="Networks with two hidden layers at initialization, in float64. The slope in log-log is fitted seed by seed; it "
    "passes where its 95% interval lies within 0.07 of -1/2. Theta_inf itself is compared with neural-tangents (Novak et al. "
    f"2019, arXiv 1912.02803) at fixed points, to {CLOSE:g}; its numbers ship with this package.",
    measure=measure,
)

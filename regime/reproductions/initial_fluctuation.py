"""S17: how much initial kernels of one architecture differ from seed to seed, against depth over width."""

from collections.abc import Generator, Iterator
from math import log

import numpy as np
import torch

from regime.config import ToyConfig
from regime.measures.intervals import mean_over_seeds
from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law
from regime.toy.producer import ToyRun

RATIOS = [1 / 32, 1 / 16, 1 / 8, 1 / 4]
BATCHES = 8
"""Of seeds; each gives one variance."""
TOGETHER = 64
"""Seeds that are drawn at a time."""


def measure(full: bool) -> Iterator[Found]:
    """Fit the growth of the fluctuation with depth/width, and compare depths at one ratio."""
    depths, seeds = ([2, 4, 6], 2048) if full else ([2, 4], 512)
    spread, configs = np.empty((len(RATIOS), len(depths), BATCHES)), []
    for i, ratio in enumerate(RATIOS):
        for j, depth in enumerate(depths):
            yield Step((i + j / len(depths)) / len(RATIOS), f"depth {depth}, width {round(depth / ratio)}")
            config = ToyConfig(depth=depth, width=round(depth / ratio), bias=False, samples=4, seeds=TOGETHER)
            spread[i, j] = yield from relative_variance(config, seeds)
            configs.append(config)
    growth = exponent(RATIOS, np.log1p(spread.mean(1)))
    what = "exponent of log(1 + var/mean^2) of Theta_0(x, x) over seeds, against depth/width, relu"
    yield finding(what, "1", growth, 0.8, 1.2, configs=configs)
    # At one ratio the deepest and the shallowest spread alike: their log quotient, over the growth that a doubling brings.
    apart = mean_over_seeds((np.log(np.log1p(spread[:, -1])) - np.log(np.log1p(spread[:, 0]))).mean(0) / log(2))
    what = f"curves of depth {depths[0]} and {depths[-1]} apart at one ratio, in doublings of it"
    yield finding(what, "0", apart, -0.35, 0.35, configs=configs)
    lines = [dots(f"depth {depth}", RATIOS, np.log1p(spread[:, j])) for j, depth in enumerate(depths)]
    yield log_log(
        "Kernels of random networks differ by how deep they are for their width",
        "depth over width",
        "log(1 + var/mean^2) of Theta_0(x, x)",
        [*lines, law("all depths", RATIOS, np.log1p(spread.mean(1)), 1.0)],
    )


def relative_variance(config: ToyConfig, seeds: int) -> Generator[Step, None, np.ndarray]:
    """Return var/mean^2 of Theta_0(x, x) over seeds, one number a batch of so many."""
    network = ToyRun(config.model_copy(update={"seeds": 1})).network
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float32, device="cpu")
    values = []
    for first in range(0, seeds * BATCHES, TOGETHER):
        jacobian = network.jacobian(network.init(TOGETHER, first, x.device, x.dtype), x)
        values.append(network.full_kernel(jacobian, jacobian).flatten())
        yield Step()
    kernel = torch.cat(values).double().view(BATCHES, seeds)
    return (kernel.var(1) / kernel.mean(1) ** 2).numpy()


INITIAL_FLUCTUATION = Claim(
    id="S17",
    title="Deep and narrow is a matter of luck",
    claim="Kernels of random networks differ more, the deeper the networks are for their width: depth over width decides, "
    "neither of the two alone.",
    paper=Paper(
        authors="Hanin and Nica",
        year=2019,
        title="Finite Depth and Width Corrections to the Neural Tangent Kernel",
        arxiv="1909.05989",
    ),
    published="the mean square over the squared mean is exp(5 depth/width), up to constants: one curve for all depths",
    method=f"ReLU networks without biases at one input; {BATCHES} batches of seeds from 0 up, {TOGETHER} drawn at a time. "
    "Tolerances: 0.2 around a slope of 1, and 0.35 doublings of the ratio between the deepest and the shallowest.",
    measure=measure,
)

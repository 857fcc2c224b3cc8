"""S5: what step sizes do beyond the edge of stability, in the model in which the catapult was found."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from regime.dynamics.losses import LOSSES
from regime.dynamics.optimizers import Descent
from regime.measures.intervals import LEVEL, PointEstimate, mean_over_seeds
from regime.reproductions.claim import Claim, Found, Paper, Series, Step, finding, log_log
from regime.toy.activations import ACTIVATIONS
from regime.toy.network import Layer, Network
from regime.toy.parameterization import scales
from regime.toy.training import Training

WIDTH, STEPS = 1024, 3000
STABILITIES = (1.9, 2.1, 3.9, 4.1)
SPIKE = 1.05
"""Of the first loss, that a spike exceeds."""
CONVERGED = 1e-3
"""Of the first loss, that a run has converged below."""
ALL, NONE = 0.8, 0.2
"""Shares that a 95% interval has to lie above, or below, to stand for all and for none of the seeds."""
LOST = 1e12
"""Of the first loss, that the figure ends at."""
HUGE = 1e100
"""A loss that is no number counts as this."""
DRAWN = np.unique(np.geomspace(1, STEPS, 80).astype(int)) - 1
"""Steps that the figure shows."""


def measure(full: bool) -> Iterator[Found]:
    """Train f = u.v x / sqrt(n) on one sample, x = 1 and y = 0, with steps below and above both edges."""
    spiked, converged, ends, series = {}, {}, {}, []
    for part, stability in enumerate(STABILITIES):
        yield Step(part / len(STABILITIES), f"eta lambda_0 = {stability:g}")
        losses, ends[stability] = yield from train(stability, seeds=100 if full else 40)
        spiked[stability] = share(losses.max(0) > SPIKE * losses[0])
        converged[stability] = share(losses[-1] < CONVERGED * losses[0])
        typical = np.median((losses[DRAWN] / losses[0]).clip(max=LOST), 1)
        y = [float(value) if 1 / LOST < value < LOST else None for value in typical]
        series.append(Series(name=f"eta lambda_0 = {stability:g}", x=(DRAWN + 1).tolist(), y=y, style="line"))
    at_end = mean_over_seeds(ends[2.1])
    yield finding("eta lambda at the end, eta lambda_0 = 2.1", "below 2; 1.87 to 1.89", at_end, 1.8, 1.95)
    for what, shares, edge in (
        ("whose loss rises before it falls", spiked, (1.9, 2.1)),
        ("that converge", converged, (4.1, 3.9)),
    ):
        none, every = (f"share of seeds {what}, eta lambda_0 = {stability}" for stability in edge)
        yield finding(none, "0", shares[edge[0]], None, NONE)
        yield finding(every, "1", shares[edge[1]], ALL, None)
    yield log_log(
        "Between 2 and 4 the loss shoots up, and training then finds a flatter place; above 4 it is lost",
        "step",
        "loss over the first one, median of the seeds",
        series,
    )


def share(found: Sequence[bool] | np.ndarray) -> PointEstimate:
    """Return the share of seeds that something holds of, with the exact 95% interval (Clopper and Pearson 1934)."""
    from scipy.stats import beta

    count, total, tail = int(np.sum(found)), len(found), (1 - LEVEL) / 2
    low = float(beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, total - count)) if count < total else 1.0
    return PointEstimate(count / total, low, high)


def train(stability: float, seeds: int, steps: int = STEPS) -> Generator[Step, None, tuple[np.ndarray, np.ndarray]]:
    """Return the losses (steps, S), and eta lambda at the end (S,), each seed stepping by `stability` over its own lambda_0.

    Args:
        stability: eta lambda at the start.
        seeds: how many networks.
        steps: how many steps.
    """
    sizes = (1, WIDTH, 1)
    scaled = scales("ntk", sizes, weight_std=1.0, bias_std=0.0, bias=False, init_scale=1.0)
    network = Network(sizes, ACTIVATIONS["linear"], tuple(scaled))
    x, y = torch.tensor([[[1.0]], [[0.0]]], dtype=torch.float64, device="cpu")
    initial = network.init(seeds, 0, x.device, x.dtype)
    rate = stability / _curvature(network, initial, x)
    training = Training.start(network, initial, x, y, alpha=1.0, centered=False, loss=LOSSES["mse"], descent=Descent(rate))
    path = []
    for _ in range(steps):
        path.append(training.step().nan_to_num(nan=HUGE, posinf=HUGE).clamp(max=HUGE).numpy())
        yield Step()
    return np.stack(path), (rate * _curvature(network, training.parameters, x)).flatten().numpy()


def _curvature(network: Network, parameters: list[Layer], x: Tensor) -> Tensor:
    """The loss's largest curvature lambda, (S, 1, 1): of one sample it is the tangent kernel."""
    jacobian = network.jacobian(parameters, x)
    return network.full_kernel(jacobian, jacobian)


CATAPULT = Claim(
    id="S5",
    title="Too large a step can be survived",
    claim="Steps somewhat too large make the loss shoot up, and training then lands in a flatter place; steps twice as large "
    "lose it.",
    paper=Paper(
        authors="Lewkowycz et al.",
        year=2020,
        title="The large learning rate phase of deep learning: the catapult mechanism",
        arxiv="2003.02218",
    ),
    published="edges at eta lambda_0 = 2 and 4",
    method=f"The paper's own model, f = u.v x / sqrt(n) with n = {WIDTH}, one sample x = 1, y = 0, {STEPS} steps. Here eta is "
    f"the step size, lambda_0 the curvature at the start. Shares have exact intervals: all means above {ALL:g}, none below "
    f"{NONE:g}. With many samples or ReLU the upper edge moves.",
    measure=measure,
)

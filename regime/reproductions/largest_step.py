"""S20: the largest stable step against the richness of training."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.optimizers import Descent
from regime.kernels.spectrum import top_eigenvalue
from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law
from regime.toy.producer import ToyRun
from regime.toy.training import Training

LEARNED = 0.1
"""Share of the initial loss below which the last tenth of a run has to stay to count as stable."""
TRIED = 8
"""Steps tried at once: a factor 2 apart, then between the last stable and the first unstable one."""


def stable(run: ToyRun, gamma: Float[Tensor, "R"], eta: Float[Tensor, "R S"], steps: int) -> Generator[Step, None, np.ndarray]:
    """Train R copies of S networks, f / gamma by steps of eta; return which (R, S) of them end with the loss learned.

    Args:
        run: the networks and their data at step 0.
        gamma: what each copy's outputs, less those at the start, are divided by.
        eta: the step on each one's parameters, without any factor of gamma.
        steps: how many are taken.
    """
    divided = gamma.repeat_interleave(eta.shape[1]).view(-1, 1, 1)
    copies = [layer.map(lambda p: p.repeat(len(gamma), *[1] * (p.dim() - 1))) for layer in run.initial]
    descent = Descent(eta.reshape(-1, 1, 1) / divided**2)  # its steps are divided by alpha^2
    known = {"alpha": 1 / divided, "centered": True, "loss": run.loss, "descent": descent}
    training = Training.start(run.network, copies, *run.data.train, **known)
    first = training.step()
    last = torch.zeros_like(first)
    for step in range(1, steps):
        loss = training.step().nan_to_num(nan=torch.inf)
        last = torch.maximum(last, loss) if step > 0.9 * steps else last
        yield Step()
    return (last < LEARNED * first).view(eta.shape).cpu().numpy()


def largest_steps(run: ToyRun, gammas: Sequence[float], steps: int) -> Generator[Step, None, np.ndarray]:
    """Return the largest stable step (G, S) of every gamma and network, to a factor 2^(1/16).

    Args:
        run: the networks and their data at step 0.
        gammas: what outputs are divided by.
        steps: of every trial.

    Raises:
        RuntimeError: all steps that were tried are stable, or none.
    """
    gamma, layers = np.array(gammas), len(run.network.sizes) - 1
    top = top_eigenvalue(run.kernel).cpu().numpy() / run.config.samples
    # Trials begin well below the edge: 2 / lambda_max at the start while lazy; rich training ends with a kernel that has grown.
    low = np.log2(2 * gamma**2 * np.where(gamma > 1, gamma ** (2 / layers - 2), 1.0))[:, None] - np.log2(top) - 3
    for ratio in (1.0, 1 / TRIED):
        tried = low[:, None] + ratio * np.arange(TRIED)[:, None]  # (G, TRIED, S)
        eta = torch.as_tensor(2**tried).flatten(0, 1).to(run.data.train.x)
        copies = torch.as_tensor(gamma).repeat_interleave(TRIED).to(eta)
        good = (yield from stable(run, copies, eta, steps)).reshape(tried.shape)
        if not good.any(1).all() or (ratio == 1.0 and good[:, -1].any()):
            raise RuntimeError(f"the largest stable step is not among those tried at width {run.config.width}")
        edge = TRIED - 1 - good[:, ::-1].argmax(1)
        low = low + ratio * edge
    return 2 ** (low + ratio / 2)


def measure(full: bool) -> Iterator[Found]:
    """Fit the largest stable step against gamma, at both ends, networks of two weight layers and more."""
    lazy = [2.0**k for k in (range(-10, -3, 2) if full else (-10, -7, -4))]
    rich = [2.0**k for k in (range(2, 11, 2) if full else (3, 6, 9))]
    between = [1 / 4, 1.0] if full else [1.0]
    fields = {"task": "smooth", "samples": 16, "test_samples": 8, "probe_samples": 8, "bias": False, "parameterization": "mup"}
    series, depths = [], (1, 2, 3) if full else (1, 2)
    for place, depth in enumerate(depths):
        layers = depth + 1
        yield Step(place / len(depths), f"networks of {layers} weight layers, many steps at once")
        config = ToyConfig(**fields, depth=depth, width=32, seeds=8 if full else 5)
        gammas = lazy + between + rich
        steps = yield from largest_steps(ToyRun(config, torch.float64), gammas, 800 if full else 400)
        ends = ("below 1", slice(len(lazy)), 2.0), ("above 1", slice(-len(rich), None), 2 / layers)
        series.append(dots(f"{layers} weight layers", gammas, steps))
        for side, part, power in ends:
            slope = exponent(gammas[part], steps[part])
            what = f"exponent of the largest stable step against gamma far {side}, {layers} weight layers"
            yield finding(what, f"{power:.3g}", slope, power - 0.1, power + 0.1, configs=[config])
            series.append(law(f"{layers} layers, {side}", gammas[part], steps[part], power))
    yield log_log(
        "The largest stable step grows as gamma squared while lazy, and ever more slowly once rich",
        "gamma, what outputs are divided by",
        "largest stable step",
        series,
    )


LARGEST_STEP = Claim(
    id="S20",
    title="Rich training needs its own step",
    claim="Dividing outputs by gamma makes training rich: the largest stable step grows as gamma^2, then only as gamma^(2/L).",
    paper=Paper(
        authors="Atanasov et al.",
        year=2024,
        title="The Optimization Landscape of SGD Across the Feature Learning Strength",
        arxiv="2410.04642",
    ),
    published="gamma^2 for gamma far below 1, gamma^(2/L) far above",
    method="Networks without biases, in muP, learn a smooth target from 16 points by gradient descent on (f - f_0) / gamma. "
    "L counts the weight layers, readout included: as a count of hidden layers it would not fit. Eight steps a factor 2 apart "
    "train side by side, then eight between the last stable and the first unstable one. Stable means: the loss stays below "
    f"{LEARNED:g} of its start all through the last tenth. A slope passes where its interval over seeds lies within 0.1 of "
    "the expected one.",
    measure=measure,
)

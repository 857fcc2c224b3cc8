"""S10: grokking is late feature learning: a lazier or less suited start waits longer before it generalizes."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
import torch

from regime.reproductions.addition import scaled_addition
from regime.reproductions.claim import Claim, Found, Paper, Series, Step, exponent, finding, log_log
from regime.reproductions.polynomial import Polynomial, path
from regime.reproductions.widths import dots

LOSS = 0.1
"""Train and test loss count as low below it; both start at 0.4 to 1."""
ALPHAS, EPSILONS = [1.0, 2.0, 4.0, 8.0], [0.4, 0.2, 0.1, 0.05]
EPSILON = 0.2
"""Of the networks that differ in alpha; those that differ in epsilon have alpha 1."""
STEPS = 50_000
DRAWN = 1.15
"""Quotient of steps between two points of a curve."""


class Falls(NamedTuple):
    """When losses fell below LOSS, seed by seed, and the first seed's curves."""

    train: np.ndarray
    test: np.ndarray
    curves: list[tuple[int, float, float]]
    """Step, train loss, test loss."""


def train(task: Polynomial, units: int, alpha: float, epsilon: float) -> Generator[Step, None, Falls]:
    """Train until the test loss of every seed has fallen.

    Args:
        task: what is learned.
        units: of the hidden layer.
        alpha: output scale.
        epsilon: curvature of the activation, which is how well the start suits the task.

    Raises:
        RuntimeError: one does not fall in STEPS steps.
    """
    fell = torch.full((2, len(task.y)), torch.inf, dtype=torch.float64, device="cpu")
    curves: list[tuple[int, float, float]] = []
    for step, losses in zip(range(STEPS), path(task, units, alpha, epsilon), strict=False):
        both = torch.stack(losses)
        fell = torch.where(both < LOSS, fell.clamp(max=step), fell)
        if not curves or step >= max(1.0, curves[-1][0]) * DRAWN:
            curves.append((step, *both[:, 0].tolist()))
        if fell.isfinite().all():
            return Falls(*fell.numpy(), curves)
        yield Step()
    raise RuntimeError(f"alpha = {alpha:g}, epsilon = {epsilon:g}: the test loss did not fall in {STEPS} steps")


def curves(name: str, falls: Falls) -> list[Series]:
    """Return a seed's test loss, and its train loss dashed."""
    steps, *losses = zip(*falls.curves[1:], strict=True)
    styles = (("train", "guide"), ("test", "line"))
    pairs = [
        Series(name=f"{name}, {part} loss", x=list(steps), y=list(values), style=style)
        for (part, style), values in zip(styles, losses, strict=True)
    ]
    return pairs[::-1]


def measure(full: bool) -> Iterator[Found]:
    """Measure the steps between the fall of train and test loss, against output scale and alignment of the start."""
    seeds, inputs, samples, units = (8, 100, 550, 500) if full else (5, 50, 275, 250)
    task = Polynomial.draw(seeds, inputs, samples)
    settings = dict.fromkeys([*((alpha, EPSILON) for alpha in ALPHAS), *((1.0, epsilon) for epsilon in EPSILONS)])
    found: dict[tuple[float, float], Falls] = {}
    for part, setting in enumerate(settings):
        yield Step(part / len(settings), "networks of alpha = {:g}, epsilon = {:g}".format(*setting))
        found[setting] = yield from train(task, units, *setting)
    by_alpha, by_epsilon = [found[alpha, EPSILON] for alpha in ALPHAS], [found[1.0, epsilon] for epsilon in EPSILONS]
    waits = []
    for name, values, rows in (("alpha", ALPHAS, by_alpha), ("epsilon", EPSILONS, by_epsilon)):
        wait = np.stack([row.test - row.train for row in rows])
        ratio = np.stack([row.test / row.train for row in rows])
        sign, low, high = ("positive", 0.0, None) if name == "alpha" else ("negative", None, 0.0)
        between = f"between the fall of the train and of the test loss, against {name}"
        yield finding(f"exponent of the steps {between}", sign, exponent(values, wait), low, high)
        yield finding(
            f"exponent of the quotient of the steps of both falls, against {name}", "none stated", exponent(values, ratio)
        )
        waits.append(dots(name, values, wait))
    ends = {f"alpha = {ALPHAS[0]:g}": by_alpha[0], f"alpha = {ALPHAS[-1]:g}": by_alpha[-1]}
    yield log_log(
        "The lazier network knows its training points long before it generalizes",
        "step",
        "loss",
        [series for name, falls in ends.items() for series in curves(name, falls)],
    )
    yield log_log(
        "The wait grows with the output scale alpha, and with misalignment, which is small epsilon",
        "alpha, or epsilon",
        "steps between both falls",
        waits,
    )
    if full:
        yield from scaled_addition()


GROKKING = Claim(
    id="S10",
    title="Grokking is late feature learning",
    claim="A network can know its training points long before it generalizes. The wait grows with its output scale, and where "
    "its start suits the task less.",
    paper=Paper(
        authors="Kumar et al.",
        year=2023,
        title="Grokking as the Transition from Lazy to Rich Training Dynamics",
        arxiv="2310.06110",
    ),
    published="larger alpha and smaller epsilon (worse alignment) wait longer",
    method="The paper's network learns the square of one direction from few samples. Output scale alpha multiplies what it "
    "computes; epsilon bends its activation towards the square. The full form has the paper's 100 inputs, 550 samples and 500 "
    f"units, the quick form half of each. The wait is the steps between the falls of train and test loss below {LOSS:g}. Its "
    "exponent passes where the 95% interval has the published sign. Counted as the quotient of both times, the wait grows with "
    "alpha but not with misalignment, which delays the train loss, too. That is shown without being judged. The full form adds "
    "the transformer that ships here, trained to add modulo 59 at three output scales with eight seeds. "
    "On average it waits longer at a larger scale, but seeds differ so much that the sign stays open.",
    measure=measure,
)

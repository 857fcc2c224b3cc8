"""S19: how often 95% intervals hold the truth."""

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.kernels.infinite import infinite_ntk
from regime.measures.intervals import PointEstimate, interval_of_geometric_mean, interval_of_mean, mean_over_seeds, subsets
from regime.measures.kernel import StartKernel, kernel_change
from regime.reproductions.claim import Claim, Figure, Found, Paper, Series, Step, finding
from regime.sweep.fits import power_law
from regime.toy import tasks
from regime.toy.network import Layer, difference, squared_norm
from regime.toy.producer import ToyRun
from regime.toy.training import Training

SEEDS, POINTS, TOGETHER = 4, 32, 64
"""Networks and probe points of one repetition, and networks that train as one batch."""
WIDTHS = [8, 16, 32, 64]
COUNT = 4000
"""Repetitions of each setting."""
LEAST, MOST = 0.93, 0.97
"""Shares of repetitions between which an interval that is called 95% has to hold the truth."""
Repetitions = Generator[Step, None, list[PointEstimate]]


def held(found: list[PointEstimate], group: int | None = None) -> PointEstimate:
    """Return the share of intervals that hold the truth, the mean of a `group` in a row, with its binomial interval."""
    from scipy.stats import binomtest

    value, low, high = np.array(found).T.reshape(3, -1, group or len(found))
    truth = value.mean(1, keepdims=True)
    count = int(((low <= truth) & (truth <= high)).sum())
    ends = binomtest(count, len(found)).proportion_ci(method="exact")
    return PointEstimate(count / len(found), float(ends.low), float(ends.high))


class Trained(NamedTuple):
    """Networks before and after training."""

    run: ToyRun
    after: list[Layer]

    def change(self, rows: slice, points: int) -> tuple[Float[Tensor, "S"], Float[Tensor, "S B"]]:
        """Return kernel_change of some networks on fresh probe points of a seed, on all of them and on subsets."""
        config = self.run.config.model_copy(update={"data_seed": points, "probe_samples": POINTS})
        x, network = tasks.draw_data(config, self.run.device, self.run.dtype).probe.x, self.run.network
        jacobians = (
            network.jacobian([p.map(lambda t: t[rows]) for p in layers], x) for layers in (self.after, self.run.initial)
        )
        now, start = (sum(network.kernels(jacobian, jacobian).values()).double() for jacobian in jacobians)
        return kernel_change(now, start), StartKernel(start, subsets(POINTS).to(now)).resampled(now).drawn["kernel_change"]


def trained(fields: dict[str, object], seed: int) -> Trained:
    """Train TOGETHER small networks for 100 steps, the first of them from `seed`."""
    known = {
        "samples": 32,
        "test_samples": 8,
        "probe_samples": 8,
        "width": 16,
        "seeds": TOGETHER,
        "seed": seed,
        "learning_rate": 0.02,
    }
    run = ToyRun(ToyConfig(**known, **fields))
    training = Training.start(
        run.network, run.initial, *run.data.train, alpha=run.alpha, centered=True, loss=run.loss, descent=run.descent
    )
    for _ in range(100):
        training.step()
    return Trained(run, training.parameters)


def of_seeds_and_points(fields: dict[str, object], count: int) -> Repetitions:
    """Return kernel_change of four networks of a toy, other seeds and other probe points each time."""
    found: list[PointEstimate] = []
    while len(found) < count:
        pool = trained(fields, len(found) * SEEDS)
        for first in range(0, TOGETHER, SEEDS):
            values, drawn = pool.change(slice(first, first + SEEDS), 1 + len(found))
            low, high = interval_of_mean(values, drawn, POINTS)
            found.append(PointEstimate(values.mean().item(), low.item(), high.item()))
        yield Step(len(found) / count)
    return found[:count]


def of_points(fields: dict[str, object], count: int, sets: int) -> Repetitions:
    """Return the log of kernel_change of one network on other probe points, `sets` times before the next network.

    Args:
        fields: of the toy.
        count: how many repetitions there are.
        sets: of probe points for each network.
    """
    found: list[PointEstimate] = []
    for number in range(count // sets):
        at = number % TOGETHER
        if at == 0:
            pool = trained(fields, number)
        for draw in range(sets):
            values, drawn = pool.change(slice(at, at + 1), 1 + draw)
            ends = interval_of_geometric_mean(values, drawn, POINTS, least=1e-12)
            found.append(PointEstimate(values.log().mean().item(), *(end.log().item() for end in ends)))
        yield Step(len(found) / count)
    return found


def of_movement(fields: dict[str, object], count: int) -> Repetitions:
    """Return the mean movement of the parameters of four networks, other seeds each time."""
    found: list[PointEstimate] = []
    while len(found) < count:
        run, after = trained(fields, len(found) * SEEDS)
        moved = sum(squared_norm(difference(now, start)) for now, start in zip(after, run.initial, strict=True))
        size = sum(squared_norm(layer) for layer in run.initial)
        found += [mean_over_seeds(values) for values in (moved / size).sqrt().view(-1, SEEDS).double().cpu().numpy()]
        yield Step(len(found) / count)
    return found[:count]


def of_exponent(count: int, seeds: int, by_seed: bool) -> Repetitions:
    """Return the exponent of the initial kernel's distance from its limit against width, fitted to new networks each time.

    Args:
        count: how many repetitions there are.
        seeds: networks at each width, for one fit.
        by_seed: whether the fit and its interval are Student's, seed by seed, instead of the bootstrap's.
    """
    rows = []
    for width in WIDTHS:
        known = {"task": "circle", "samples": 12, "test_samples": 8, "probe_samples": 8, "width": width, "seeds": TOGETHER}
        run, parts = ToyRun(ToyConfig(**known)), []
        limit = infinite_ntk(run.data.train.x, depth=2, weight_std=2**0.5, bias_std=1.0).ntk
        for first in range(0, count * seeds, TOGETHER):
            jacobian = run.network.jacobian(run.draw(first), run.data.train.x)
            kernel = run.network.full_kernel(jacobian, jacobian)
            parts.append((kernel - limit).norm(dim=(1, 2)) / limit.norm())
            yield Step()
        rows.append(torch.cat(parts)[: count * seeds].view(count, seeds).double().cpu().numpy())
    found = []
    for y in np.stack(rows, 1):
        found.append(power_law(np.array(WIDTHS), y, by_seed=by_seed).exponent)
        yield Step()
    return found


RICH, SMOOTH = {"alpha": 0.5}, {"alpha": 2.0, "activation": "tanh"}


class Setting(NamedTuple):
    """Something that intervals are printed of."""

    name: str
    repeat: Callable[[int], Repetitions]
    group: int | None = None
    """How many repetitions in a row are of one truth; None: all."""


SETTINGS = [
    Setting("an exponent over four widths, Student's over five seeds", partial(of_exponent, seeds=5, by_seed=True)),
    Setting("the same exponent, by the bootstrap", partial(of_exponent, seeds=5, by_seed=False)),
    Setting("kernel_change of four ReLU networks, over seeds and probe points", partial(of_seeds_and_points, RICH)),
    Setting("kernel_change of four tanh networks, over seeds and probe points", partial(of_seeds_and_points, SMOOTH)),
    Setting("kernel_change of one ReLU network, over probe points", partial(of_points, RICH, sets=50), 50),
    Setting("parameter_movement of four ReLU networks, Student's over seeds", partial(of_movement, RICH)),
]
QUICK = 2
"""How many of them the quick form takes, the first ones."""


def measure(full: bool) -> Iterator[Found]:
    """Repeat what intervals are printed of, and count how often they hold the truth."""
    settings, shares = SETTINGS[: None if full else QUICK], []
    for place, setting in enumerate(settings):
        yield Step(place / len(settings), setting.name)
        steps = setting.repeat(COUNT)
        found: list[PointEstimate] = yield from _within(steps, place, len(settings))
        shares.append(held(found, setting.group))
        yield finding(f"share of {COUNT} intervals that hold the truth: {setting.name}", "0.95", shares[-1], LEAST, MOST)
    x = [float(place + 1) for place in range(len(settings))]
    value, low, high = (list(part) for part in zip(*shares, strict=True))
    yield Figure(
        title="Intervals that promise 95% hold the truth about that often",
        x="setting, in the order of the numbers",
        y="share that hold the truth",
        series=[
            Series(name="measured", x=x, y=value, low=low, high=high),
            *(Series(name=f"allowed, {end}", x=[0.5, x[-1] + 0.5], y=[end] * 2, style="guide") for end in (LEAST, MOST)),
        ],
    )


def _within(steps: Repetitions, place: int, places: int) -> Repetitions:
    """The same steps, with the share that is done of all places instead of this one."""
    try:
        while True:
            done = next(steps).done
            yield Step() if done is None else Step((place + done) / places)
    except StopIteration as end:
        return end.value


COVERAGE = Claim(
    id="S19",
    title="Intervals keep their promise",
    claim="A 95% interval, as this project prints it, holds the true value in about 95 of 100 repetitions.",
    paper=Paper(
        authors="Neyman",
        year=1937,
        title="Outline of a Theory of Statistical Estimation Based on the Classical Theory of Probability",
    ),
    published="0.95, by the definition of such an interval",
    method="Small toys are trained again and again from new seeds, each time with new probe points, and every interval is "
    "compared with the mean over all repetitions. The share that hold it passes where its exact binomial interval lies within "
    "0.93 to 0.97. A thousand repetitions leave that interval 0.028 wide, too wide to decide often; so 4,000 are taken. "
    "All batches take the same step: where each batch chose its own, coverage came out as 0.72.",
    measure=measure,
)

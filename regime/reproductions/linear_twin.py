"""S9: how the twin, a linear model trained by steps, approaches its closed form as steps get smaller."""

from collections.abc import Iterator

import numpy as np
import torch

from regime.config import ToyConfig
from regime.dynamics.pieces import at_once
from regime.kernels.closed_form import gradient_flow
from regime.measures.intervals import mean_over_seeds
from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun

FIELDS = {"task": "sine", "width": 64, "samples": 16, "test_samples": 8, "probe_samples": 16, "seeds": 5}
STEPS = 20
"""At the largest step."""


def measure(full: bool) -> Iterator[Found]:
    """Fit the error of the twin at one time against the step."""
    halvings = range(7 if full else 6)
    largest = ToyRun(ToyConfig(**FIELDS), torch.float64).learning_rate
    rates = [largest / 2**k for k in halvings]
    configs = [ToyConfig(**FIELDS, learning_rate=rate, steps=STEPS * 2**k) for k, rate in enumerate(rates)]
    errors = []
    for k, config in enumerate(configs):
        yield Step(k / len(configs), f"{config.steps} steps")
        experiment = at_once(Experiment.begun(ToyRun(config, torch.float64)))
        for _ in range(config.steps):
            experiment.twin.step()
            yield Step()
        y, time = experiment.run.data.train.y, STEPS * largest
        want = torch.stack([gradient_flow(kernel, torch.zeros_like(y), y, time) for kernel in experiment.run.kernel])
        errors.append(((experiment.twin.outputs(experiment.points["train"]) - want).norm(dim=(1, 2)) / y.norm()).cpu().numpy())
    flow = {"against": "closed form of gradient flow", "configs": configs}
    slope = exponent(rates, np.stack(errors))
    yield finding("exponent of the twin's error at one time against the step size", "1", slope, 0.97, 1.03, **flow)
    left = mean_over_seeds(errors[-1])
    yield finding("the twin's error at the smallest step, over the size of the targets", "0", left, None, 0.005, **flow)
    yield log_log(
        "Half the step, half the error",
        "step size",
        "error over the size of the targets",
        [dots("twin", rates, np.stack(errors)), law("twin", rates, np.stack(errors), 1.0)],
    )


LINEAR_TWIN = Claim(
    id="S9",
    title="The forecast has a closed form",
    claim="The linear model beside each network here, its twin, follows the formula that the kernel gives for every moment of "
    "training, up to an error proportional to the step.",
    paper=Paper(
        authors="Jacot et al.",
        year=2018,
        title="Neural Tangent Kernel: Convergence and Generalization in Neural Networks",
        arxiv="1806.07572",
    ),
    published="1: the first order of the step",
    method="The twin trains by gradient descent to one time, with steps halved again and again, and is compared with the "
    "closed form at that time, in float64. The slope in log-log is fitted seed by seed; it passes where its 95% interval lies "
    "within 0.03 of 1. What is left at the smallest step has to be below 0.005.",
    measure=measure,
)

"""gradient-flow: the solver, the closed form, and descent agree where they should."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

from regime.config import ToyConfig
from regime.kernels.closed_form import gradient_flow
from regime.reproductions.claim import Step
from regime.reproductions.gradient_flow import descended, flowed, linear_errors, logistic
from regime.toy.producer import ToyRun


def ended(steps: Generator[Step, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def small(**fields: object) -> ToyRun:
    sizes = {"width": 8, "samples": 8, "test_samples": 8, "probe_samples": 8, "seeds": 2, "task": "sine", "activation": "tanh"}
    return ToyRun(ToyConfig(**sizes, **fields), torch.float64)


def test_flow_of_a_lazy_network_is_the_closed_form_with_its_kernel() -> None:
    run = small(alpha=1000.0)
    time, y = 20 * run.learning_rate, run.data.train.y
    want = gradient_flow(run.kernel[1], torch.zeros_like(y), y, time)
    assert (ended(flowed(run, 1, time)) - want).norm() < 1e-3 * want.norm()


@pytest.mark.parametrize("alpha", [1.0, 0.125])
def test_descent_by_short_steps_comes_close_to_flow(alpha: float) -> None:
    run = small(alpha=alpha)
    time = 10 * run.learning_rate
    flow = ended(flowed(run, 1, time))
    far, near = ((ended(descended(run, steps, time))[1] - flow).norm().item() for steps in (100, 400))
    assert near < 0.01 * flow.norm()
    assert far / near == pytest.approx(4, rel=0.05)


def test_two_linear_layers_follow_their_closed_form() -> None:
    assert logistic(0.05, 1.0, 0.0) == pytest.approx(0.05)
    assert logistic(0.05, 1.0, 50.0) == pytest.approx(1.0)
    errors = linear_errors(np.array([1000, 2000]))
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.02)

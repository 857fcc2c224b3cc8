"""S20: the search for the largest stable step, where it is known."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

from regime.config import ToyConfig
from regime.reproductions.claim import Step
from regime.reproductions.largest_step import largest_steps
from regime.toy.producer import ToyRun


def ended(steps: Generator[Step, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def readout(seeds: int = 2) -> ToyRun:
    """A quadratic problem: random features, of which the readout alone learns."""
    fields = {"samples": 8, "test_samples": 8, "probe_samples": 8, "width": 16, "depth": 1, "bias": False, "task": "smooth"}
    return ToyRun(ToyConfig(**fields, seeds=seeds, trainable="readout"), torch.float64)


def test_a_quadratic_loss_is_stable_up_to_two_over_its_curvature() -> None:
    run = readout()
    edges = 2 * run.config.samples / torch.linalg.eigvalsh(run.kernel)[:, -1].numpy()
    gammas = [1 / 16, 1 / 4, 1.0]
    found = ended(largest_steps(run, gammas, 1500))
    assert found.shape == (3, 2)
    assert np.abs(np.log2(found / (np.square(gammas)[:, None] * edges))).max() < 1 / 8


def test_a_step_that_never_learns_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not among those tried"):
        ended(largest_steps(readout(), [1.0], 2))

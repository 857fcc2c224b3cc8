"""Toy data: training, test and probe points from one seed."""

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from sklearn.datasets import load_digits
from torch import Tensor

from regime.config import ToyConfig


@dataclass(frozen=True)
class Task:
    """What a task is, in a form the page can show."""

    inputs: int
    outputs: int
    meaning: str


TASKS = {
    "rings": Task(2, 1, "Two noisy circles, one inside the other; the sign tells which."),
    "spirals": Task(2, 1, "Two interleaved spirals; the sign tells which arm."),
    "sine": Task(1, 1, "A sum of two sine waves on an interval, as regression."),
    "digits": Task(64, 10, "Handwritten digits of 8 by 8 pixels, ten classes as one-hot targets less 1/10."),
}


class Split(NamedTuple):
    x: Float[Tensor, "n i"]
    y: Float[Tensor, "n C"]


class Data(NamedTuple):
    train: Split
    test: Split
    probe: Split


def load(config: ToyConfig, device: torch.device, dtype: torch.dtype) -> Data:
    """The task's points, inputs standardized to zero mean and unit variance by the distribution or the whole data set."""
    rng = np.random.default_rng(config.data_seed)
    sizes = [config.samples, config.test_samples, config.probe_samples]
    x, y = _DRAWS[config.task](rng, sum(sizes))
    parts = (torch.as_tensor(part, dtype=dtype, device=device).split(sizes) for part in (x, y))
    return Data(*(Split(*pair) for pair in zip(*parts, strict=True)))


def _rings(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    outer = rng.permutation(np.arange(n) % 2)
    radius = np.where(outer, 1.8, 0.9) + 0.1 * rng.standard_normal(n)
    angle = rng.uniform(0, 2 * pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), 2.0 * outer[:, None] - 1


def _spirals(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    arm = rng.permutation(np.arange(n) % 2)
    turn = np.sqrt(rng.uniform(0.02, 1, n))
    angle = 3 * pi * turn + pi * arm
    x = 2 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.standard_normal((n, 2))
    return x, 2.0 * arm[:, None] - 1


def _sine(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.uniform(-(3**0.5), 3**0.5, (n, 1))
    return x, np.sin(2 * x) + 0.5 * np.sin(5 * x)


def _digits(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    pixels, label = load_digits(return_X_y=True)
    chosen = rng.permutation(len(label))[:n]
    return ((pixels - pixels.mean()) / pixels.std())[chosen], np.eye(10)[label[chosen]] - 0.1


_DRAWS = {"rings": _rings, "spirals": _spirals, "sine": _sine, "digits": _digits}

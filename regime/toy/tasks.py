"""Toy data: training, test and probe points from one seed."""

from collections.abc import Callable
from copy import deepcopy
from math import pi, sqrt
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.config.columns import standardized
from regime.config.own import blamed, is_own
from regime.config.tasks import INDEX_INPUTS, MODULUS, PARITY_BITS, SMOOTH_INPUTS, TASKS, own_task
from regime.errors import ConfigError

REFERENCE = 8192
"""Draws that a target without a known mean and variance is standardized by."""


class Split(NamedTuple):
    """Inputs and targets of some points."""

    x: Float[Tensor, "n i"]
    y: Float[Tensor, "n C"]


class Data(NamedTuple):
    """The points that networks are trained, tested and measured on."""

    train: Split
    test: Split
    probe: Split


class Drawn(NamedTuple):
    """Points as they are drawn: targets are numbers, or classes 0, 1, ..."""

    x: np.ndarray
    y: np.ndarray


def draw_data(config: ToyConfig, device: torch.device, dtype: torch.dtype) -> Data:
    """Draw the task's points.

    Inputs have zero mean and unit variance in the distribution to 6%, or over the whole data set (pixels all together), before
    noise, and so have regression targets (those of 'sine' 0.8 to 1.25). Two classes become -1 and +1, C classes one-hot targets
    less 1/C. Label noise is in the training points alone.

    Args:
        config: of the run; `data_seed` alone decides the draw.
        device: that the tensors are on.
        dtype: of the tensors.

    Raises:
        ConfigError: a task of one's own fails, or draws other points than it says.
    """
    rng = np.random.default_rng(config.data_seed)
    sizes = [config.samples, config.test_samples, config.probe_samples]
    points = _points(rng, sum(sizes), config)
    x = points.x + _input_noise(config) * rng.standard_normal(points.x.shape)
    y = _noisy(rng, points.y, config)
    targets = _targets(y, config.classes)
    parts = (torch.as_tensor(part, dtype=dtype, device=device).split(sizes) for part in (x, targets))
    return Data(*(Split(*pair) for pair in zip(*parts, strict=True)))


def _points(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    if config.csv is not None:
        return _own_rows(rng, n, config)
    return _own(rng, n, config) if is_own(config.task) else _DRAWS[config.task](rng, n, config)


def _own(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    """Points of a task of one's own, checked."""
    (x, y), again = (_drawn(copied, n, config) for copied in (deepcopy(rng), rng))
    task = own_task(config.task)
    if not all(np.array_equal(*pair, equal_nan=True) for pair in zip((x, y), again, strict=True)):
        raise ConfigError(f"task = {config.task!r} is not allowed: it drew other points from the same rng; allowed: rng alone")
    if x.shape != (n, task.inputs) or y.shape != (n,) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ConfigError(
            f"task = {config.task!r} is not allowed: it drew inputs {x.shape} and targets {y.shape}; "
            f"allowed: finite real numbers ({n}, {task.inputs}) and ({n},)"
        )
    if task.classes and not np.isin(y, np.arange(task.classes)).all():
        raise ConfigError(f"task = {config.task!r} is not allowed: its targets are not classes 0 to {task.classes - 1}")
    return Drawn(x, y if task.classes == 0 else y.astype(int))


def _drawn(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    """What a task of one's own draws, as float64; complex numbers as nan."""
    task = own_task(config.task)
    with blamed("task", config.task):
        x, y = (np.array(part) for part in task.draw(rng, n, config))
        real = not (np.iscomplexobj(x) or np.iscomplexobj(y))
        return Drawn(*(part.astype(float) if real else np.full(part.shape, np.nan) for part in (x, y)))


def _input_noise(config: ToyConfig) -> float:
    if config.input_noise is not None:
        return config.input_noise
    return TASKS[config.task].input_noise if config.task in TASKS else 0.0


def _noisy(rng: np.random.Generator, y: np.ndarray, config: ToyConfig) -> np.ndarray:
    """Training labels with `label_noise` of them moved to another class, or training targets with Gaussian noise."""
    n, noise = config.samples, config.label_noise
    y = y.copy()
    if config.classes == 0:
        y[:n] += noise * rng.standard_normal(n)
        return y
    wrong = rng.permutation(n)[: round(noise * n)]
    y[wrong] = (y[wrong] + rng.integers(1, config.classes, len(wrong))) % config.classes
    return y


def _targets(y: np.ndarray, classes: int) -> np.ndarray:
    if classes > 2:
        return np.eye(classes)[y.astype(int)] - 1 / classes
    return (2.0 * y - 1 if classes else y)[:, None]


def _halves(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two classes, as many of each."""
    return rng.permutation(np.arange(n) % 2)


def _directions(rng: np.random.Generator, inputs: int, count: int) -> np.ndarray:
    """Orthonormal directions, one a column."""
    return np.linalg.qr(rng.standard_normal((inputs, count)))[0]


def _rings(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    outer = _halves(rng, n)
    radius, angle = np.where(outer, 1.8, 0.9), rng.uniform(0, 2 * pi, n)
    return Drawn(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), outer)


def _spirals(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    arm, turn = _halves(rng, n), np.sqrt(rng.uniform(0.02, 1, n))
    angle = 3 * pi * turn + pi * arm
    return Drawn(2 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), arm)


def _xor(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    label, first = _halves(rng, n), rng.integers(0, 2, n)
    return Drawn(2.0 * np.stack([first, first ^ label], 1) - 1, label)


def _moons(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    upper, angle = _halves(rng, n), rng.uniform(0, pi, n)
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    # Means 1/2 and 1/4, variances 3/4 and 9/16 - 1/pi, of the two half circles together.
    return Drawn(np.stack([(x - 0.5) / sqrt(0.75), (y - 0.25) / sqrt(0.5625 - 1 / pi)], 1), upper)


def _circle(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    angle = rng.uniform(0, 2 * pi, n)
    return Drawn(sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], 1), sqrt(2) * np.cos(config.frequency * angle))


def _interval(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(-sqrt(3), sqrt(3), (n, 1))


def _sine(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    x = _interval(rng, n)
    wave = np.sin(config.frequency * x[:, 0]) + 0.5 * np.sin(2.5 * config.frequency * x[:, 0])
    return Drawn(x, wave / sqrt(0.625))


def _step(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    x = _interval(rng, n)
    return Drawn(x, np.sign(x[:, 0]))


def _parity(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    numbers = rng.choice(2**PARITY_BITS, n, replace=False)
    bits = numbers[:, None] >> np.arange(PARITY_BITS) & 1
    return Drawn(2.0 * bits - 1, bits[:, : config.sparsity].sum(1) % 2)


def _single_index(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    direction = _directions(rng, INDEX_INPUTS, 1)[:, 0]
    x = rng.standard_normal((n, INDEX_INPUTS))
    return Drawn(x, ((x @ direction) ** 2 - 1) / sqrt(2))


def _multi_index(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    directions = _directions(rng, INDEX_INPUTS, config.sparsity)
    x = rng.standard_normal((n, INDEX_INPUTS))
    return Drawn(x, (x @ directions).prod(1))


def _smooth(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    directions = _directions(rng, SMOOTH_INPUTS, 3)
    x = rng.standard_normal((n, SMOOTH_INPUTS))
    a, b, c = (x @ directions).T
    return Drawn(x, (a + 0.3 * b * c) / sqrt(1.09))


def _teacher(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    weights, readout = rng.standard_normal((SMOOTH_INPUTS, 4)), rng.standard_normal(4)

    def function(x: np.ndarray) -> np.ndarray:
        return np.tanh(1.5 * x @ weights / sqrt(SMOOTH_INPUTS)) @ readout

    known = function(rng.standard_normal((REFERENCE, SMOOTH_INPUTS)))
    x = rng.standard_normal((n, SMOOTH_INPUTS))
    return Drawn(x, (function(x) - known.mean()) / known.std())


def _modular_addition(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    a, b = np.divmod(rng.permutation(MODULUS**2)[:n], MODULUS)
    hot = np.eye(MODULUS)
    x = np.concatenate([hot[a], hot[b]], 1)
    return Drawn((x - 1 / MODULUS) / sqrt((1 - 1 / MODULUS) / MODULUS), (a + b) % MODULUS)


def _digits(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    from sklearn.datasets import load_digits  # slow to import, and few tasks need it

    pixels, label = load_digits(return_X_y=True)
    chosen = rng.permutation(len(label))[:n]
    return Drawn(((pixels - pixels.mean()) / pixels.std())[chosen], label[chosen])


def _breast_cancer(rng: np.random.Generator, n: int, _: ToyConfig) -> Drawn:
    from sklearn.datasets import load_breast_cancer  # as above

    x, benign = load_breast_cancer(return_X_y=True)
    chosen = rng.permutation(len(x))[:n]
    return Drawn(standardized(x)[chosen], benign[chosen])


def _own_rows(rng: np.random.Generator, n: int, config: ToyConfig) -> Drawn:
    own = config.own_rows
    chosen = rng.permutation(len(own.x))[:n]
    y = own.y if own.classes else standardized(own.y)
    return Drawn(standardized(own.x)[chosen], y[chosen])


_DRAWS: dict[str, Callable[[np.random.Generator, int, ToyConfig], Drawn]] = {
    "rings": _rings,
    "spirals": _spirals,
    "xor": _xor,
    "moons": _moons,
    "circle": _circle,
    "sine": _sine,
    "step": _step,
    "parity": _parity,
    "single-index": _single_index,
    "multi-index": _multi_index,
    "smooth": _smooth,
    "teacher": _teacher,
    "modular-addition": _modular_addition,
    "digits": _digits,
    "breast-cancer": _breast_cancer,
}

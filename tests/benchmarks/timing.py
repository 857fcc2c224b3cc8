"""Timing things in turn, so that what disturbs the machine disturbs them all, and intervals from the rounds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from regime.resources.process import full_precision

Turn = Callable[[], float]
"""Takes one turn and returns its seconds."""

SETTLE = 0.02
"""Seconds of rest before each turn: idle threads of whoever ran before stop spinning."""
RESAMPLES = 4000
CUBE = 2048
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval; `draws` are its bootstrap replicates."""

    value: float
    draws: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3g} ({low:.3g} to {high:.3g})"


def turn(call: Callable[[], object], warm: bool = True) -> Turn:
    """A turn in this process. `warm`: call once untimed before, so that caches hold what a repeated call finds there."""

    def take() -> float:
        if warm:
            call()
        finish()
        start = time.perf_counter()
        call()
        finish()
        return time.perf_counter() - start

    return take


def finish() -> None:
    """Wait for what a GPU was asked for, where one is used."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def in_turn(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, over rounds in which each has one turn; a first round is not counted, unless it is the only one."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, take in turns.items():
            time.sleep(SETTLE)
            taken = take()
            if number or not rounds:
                seconds[name].append(taken)
    return seconds


def ratio(above: Sequence[float], below: Sequence[float], seed: int = 0) -> Estimate:
    """The ratio of the medians, its interval by resampling rounds: a round's two turns stay together."""
    top, bottom = np.asarray(above), np.asarray(below)
    rounds = np.random.default_rng(seed).integers(len(top), size=(RESAMPLES, len(top)))
    draws = np.median(top[rounds], axis=1) / np.median(bottom[rounds], axis=1)
    return Estimate(float(np.median(top) / np.median(bottom)), draws)


def exponent(sizes: Sequence[float], seconds: Sequence[Sequence[float]], seed: int = 0) -> Estimate:
    """The slope of log median seconds over log size, its interval by resampling rounds."""
    table = np.asarray(seconds)
    rounds = np.random.default_rng(seed).integers(table.shape[1], size=(RESAMPLES, table.shape[1]))
    medians = np.median(table[:, rounds], axis=2)
    return Estimate(slope(sizes, np.median(table, axis=1)), np.polyfit(np.log(sizes), np.log(medians), 1)[0])


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The least-squares slope of log cost over log size."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def matmul_turn(device: torch.device = CPU) -> Turn:
    """A square fp32 matmul of edge `CUBE`, by the library that runs use: what the machine can do at the time."""
    a, b = torch.randn(2, CUBE, CUBE, generator=torch.Generator().manual_seed(0)).to(device)
    return turn(full_precision()(partial(torch.mm, a, b)))


def matmul_rate(seconds: Sequence[float]) -> float:
    """Floating-point operations a second, from the turns of `matmul_turn`."""
    return 2 * CUBE**3 / float(np.median(seconds))


def geometric_mean(estimates: Sequence[Estimate]) -> Estimate:
    """Of independent estimates: replicate k of the mean is the mean of replicates k."""
    value = np.exp(np.mean([np.log(each.value) for each in estimates]))
    return Estimate(float(value), np.exp(np.mean([np.log(each.draws) for each in estimates], axis=0)))

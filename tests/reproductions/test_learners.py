"""S13 and S14's pieces: draws, quotients, and the target that suits a kernel."""

import numpy as np
import pytest

from regime import ToyConfig
from regime.reproductions.features import SMOOTH, KernelFriendly
from regime.reproductions.learners import AFTER, BEFORE, NETWORK, against, draws, losses, quotient

SMALL = ToyConfig(task="single-index", depth=1, width=16, samples=16, test_samples=16, probe_samples=8, steps=3)


def test_each_draw_has_its_own_data_and_start() -> None:
    configs = draws(SMALL, 3)
    assert [(config.data_seed, config.seed, config.seeds) for config in configs] == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    steps = losses(configs, BEFORE, NETWORK, AFTER)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            table = stop.value
            break
    assert table.shape == (3, 3)
    assert len(set(table[:, 0])) == 3


def test_the_quotient_is_of_the_second_over_the_first() -> None:
    pairs = np.array([[1.0, 0.5], [2.0, 1.0], [4.0, 2.0]])
    assert quotient(pairs).value == 0.5
    figure = against("", "", "", {"dots": pairs})
    assert figure.series[-1].x == figure.series[-1].y == [1.0, 4.0]


def test_no_method_beats_the_kernel_on_the_target_drawn_from_it() -> None:
    """Kernel regression is the mean of the process given the samples: its error is the process's own variance there."""
    import torch

    from regime.kernels.infinite import infinite_ntk

    fields = {name: getattr(SMOOTH, name) for name in ("depth", "activation", "weight_std", "bias_std")}
    missed, own = [], []
    for seed in range(20):
        x, y = KernelFriendly().draw(np.random.default_rng(seed), 80, SMOOTH)
        kernel = infinite_ntk(torch.from_numpy(x), **fields).ntk.numpy()
        weights = np.linalg.solve(kernel[:60, :60], kernel[:60, 60:])
        scale = np.sqrt(np.diag(kernel - kernel.mean()).mean())
        missed.append(((y[60:] - weights.T @ y[:60]) ** 2).mean())
        own.append(np.diag(kernel[60:, 60:] - kernel[60:, :60] @ weights).mean() / scale**2)
    assert np.mean(missed) == pytest.approx(np.mean(own), rel=0.4)

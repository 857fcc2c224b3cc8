"""S22: Fourier features, their overlap with eigenvectors, and curves that rise together."""

import numpy as np
import pytest
import torch

from regime.reproductions.fourier import fourier, overlap, rises_together


def test_fourier_features_are_orthonormal_and_centered() -> None:
    basis = fourier(torch.arange(22) % 11, 11, range(1, 6))
    torch.testing.assert_close(basis.mT @ basis, torch.eye(10, dtype=torch.float64))
    torch.testing.assert_close(basis.sum(0), torch.zeros(10, dtype=torch.float64))


def test_overlap_is_one_for_the_targets_kernel_and_chance_for_a_random_one() -> None:
    numbers = torch.arange(220) % 11
    basis = fourier(numbers, 11, range(1, 6))
    same = (numbers[:, None] == numbers).double()
    assert overlap(same + 7, basis) == pytest.approx(1.0)
    noise = torch.randn(220, 220, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert overlap(noise @ noise.T, basis) == pytest.approx(10 / 220, abs=0.04)


def test_curves_that_rise_at_the_same_places_correlate() -> None:
    rises = np.arange(1.0, 11.0)
    curve, mixed = rises.cumsum(), np.concatenate([rises[::2], rises[1::2]]).cumsum()
    assert rises_together(curve, rises[[0, 2, 1, *range(3, 10)]].cumsum()).low > 0.8
    found = rises_together(curve, mixed)
    assert -1 < found.low < found.value < found.high < 1

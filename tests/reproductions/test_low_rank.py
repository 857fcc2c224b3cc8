"""S23: the low-rank distance at its two ends, and which pairs count as disagreements."""

import numpy as np
import torch

from regime.reproductions.low_rank import disagreements, low_rank_distance


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_features_that_are_the_outputs_are_at_distance_zero() -> None:
    outputs = torch.linalg.qr(torch.cat([torch.ones(40, 1), drawn(40, 3)], 1))[0][:, 1:]  # centered, of equal size
    rotation = torch.linalg.qr(drawn(3, 3))[0]
    assert low_rank_distance(5 * outputs @ rotation + 2, outputs @ drawn(3, 3) - 7) < 1e-12


def test_distance_is_one_less_the_alignment_with_the_projector() -> None:
    features, outputs = drawn(2, 40, 8), drawn(2, 40, 3)
    h = torch.eye(40, dtype=torch.float64) - 1 / 40
    for phi, f, value in zip(features, outputs, low_rank_distance(features, outputs), strict=True):
        kernel, projector = h @ phi @ phi.T @ h, (h @ f) @ torch.linalg.pinv(h @ f)
        torch.testing.assert_close(value, 1 - (kernel * projector).sum() / (kernel.norm() * projector.norm()))


def test_outputs_of_lower_rank_span_less() -> None:
    outputs = drawn(40, 1)
    torch.testing.assert_close(low_rank_distance(drawn(40, 8), outputs.expand(40, 3)), low_rank_distance(drawn(40, 8), outputs))


def test_a_disagreement_is_beyond_both_intervals() -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal((5, 2, 6))
    rising = np.arange(1.0, 6.0)[:, None, None]
    assert disagreements(np.concatenate([-rising, rising], 1) + noise) == []
    assert len(disagreements(np.concatenate([rising, rising], 1) + noise)) == 10
    assert disagreements(np.concatenate([rising + noise[:, :1], np.ones((5, 1, 6))], 1)) == []

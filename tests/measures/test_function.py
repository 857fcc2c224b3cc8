import pytest
import torch

from regime.measures.function import gap_by_mode, linear_gap, unexplained


def outputs(*rows: list[float]) -> torch.Tensor:
    """(1, n, C)."""
    return torch.tensor([rows], dtype=torch.float64)


START = outputs([0, 0], [0, 0], [1, 1])
NOW = outputs([3, 0], [0, 4], [1, 1])
LINEAR = outputs([3, 1], [0, 2], [1, 1])


def test_the_gap_is_of_all_points_and_outputs() -> None:
    assert linear_gap(NOW, LINEAR, START).item() == pytest.approx((1 + 4) ** 0.5 / 5)
    chosen = torch.tensor([[1, 0, 1], [0, 1, 1], [0, 0, 1]], dtype=torch.float64)
    known = linear_gap(NOW, LINEAR, START, chosen)[0]
    assert known[:2].tolist() == pytest.approx([1 / 3, 2 / 4])
    assert known[2].isnan()


def test_the_gap_to_a_prediction_that_diverged_is_infinite_and_none_before_anything_moved() -> None:
    every = torch.ones(2, 3, dtype=torch.float64) - torch.eye(3, dtype=torch.float64)[:2]
    for lost in (float("inf"), float("nan")):
        linear = LINEAR.clone()
        linear[0, 1, 0] = lost
        assert linear_gap(NOW, linear, START).item() == float("inf")
        assert linear_gap(NOW, linear, START, every).tolist() == [[float("inf")] * 2]
        assert linear_gap(START, linear, START).isnan().all()
        assert linear_gap(NOW * lost, linear, START).isnan().all(), "where the network diverged, too, nothing is known"
        assert unexplained(NOW, linear, START)[0].item() == float("inf")


def test_the_gap_by_mode_is_within_bands() -> None:
    modes = torch.eye(3, dtype=torch.float64)[None]
    found = gap_by_mode(NOW, LINEAR, START, modes, [slice(0, 1), slice(1, 3)])
    assert found[0].tolist() == pytest.approx([1 / 3, 2 / 4])
    turned = torch.tensor([[[1, 1, 0], [1, -1, 0], [0, 0, 2**0.5]]], dtype=torch.float64) / 2**0.5
    found = gap_by_mode(NOW, LINEAR, START, turned, [slice(0, 1), slice(0, 3)])
    missed = ((0 + 0) ** 2 + (-1 + 2) ** 2) / 2
    assert found[0].tolist() == pytest.approx([(missed / ((3**2 + 4**2) / 2)) ** 0.5, 5**0.5 / 5])


def test_what_a_forecast_misses_is_beside_how_the_movement_varies() -> None:
    missed, around = unexplained(NOW, LINEAR, START)
    assert missed.item() == pytest.approx(5)
    moved = torch.tensor([[3.0, 0], [0, 4], [0, 0]])
    assert around.item() == pytest.approx((moved - moved.mean(0)).square().sum().item())

"""Intervals against numbers by hand, and against the truth in repetitions."""

from math import exp, log

import numpy as np
import pytest
import torch

from regime.measures.intervals import (
    at_look,
    interval_of_geometric_mean,
    interval_of_mean,
    left_out,
    mean_over_seeds,
    normal,
    percentile,
    resampled_means,
    student,
    subsets,
    variance_of_mean,
)

T3, T2, T1 = 3.182446, 4.302653, 12.706205
"""Student's 97.5% quantiles, from a table."""


def tensor(*values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_quantiles_are_those_of_tables() -> None:
    assert normal() == pytest.approx(1.959964, abs=1e-6)
    assert normal(0.99) == pytest.approx(2.575829, abs=1e-6)
    assert [student(k) for k in (1, 2, 3)] == pytest.approx([T1, T2, T3], abs=1e-5)
    assert student(3, 0.99) == pytest.approx(5.840909, abs=1e-5)
    assert at_look(0, 1) == 0.95
    assert [at_look(k, 2) for k in range(2)] == pytest.approx([0.975, 0.975])
    assert [at_look(k, 6) for k in range(6)] == pytest.approx([*[0.995] * 5, 0.975])


def test_variance_of_seeds_alone() -> None:
    found = variance_of_mean(tensor(1, 2, 3, 6), None, 10)
    assert [part.item() for part in found] == pytest.approx([14 / 3 / 4, 0.0, 3.0])


def test_what_points_do_to_all_seeds_is_counted_and_what_they_do_to_one_is_not_counted_twice() -> None:
    values = tensor(1, 3)
    shared = variance_of_mean(values, tensor([1, 3, 1, 3], [5, 7, 5, 7]), 11)
    between, along = 1.0, 4 / 3 * 10
    degrees = (between + along) ** 2 / (between**2 / 1 + along**2 * (1 / 10 + 1 / 3))
    assert [part.item() for part in shared] == pytest.approx([between, along, degrees])
    own = variance_of_mean(values, tensor([1, 3, 1, 3], [7, 5, 7, 5]), 11)
    assert [part.item() for part in own] == pytest.approx([1.0, 0.0, 1.0])
    both = variance_of_mean(
        values, tensor([0, 4, 2, 2], [1, 1, 1, 1]), 11
    )  # mean (.5, 2.5, 1.5, 1.5), about it +-1: 2/3 - 1/3 * 2
    assert both.points.item() == pytest.approx(10 * (2 / 3 - (2 / 3 + 2 / 3) / 1 / 2))
    alone = variance_of_mean(tensor(2), tensor([1, 3, 1, 3])[None].squeeze(0)[None], 11)
    assert [part.item() for part in alone] == pytest.approx([0.0, 4 / 3 * 10, 1 / (1 / 10 + 1 / 3)])


def test_the_interval_of_a_mean_by_hand() -> None:
    values = tensor([1, 2, 3, 6], [0, 0, 0, 0])
    low, high = interval_of_mean(values, None, 10)
    c2 = 14 / 3 / 9
    r = c2 / 4
    want = [3 * exp(r / 2 + side * T3 * (r + c2**2 / (2 * 3)) ** 0.5) for side in (-1, 1)]
    assert [low[0].item(), high[0].item()] == pytest.approx(want, rel=1e-5)
    assert (low[1].item(), high[1].item()) == (0.0, 0.0)
    one = interval_of_mean(tensor(2), tensor([1, 3, 1, 3])[None].squeeze(0)[None], 11, 0.99)
    t, r = student(1 / (1 / 10 + 1 / 3), 0.99), 10 * 4 / 3 / 4
    assert [end.item() for end in one] == pytest.approx([2 * exp(r / 2 + side * t * r**0.5) for side in (-1, 1)])


def test_values_that_are_rounding_alone_have_no_wide_interval() -> None:
    """Two seeds at 1e-7 and 1e-5: on a log scale they leave anything up to 1e11 open, were there no rounding of 1e-4."""
    values = tensor([1e-7, 1e-5], [1e-7, 1e-5], [0.1, 0.2])
    for drawn in (None, values[..., None] * torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)):
        low, high = interval_of_mean(values, drawn, 10, rounding=tensor(1e-4, 0.0, 1e-4))
        assert low[0] == 0
        assert high[0] < 4e-4
        assert high[1] > 1
        assert (high[2] - low[2]).item() > 0.1
    alone = interval_of_mean(values[2:], None, 10)[1] + 1e-4
    assert interval_of_mean(values[2:], None, 10, rounding=tensor(1e-4))[1].item() == pytest.approx(alone.item())


def test_the_interval_of_a_geometric_mean_by_hand() -> None:
    values = tensor(0.1, 0.4)
    middle, half = (0.1 * 0.4) ** 0.5, T1 * (log(2) ** 2 * 2 / 2) ** 0.5
    found = interval_of_geometric_mean(values, None, 10, least=0.01)
    assert found == pytest.approx((middle * exp(-half), middle * exp(half)), rel=1e-4)
    assert interval_of_geometric_mean(tensor(1e-9, 1e-5), None, 10, least=0.01) == pytest.approx((0.01, 0.01))
    strict = interval_of_geometric_mean(values, None, 10, least=0.01, level=0.99)
    assert log(strict[1] / middle) == pytest.approx(half * student(1, 0.99) / T1, rel=1e-4)
    both = interval_of_geometric_mean(tensor([1e-9, 1e-5], [0.1, 0.4]), None, 10, least=0.01)
    assert torch.stack(both).mT.tolist() == pytest.approx(np.array([(0.01, 0.01), (middle * exp(-half), middle * exp(half))]))
    for values, drawn in (
        (tensor(0.1), None),
        (tensor(0.1, torch.nan), None),
        (tensor(0.1, torch.inf), None),
        (tensor(0.1, 0.2), torch.full((2, 4), torch.nan)),
    ):
        assert all(end.isnan() for end in interval_of_geometric_mean(values, drawn, 10, least=0.01))


@pytest.mark.parametrize(
    ("seeds", "over_seeds", "over_points"),
    [(1, 0.0, 0.3), (1, 0.0, 0.4), *((s, *over) for s in (2, 4, 8) for over in ((0.4, 0.0), (0.3, 0.3), (0.1, 0.4)))],
)
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, over_seeds: float, over_points: float) -> None:
    """Of log-normal effects of seeds, of 40 points and of both; the truth is one network's where there is one seed."""
    generator, repetitions, points = torch.Generator().manual_seed(seeds), 1500, 40

    def normals(*shape: int) -> torch.Tensor:
        return torch.randn(repetitions, *shape, generator=generator, dtype=torch.float64)

    effects = over_seeds * normals(seeds, 1)
    each = over_points * points**0.5 * (normals(1, points) + normals(seeds, points)) / 2**0.5
    chosen = subsets(points) / (points - left_out(points))
    values, drawn = (effects + each.mean(-1, keepdim=True)).squeeze(-1).exp(), (effects + each @ chosen.mT).exp()
    low, high = interval_of_mean(values, drawn, points)
    truth = exp((over_seeds**2 + over_points**2) / 2)
    covered = ((low <= truth) & (truth <= high)).double().mean().item()
    assert (0.91 if seeds == 2 else 0.93) < covered < 0.975  # of two seeds' spread so little is known that it is 92%
    low, high = interval_of_geometric_mean(values[:500], drawn[:500], points, least=1e-9)
    assert 0.92 < ((low <= 1) & (high >= 1)).double().mean() < 0.98


def test_mean_over_seeds_by_hand() -> None:
    half = T3 * (14 / 3 / 4) ** 0.5
    assert mean_over_seeds(np.array([1, 2, 3, 6])) == pytest.approx((3.0, 3 - half, 3 + half), rel=1e-6)


def test_resampled_means_vary_as_means_of_seeds_do() -> None:
    values = np.array([[1.0, 2, 3, 6], [2, 2, 2, 2]])
    means = resampled_means(values, paired=False)
    assert means.shape == (1000, 2)
    assert means.mean(0) == pytest.approx([3.0, 2.0], abs=0.1)
    assert means.var(0) == pytest.approx([14 / 3 / 4, 0.0], rel=0.1)
    apart, together = (np.corrcoef(resampled_means(values[[0, 0]], paired).T)[0, 1] for paired in (False, True))
    assert abs(apart) < 0.1
    assert together == pytest.approx(1.0)


def test_a_percentile_interval_is_widened_for_few_seeds() -> None:
    drawn = np.linspace(-1, 1, 1001)
    wide = 0.95 * T2 / normal()
    assert percentile(5.0, 5 + drawn, 3) == pytest.approx((5.0, 5 - wide, 5 + wide), rel=1e-5)
    assert percentile(5.0, np.append(5 + drawn, np.nan), 3) == pytest.approx((5.0, 5 - wide, 5 + wide), rel=1e-5)
    parts = np.random.default_rng(0).standard_normal((20_000, 4)) * [1, 1, 1, 0]
    found = percentile(0.0, parts.sum(1), 3, parts)  # three equal parts, so six degrees of freedom
    assert found.high == pytest.approx(np.quantile(parts.sum(1), 0.975) * student(6) / normal(), rel=0.01)
    assert percentile(1.0, np.ones(10), 3, np.ones((10, 2))) == (1.0, 1.0, 1.0)


def test_subsets_leave_an_eighth_of_the_points_out() -> None:
    for points, lacking in ((8, 1), (9, 1), (48, 6), (96, 12)):
        chosen = subsets(points)
        assert left_out(points) == lacking
        assert chosen.shape == (100, points)
        assert set(chosen.flatten().tolist()) == {0.0, 1.0}
        assert (chosen.sum(1) == points - lacking).all()
    assert torch.equal(subsets(16), subsets(16))


@pytest.mark.parametrize("size", [1e-200, 1e-100, 1.0, 1e100])
def test_a_percentile_interval_scales_with_what_is_fitted(size: float) -> None:
    parts = np.random.default_rng(0).normal(size=(1000, 3))
    one, other = (percentile(scale, scale * parts.sum(1), 4, parts) for scale in (1.0, size))
    assert (np.array(other) / size).tolist() == pytest.approx(list(one), rel=1e-9)
    assert np.isfinite(percentile(0.0, np.eye(1000)[0] * size, 4, np.zeros((1000, 2)))).all()

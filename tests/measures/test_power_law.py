import numpy as np
import pytest

from regime.measures.intervals import mean_over_seeds
from regime.measures.power_law import power_law


def test_an_exact_power_law_is_recovered_whatever_each_seeds_size() -> None:
    x = [1.0, 2.0, 5.0, 9.0]
    fit = power_law(x, np.outer(np.power(x, -0.7), [1.0, 20.0, 0.3]))
    assert fit == pytest.approx((-0.7, -0.7, -0.7))


def test_the_interval_covers_the_exponent_as_often_as_it_says() -> None:
    rng, x = np.random.default_rng(0), np.array([64, 128, 256, 512, 1024])
    covered = 0
    for _ in range(400):
        y = x[:, None] ** -0.5 * np.exp(0.3 * rng.standard_normal((5, 5)))
        fit = power_law(x, y)
        covered += fit.low <= -0.5 <= fit.high
    assert 0.92 < covered / 400 < 0.98


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 1], [[1, 1], [1, 1]]),
        ([1, 2], [[1, 1]]),
        ([1, 2], [[1, 0], [1, 1]]),
        ([1, 2], [[1, np.nan], [1, 1]]),
        ([1], [[1, 1]]),
    ],
)
def test_what_has_no_exponent_is_refused(x: list, y: list) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        power_law(np.array(x, float), np.array(y, float))


def test_one_seed_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two seeds"):
        mean_over_seeds(np.array([1.0]))

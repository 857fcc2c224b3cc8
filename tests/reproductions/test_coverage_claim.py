"""S19: shares that hold the truth, and repetitions that are new networks each time."""

import numpy as np
import pytest

from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.reproductions.coverage import QUICK, RICH, SETTINGS, held, trained


def test_right_intervals_pass_and_narrow_ones_fail() -> None:
    draws = np.random.default_rng(0).standard_normal((2000, 5))
    found = [mean_over_seeds(row) for row in draws]
    share = held(found)
    assert 0.93 < share.low < share.value < share.high < 0.97
    narrow = [PointEstimate(m.value, (m.value + m.low) / 2, (m.value + m.high) / 2) for m in found]
    assert held(narrow).high < 0.93


def test_every_group_has_a_truth_of_its_own() -> None:
    found = [PointEstimate(place + 0.1 * side, place - 0.2, place + 0.2) for place in range(10) for side in (-1, 1)]
    assert held(found, 2).value == 1.0
    assert held(found).value < 0.2


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_repetitions_differ(setting) -> None:
    count, steps = setting.group or 16, setting.repeat(setting.group or 16)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    assert len(found) == len({each.value for each in found}) == count
    assert all(low <= value <= high for value, low, high in found)


def test_all_batches_take_the_same_step() -> None:
    assert trained(RICH, 0).run.learning_rate == trained(RICH, 64).run.learning_rate
    assert 2 <= QUICK < 6 <= len(SETTINGS)

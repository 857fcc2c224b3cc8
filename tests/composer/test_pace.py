"""What is said of the time that a run will still take."""

from itertools import pairwise

import pytest

from regime.composer.pace import time_left

SHARES = [k / 1000 for k in range(1001)]


def test_a_run_as_fast_as_expected_has_exactly_the_rest_left():
    assert [time_left(10 * share, share, 10.0) for share in SHARES] == pytest.approx([10 * (1 - share) for share in SHARES])


@pytest.mark.parametrize("slower", [2, 5, 20])
def test_a_slow_run_has_never_too_little_left_and_soon_the_right_time(slower):
    """It was 0 from a fiftieth of the run on, then 49 times what had passed."""
    left = [time_left(10 * slower * share, share, 10.0) for share in SHARES]
    assert all(10 * (1 - share) <= told for share, told in zip(SHARES, left, strict=True))
    assert left[200:] == pytest.approx([10 * slower * (1 - share) for share in SHARES[200:]])
    assert max(after - before for before, after in pairwise(left)) < 10 * slower / 100


def test_a_beginning_that_nobody_expected_counts_five_times_at_most():
    """Half a second before the first step was told as 25 more at a fiftieth of the run."""
    told = [time_left(0.5 + 10 * share, share, 10.0) - 10 * (1 - share) for share in SHARES]
    assert told[0] == 0
    assert max(told) == pytest.approx(2.5, rel=0.01)
    assert told[-1] == 0

from itertools import pairwise
from math import isfinite, log10

import pytest
import torch

from regime.measures.intervals import interval_of_geometric_mean
from regime.measures.verdict import AXIS, ZONES, Evidence, judge, regime_index

NAN = float("nan")


def evidence(name: str, values: list[float], interval=None, rounding: float = 0.0) -> Evidence:
    low, high = (end.item() for end in interval_of_geometric_mean(torch.tensor(values), None, 0, least=AXIS[0]))
    return Evidence(name, values, interval or ((low, high) if isfinite(low) else None), rounding)


def verdict(
    kernel, gap, loss=0.1, diverged=False, kernel_interval=None, gap_interval=None, rounding=(0.0, 0.0), start_loss=1.0
):
    return judge(
        evidence("Kernel", kernel, kernel_interval, rounding[0]),
        evidence("Gap", gap, gap_interval, rounding[1]),
        start_loss=start_loss,
        loss=loss,
        diverged=diverged,
        moved=True,
        advise=lambda label, kernel, gap: [f"{label} {kernel[0]:.2f} {gap[-1]:.2f}"],
    )


@pytest.mark.parametrize(
    ("kernel", "gap", "label"),
    [
        (0.05, 0.05, "lazy"),
        (0.05, 0.2, "mixed"),
        (0.3, 0.05, "mixed"),
        (0.9, 0.05, "mixed"),
        (0.9, 0.2, "rich"),
        (5.0, 5.0, "rich"),
    ],
)
def test_labels_follow_the_thresholds(kernel: float, gap: float, label: str) -> None:
    result = verdict([kernel, kernel * 1.01], [gap, gap * 1.01])
    assert result.label == label
    low, high = result.interval
    assert 0 <= low <= result.index <= high <= 1
    assert result.agree == f"2 of 2 seeds {label}"
    assert result.advice == [f"{label} {kernel:.2f} {gap * 1.01:.2f}"]


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ([0.49, 0.0, 0.48, 0.5, 0.0, 0.49, 0.47, 0.5], "Kernel 0.18"),  # (0.01**2 * 0.49...**6)**(1/8)
        ([0.4, 1e-9, 0.4, 1e-12, 0.4, 0.4], "Kernel 0.12"),  # (0.01**2 * 0.4**4)**(1/6)
        ([0.02, 1e-9, 0.3, 0.02], "Kernel 0.033"),
    ],
)
def test_seeds_whose_kernel_stands_still_leave_the_index_in_its_interval(kernel: list[float], said: str) -> None:
    result = verdict(kernel, [0.3] * len(kernel))
    assert result.reasons[-2].startswith(said)
    other = verdict([5.0] * len(kernel), kernel)
    for judged in (result, other):
        assert judged.interval[0] <= judged.index <= judged.interval[1]


def test_index_never_falls_as_kernel_or_gap_grows() -> None:
    values = [0.0, 1e-3, 0.05, 0.0999, 0.1, 0.1001, 0.3, 0.4999, 0.5001, 1.0, 9.0, 100.0]
    for fixed in values:
        for one, two in pairwise(values):
            assert regime_index(one, fixed) <= regime_index(two, fixed)
            assert regime_index(fixed, one) <= regime_index(fixed, two)
    assert regime_index(0.0999, 0.0999) < ZONES[0] < regime_index(0.1001, 0.05) < ZONES[1] < regime_index(0.51, 0.11)


def test_an_interval_across_a_threshold_names_both_sides() -> None:
    result = verdict([0.3, 0.9, 0.4, 0.8], [0.5, 0.5, 0.5, 0.5])
    assert result.label == "no verdict"
    assert "both mixed and rich" in result.reasons[0]
    assert result.agree == "2 of 4 seeds rich"


def test_a_network_that_has_not_learned_gets_no_verdict() -> None:
    result = verdict([0.01, 0.01], [0.01, 0.01], loss=0.95)
    assert result.label == "no verdict"
    assert "fell by 5%; a verdict needs 10%" in result.reasons[0]
    assert result.advice == ["Train longer, or raise the step size"]


def test_a_loss_that_rose_asks_for_a_smaller_step() -> None:
    assert verdict([0.9, 0.9], [0.9, 0.9], loss=1.2).advice == ["Train longer, or lower the step size"]


@pytest.mark.parametrize(("start_loss", "loss"), [(-1.0, -100.0), (-1.0, -0.5), (0.0, -2.0), (0.5, -0.01)])
def test_a_loss_below_zero_has_no_share_to_fall_by(start_loss: float, loss: float) -> None:
    """The verdict rests on what it rests on where the loss is not known, and says so."""
    result = verdict([0.9, 0.9], [0.2, 0.2], loss=loss, start_loss=start_loss)
    assert result.label == verdict([0.9, 0.9], [0.2, 0.2], loss=None).label == "rich"
    assert not any("fell by" in reason or "rose" in reason for reason in result.reasons)
    assert f"from {start_loss:.2g} to {loss:.2g}; one at or below zero has no share to fall by" in result.reasons[-1]
    assert "without its constant" in result.reasons[-1]


def test_a_loss_that_falls_to_zero_fell_by_all_of_it() -> None:
    assert "no share" not in " ".join(verdict([0.9, 0.9], [0.2, 0.2], loss=0.0).reasons)


def test_an_interval_below_the_axis_says_so() -> None:
    result = verdict([1e-5, 3e-3], [0.004, 0.012])
    assert result.label == "lazy"
    assert result.reasons[0].startswith("Kernel 0.00017 (95% below 0.01)")
    assert "(95% 0 to 0." in result.reasons[1]


def test_divergence_and_nothing_moved() -> None:
    diverged = verdict(
        [float("nan")] * 2, [float("nan")] * 2, diverged=True, kernel_interval=(0.0, 1.0), gap_interval=(0.0, 1.0)
    )
    still = verdict([0.0, 0.0], [float("nan")] * 2, kernel_interval=(0.0, 0.0), gap_interval=(0.0, 1.0))
    assert (diverged.label, diverged.agree, diverged.interval) == ("no verdict", "diverged", None)
    assert (still.label, still.agree) == ("no verdict", "nothing moved")


@pytest.mark.parametrize(
    ("kernel", "gap", "intervals", "agree", "said"),
    [
        ([NAN, 0.1, NAN], [NAN, 0.1, NAN], (None, None), "no kernel", "Kernel is undefined in 2 of 3 seeds, since it is zero"),
        ([NAN, NAN], [0.1, 0.1], (None, None), "no kernel", "Kernel is undefined, since it is zero"),
        ([0.1, 0.1], [NAN, 0.1], (None, None), "nothing moved", "The function has not moved yet in 1 of 2 seeds, so"),
        ([0.1], [0.1], ((0.1, 0.2), None), "too few points", "Gap hangs on too few probe points"),
        ([0.1], [0.1], (None, (0.1, 0.2)), "too few points", "Kernel hangs on too few probe points"),
    ],
)
def test_what_is_missing_is_said(kernel: list[float], gap: list[float], intervals: tuple, agree: str, said: str) -> None:
    parts = Evidence("Kernel", kernel, intervals[0], missing="it is zero"), Evidence("Gap", gap, intervals[1])
    more = {"start_loss": 1.0, "loss": 0.1, "diverged": False, "moved": True, "advise": lambda *_: []}
    found = judge(*parts, **more)
    assert (found.label, found.agree) == ("no verdict", agree)
    assert found.reasons[0].startswith(said)
    assert len(found.advice) == 1


@pytest.mark.parametrize(
    ("kernel", "gap", "rounding", "label"),
    [
        (0.0, 0.76, (1e-6, 0.7), "no verdict"),  # most of the gap may be rounding, and all of it is above the bound
        (0.0, 0.05, (1e-6, 0.02), "lazy"),
        (0.0, 0.05, (1e-6, 0.2), "no verdict"),  # below its floor, which is above the bound
        (0.0, 0.76, (1e-6, 0.2), "mixed"),
        (0.6, 0.5, (0.2, 1e-6), "no verdict"),
        (0.6, 0.5, (0.05, 1e-6), "rich"),
    ],
)
def test_what_rounding_may_do_widens_the_interval(kernel: float, gap: float, rounding: tuple, label: str) -> None:
    intervals = {"kernel_interval": (kernel, kernel), "gap_interval": (gap, gap)}
    result = verdict([kernel], [gap], rounding=rounding, **intervals)
    assert result.label == label
    assert not result.straddles, "no seeds will settle it"
    if label == "no verdict":
        name = "kernel" if rounding[0] > rounding[1] else "gap"
        assert result.advice == [f"Raise the precision: rounding alone may move {name} by {max(rounding):.2g}"]


def test_rounding_is_taken_off_below_and_added_above() -> None:
    assert Evidence("Gap", [0.3], (0.2, 0.4), 0.15).ends == pytest.approx((0.05, 0.55))
    assert Evidence("Gap", [0.3], (0.1, 0.4), 0.15).ends[0] == 0.0


def test_a_tie_of_seeds_goes_to_the_label_of_the_whole() -> None:
    two = verdict([0.05, 0.3], [0.05, 0.05])
    assert two.agree == "1 of 2 seeds mixed"
    assert two.index > ZONES[0]
    assert verdict([0.3, 0.05], [0.05, 0.05]).agree == "1 of 2 seeds mixed"
    low = verdict([0.02, 0.3], [0.05, 0.05])
    assert low.agree == "1 of 2 seeds lazy"
    assert low.index < ZONES[0]


def test_the_index_by_hand() -> None:
    """log10(kernel) from 0.01 to 10, within what the gap allows: 1/3 and more above 0.1, rich only as far as it is above."""
    rich = (log10(0.5) + 2) / 3
    assert pytest.approx((1 / 3, rich)) == ZONES
    assert regime_index(0.05, 0.01) == pytest.approx((log10(0.05) + 2) / 3)
    assert regime_index(0.05, 0.3) == pytest.approx(1 / 3)
    assert regime_index(0.001, 0.03) == pytest.approx((log10(0.03) + 2) / 3)
    assert regime_index(9.0, 0.2) == pytest.approx(rich + (1 - rich) * log10(2))
    assert regime_index(9.0, 0.05) == pytest.approx(rich)
    assert regime_index(9.0, 5.0) == pytest.approx((log10(9) + 2) / 3)
    assert regime_index(50.0, 5.0) == 1.0
    assert regime_index(0.0, 0.0) == 0.0


@pytest.mark.parametrize(("loss", "learned"), [(0.89, True), (0.91, False), (1.2, False)])
def test_a_tenth_of_the_loss_has_to_be_gone(loss: float, learned: bool) -> None:
    result = verdict([0.01, 0.01], [0.01, 0.01], loss=loss)
    assert (result.label == "lazy") == learned
    assert ("rose" in result.reasons[0]) == (loss > 1)


def test_a_change_beyond_all_bounds_is_said_to_be_over_them() -> None:
    result = verdict([0.9, 0.91], [4.8e17, 4.9e17])
    assert result.reasons[1] == "Gap over 100 (95% over 100); rich needs above 0.1"
    assert "(95% 3.2 to over 100)" in verdict([0.9, 0.91], [30.0, 30.0], gap_interval=(3.2, 4e5)).reasons[1]


@pytest.mark.parametrize(
    ("kernel", "ends", "said"),
    [
        (0.0996, (0.0958, 0.0999), "Kernel 0.0996 (95% 0.096 to 0.0999); lazy below 0.1"),
        (0.502, (0.5004, 0.63), "Kernel 0.502 (95% 0.5004 to 0.63); rich above 0.5"),
        (0.1, (0.1, 0.4), "Kernel 0.1 (95% 0.1 to 0.4); between 0.1 and 0.5"),
        (99.7, (1.2, 99.97), "Kernel 99.7 (95% 1.2 to 99.97); rich above 0.5"),
    ],
)
def test_numbers_are_not_rounded_onto_the_bound_they_are_held_against(kernel: float, ends: tuple, said: str) -> None:
    assert said in verdict([kernel], [0.0997], kernel_interval=ends, gap_interval=(0.05, 0.0998)).reasons
    loss = verdict([0.05, 0.05], [0.05, 0.05], loss=0.9004).reasons[0]
    assert loss == "The training loss fell by 9.96%; a verdict needs 10%"

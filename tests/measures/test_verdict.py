from itertools import pairwise

import pytest

from regime.measures.verdict import ZONES, judge, regime_index, seed_interval


def verdict(kernel, gap, loss=0.1, diverged=False, kernel_interval=None, gap_interval=None):
    return judge(
        kernel,
        gap,
        kernel_interval=kernel_interval or seed_interval(kernel),
        gap_interval=gap_interval or seed_interval(gap),
        start_loss=1.0,
        loss=loss,
        diverged=diverged,
        moved=True,
        kernel_name="Kernel",
        gap_name="Gap",
        advise=lambda label, kernel, gap: [f"{label} {kernel[0]:.1f} {gap[1]:.1f}"],
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
    assert result.advice == [
        f"{label} {seed_interval([kernel, kernel * 1.01])[0]:.1f} {seed_interval([gap, gap * 1.01])[1]:.1f}"
    ]


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


def test_seed_interval_covers_the_mean_in_95_of_100() -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(4000, 4, generator=generator).exp().tolist()
    covered = sum(low <= 1 <= high for low, high in map(seed_interval, draws)) / len(draws)
    assert abs(covered - 0.95) < 0.015

"""Numbers are judged by their whole interval, cards by their worst number."""

from typing import Any

import numpy as np
import pytest

from regime import ToyConfig
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Outcome, exponent, finding, outcome_of, train_to, watched
from tests.reproductions.parts import returned

SMALL = ToyConfig(width=8, samples=8, test_samples=8, probe_samples=8, seeds=2, steps=4, measure_every=2)


@pytest.mark.parametrize(
    ("interval", "low", "high", "outcome"),
    [
        ((0.9, 1.1), 0.9, 1.1, "pass"),
        ((0.9, 1.1), 0.95, 1.05, "undecided"),
        ((0.9, 1.1), 1.05, 2.0, "undecided"),
        ((0.9, 1.1), 1.11, 2.0, "fail"),
        ((0.9, 1.1), None, 0.8, "fail"),
        ((0.9, 1.1), None, 1.0, "undecided"),
        ((0.9, 1.1), 0.0, None, "pass"),
        ((0.9, 1.1), None, None, "shown"),
        ((1.0, 1.0), 1.0, 1.0, "pass"),
    ],
)
def test_a_number_is_judged_by_its_whole_interval(interval: tuple[float, float], low: Any, high: Any, outcome: Outcome) -> None:
    found = finding("a number", "1", PointEstimate(1.0, *interval), low, high, against="a table", configs=[SMALL])
    assert found.outcome == outcome
    assert (found.value, found.interval, found.low, found.high) == (1.0, interval, low, high)
    assert found.configs == [SMALL.to_dict()]


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        (["pass", "fail", "undecided"], "fail"),
        (["shown", "undecided", "pass"], "undecided"),
        (["shown", "pass"], "pass"),
        (["shown"], "shown"),
        ([], "shown"),
    ],
)
def test_a_card_is_as_good_as_its_worst_number(outcomes: list[Outcome], worst: Outcome) -> None:
    found = finding("a number", "1", PointEstimate(1.0, 1.0, 1.0))
    assert outcome_of([found.model_copy(update={"outcome": outcome}) for outcome in outcomes]) == worst


def test_an_exponent_is_fitted_seed_by_seed() -> None:
    x = np.array([64.0, 128.0, 256.0])
    found = exponent(x, np.stack([3 * x**-0.4, 5 * x**-0.6], 1))
    assert found.value == pytest.approx(-0.5)
    assert found.low < -0.6 < -0.4 < found.high


def test_training_stops_at_a_loss() -> None:
    first, measured = (returned(train_to(SMALL, share)) for share in (1.0, 0.3))
    assert 0 < measured.model["train_loss"].mean() < 0.5 * first.model["train_loss"].mean()
    assert measured.model["parameter_movement"].shape == (SMALL.seeds,)


def test_training_to_a_loss_that_is_not_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regime.reproductions.claim.STEPS", 3)
    with pytest.raises(RuntimeError, match=r"did not fall to 0\.1"):
        returned(train_to(SMALL, 0.1))


def test_a_run_is_watched_to_its_report() -> None:
    assert returned(watched(SMALL)).config == SMALL

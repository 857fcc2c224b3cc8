"""Acceptance physics: every claim's numbers within their tolerance; `pytest -m physics` takes the full effort.

`python -m regime.reproductions [--full]` prints the same results as a table.
"""

import pytest

from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Result, train_to
from regime.reproductions.registry import CLAIMS


def check(results: list[Result]) -> None:
    assert results
    for result in results:
        assert result.ours.low <= result.ours.value <= result.ours.high, result
        assert result.passed, result


@pytest.mark.parametrize("name", CLAIMS)
def test_claim(name: str) -> None:
    check(CLAIMS[name](full=False))


@pytest.mark.physics
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CLAIMS)
def test_claim_in_full(name: str) -> None:
    check(CLAIMS[name](full=True))


def test_a_result_fails_outside_its_tolerance() -> None:
    assert Result("S0", "", "", PointEstimate(1.0, 0.9, 1.1), 0.95, 1.05).passed
    assert not Result("S0", "", "", PointEstimate(1.06, 0.9, 1.1), 0.95, 1.05).passed


def test_training_to_a_loss_that_is_not_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from regime import ToyConfig

    monkeypatch.setattr("regime.reproductions.claim.STEPS", 3)
    with pytest.raises(RuntimeError, match=r"did not fall to 0\.1"):
        train_to(ToyConfig(width=8, samples=8, test_samples=8, probe_samples=8), 0.1)

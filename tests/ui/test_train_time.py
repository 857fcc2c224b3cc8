"""What the Train tab says of a run's time before it starts."""

import pytest

import regime
from regime.composer import trial
from regime.ui.screens.train import TrainScreen

SHORT = regime.ToyConfig(width=8, samples=16, test_samples=16, probe_samples=16, steps=1200, measure_every=600, seeds=1)


def said():
    return TrainScreen.estimate(None, SHORT)


def test_the_time_told_has_that_of_trying_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    without = said()
    monkeypatch.setattr(trial, "AFFORDABLE", 2.0)
    assert without["quick"] is said()["quick"] is True  # what is waited for is the run
    assert without["notice"] != said()["notice"]

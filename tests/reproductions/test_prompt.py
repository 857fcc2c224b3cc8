"""S16's pieces on a small model that is there: equal falls of the loss, and the gap between two steps."""

import pytest

from regime import ProbeConfig
from regime.reproductions import prompt
from regime.reproductions.prompt import SHARE, Seen, at, path

SMALL = {"model": "minilm", "loss": "cross-entropy", "samples": 4, "max_tokens": 8, "probe_samples": 8, "forecast": False}


def last(config: ProbeConfig) -> list[Seen]:
    steps = path(config)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_the_loss_falls_and_the_gap_grows() -> None:
    seen = last(ProbeConfig(**SMALL, readout="last"))
    assert seen[0] == Seen(1.0, 0.0)
    assert seen[-1].loss <= SHARE < seen[-2].loss
    assert 0 < seen[1].gap < seen[-1].gap < 1


def test_a_loss_that_does_not_fall_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "STEPS", 1)
    with pytest.raises(RuntimeError, match="did not fall"):
        last(ProbeConfig(**SMALL, readout="last"))


def test_the_gap_is_read_between_two_steps() -> None:
    assert at([Seen(1.0, 0.0), Seen(0.9, 0.1), Seen(0.7, 0.3)], 0.8) == pytest.approx(0.2)

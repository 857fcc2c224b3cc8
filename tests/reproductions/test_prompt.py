"""S16's pieces on a small model that is there: equal falls of the loss, and the gap between two steps."""

from collections.abc import Generator
from typing import Any

import pytest
import torch

from regime import ProbeConfig
from regime.kernels.linearization import Linearization
from regime.measures.function import linear_gap
from regime.models.functions import TextFunction
from regime.reproductions import prompt
from regime.reproductions.claim import Step
from regime.reproductions.prompt import FALL, SHARE, Seen, at, gap, path

SMALL = {"model": "minilm", "loss": "cross-entropy", "samples": 4, "max_tokens": 8, "probe_samples": 8, "forecast": False}


def ended(steps: Generator[Step, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def last(config: ProbeConfig) -> tuple[Seen, Seen]:
    return ended(path(config, FALL["quick"]))


def test_the_two_models_are_on_both_sides_of_the_share() -> None:
    before, after = last(ProbeConfig(**SMALL, readout="last"))
    assert after.loss <= SHARE < before.loss < 1
    assert 0 < before.gap < after.gap < 1


def test_the_gap_is_that_of_the_linearization() -> None:
    """J_0 (theta - theta_0) along one direction, against the Jacobian that the kernel's engine forms."""
    config = ProbeConfig(**SMALL, readout="last")
    function = TextFunction(config, config.model, config.revision)
    module = function.module(0)
    shown = function.inputs(["a good film", "a film that is not good at all", "bad"])
    start = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    linear = Linearization.of(module, shown)
    shifts: dict[str, dict[str, torch.Tensor]] = {}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            step = 1e-3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
            parameter += step
            layer, _, own = name.rpartition(".")
            shifts.setdefault(layer, {})[own] = step
        expected = linear_gap(module(**shown), linear.outputs + linear @ shifts, linear.outputs).item()
    assert ended(gap(module, shown, start)) == pytest.approx(expected, rel=1e-3)


def test_a_loss_that_does_not_fall_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "STEPS", 1)
    with pytest.raises(RuntimeError, match="did not fall"):
        last(ProbeConfig(**SMALL, readout="last"))


def test_the_gap_is_read_between_two_steps() -> None:
    assert at([Seen(1.0, 0.0), Seen(0.9, 0.1), Seen(0.7, 0.3)], 0.8) == pytest.approx(0.2)

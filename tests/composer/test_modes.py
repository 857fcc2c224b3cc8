"""A run in its caller's modes of torch: its numbers are those of a plain call, and the modes are the caller's again."""

from pathlib import Path

import pytest
import torch

import regime

FIELDS = {"width": 8, "samples": 16, "test_samples": 8, "probe_samples": 8, "steps": 6, "measure_every": 2, "seeds": 2}
MODES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> object:
    return MODES[request.param]


def modes() -> tuple[bool, bool, bool]:
    return torch.is_autocast_enabled("cpu"), torch.is_inference_mode_enabled(), torch.is_grad_enabled()


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_a_run_computes_as_it_does_alone(mode: object, optimizer: str) -> None:
    config = regime.ToyConfig(**FIELDS, optimizer=optimizer)
    want = [event.measures for event in regime.stream(config) if event.kind == "measured"]
    got = []
    with mode():
        inside = modes()
        for event in regime.stream(config):
            assert modes() == inside
            got += [event.measures] if event.kind == "measured" else []
    assert repr(got) == repr(want)


def test_a_run_is_begun_and_continued_in_other_modes(mode: object, tmp_path: Path) -> None:
    config = regime.ToyConfig(**FIELDS)
    want = [event.measures for event in regime.stream(config) if event.kind == "measured"]
    session = regime.Session(config)
    with mode():
        got = [event.measures for event in session.stream(2) if event.kind == "measured"]
        session.save(tmp_path / "held")
        loaded = regime.Session.load(tmp_path / "held")
    for goes_on in (session, loaded):
        rest = [event.measures for event in goes_on.stream() if event.kind == "measured"]
        assert repr(got + rest) == repr(want)


def test_cells_and_borders_compute_as_they_do_alone(mode: object) -> None:
    sweep = regime.SweepConfig(base=regime.ToyConfig(**FIELDS), axes={"alpha": [0.5, 2.0]})
    calls = [
        lambda: regime.run(sweep).values("kernel_change").tolist(),
        lambda: regime.find_border(regime.ToyConfig(**FIELDS), "alpha").value,
    ]
    want = [call() for call in calls]
    with mode():
        assert [call() for call in calls] == want


def test_a_probe_of_ones_own_model_in_inference_mode(tiny_bert: str) -> None:
    config = regime.ProbeConfig(model=tiny_bert, samples=8, probe_samples=8, steps=2, max_tokens=14)
    want = regime.run(config).final
    with torch.inference_mode():
        assert repr(regime.run(config).final) == repr(want)

"""Runs that are held, saved and taken up again give the numbers of one that never was."""

import time
from pathlib import Path

import pytest

import regime
from regime import ProbeConfig, Report, Session, ToyConfig

CASES = {
    "gd": {},
    "sgd": {"optimizer": "sgd", "batch_size": 7},
    "momentum": {"optimizer": "momentum", "weight_decay": 0.5},
    "adam": {"optimizer": "adam", "batch_size": 9},
    "one seed": {"seeds": 1, "alpha": 0.2},
}


def config(case: str) -> ToyConfig:
    return ToyConfig(
        **{"width": 20, "samples": 24, "test_samples": 8, "probe_samples": 10, "seeds": 2, "steps": 35, "measure_every": 10}
        | CASES[case]
    )


def numbers(report: Report) -> dict:
    """Everything but how long it took."""
    fields = report.to_dict()
    del fields["provenance"]["seconds"]
    for event in fields["history"]:
        del event["seconds"], event["seconds_left"]
    return fields


def finish(session: Session) -> Report:
    *_, last = session.stream()
    return Report.from_dict(last.report)


@pytest.mark.parametrize("case", CASES)
def test_a_run_held_stepped_and_saved_is_the_run_never_held(case: str, tmp_path: Path) -> None:
    want = numbers(regime.run(config(case)))
    assert numbers(regime.run(config(case))) == want, "the same configuration and seed"
    session = Session(config(case))
    for event in session.stream():
        if event.kind == "measured" and event.step == 10:
            break
    (stepped,) = session.stream(1)
    assert stepped.step == 20
    session.save(tmp_path / "session.pt")
    assert numbers(finish(session)) == want
    assert session.finished
    assert list(session.stream()) == []
    resumed = Session.load(tmp_path / "session.pt")
    kinds = [(event.kind, getattr(event, "step", None)) for event in resumed.stream(1)]
    assert kinds == [("started", None), ("measured", 30)]
    assert numbers(finish(resumed)) == want
    again = Session.load(tmp_path / "session.pt")
    assert [event.kind for event in again.stream(1)] == ["started", "measured"]
    again.save(tmp_path / "again.pt")
    assert numbers(finish(Session.load(tmp_path / "again.pt"))) == want


def test_the_last_measurement_brings_the_report() -> None:
    session = Session(config("gd"))
    kinds = [event.kind for event in session.stream(5)]
    assert kinds == ["started", *["measured"] * 5, "finished"]


def test_held_time_does_not_count() -> None:
    session = Session(config("gd"))
    events = list(session.stream(2))
    seconds = events[-1].seconds
    time.sleep(0.5)
    (later,) = session.stream(1)
    assert later.seconds < seconds + 0.4


def test_less_than_one_measurement_is_refused() -> None:
    with pytest.raises(ValueError, match="measurements = 0 is not allowed; allowed: 1 or more"):
        list(Session(config("gd")).stream(0))


def test_what_cannot_be_saved_or_loaded_is_refused(tmp_path: Path) -> None:
    session = Session(config("gd"))
    with pytest.raises(ValueError, match="between its first measurement and its end"):
        session.save(tmp_path / "early.pt")
    finish(session)
    with pytest.raises(ValueError, match="between its first measurement and its end"):
        session.save(tmp_path / "late.pt")
    with pytest.raises(FileNotFoundError):
        Session.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a session")
    with pytest.raises(ValueError, match="is not a saved session"):
        Session.load(tmp_path / "bad.pt")
    with pytest.raises(regime.ConfigError):
        Session(3)
    with pytest.raises(ValueError, match="a toy's run"):
        Session(ProbeConfig()).save(tmp_path / "probe.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]

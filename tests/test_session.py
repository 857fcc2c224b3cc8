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


STRADDLING = {"width": 64, "samples": 32, "test_samples": 8, "probe_samples": 24, "alpha": 0.4, "steps": 100, "seeds": 2}


def straddling(max_seeds: int | None) -> ToyConfig:
    return ToyConfig(**STRADDLING, measure_every=20, max_seeds=max_seeds)


def test_seeds_are_added_until_the_verdict_is_settled() -> None:
    first, events = regime.run(straddling(None)), list(regime.stream(straddling(16)))
    assert first.verdict.straddles
    assert first.verdict.label == "no verdict"
    report = Report.from_dict(events[-1].report)
    ran = len(report.verdict.seeds)
    assert ran in (4, 8, 16)
    assert report.verdict.straddles == (report.verdict.label == "no verdict")
    assert report.config.seeds == 2
    assert report.provenance.seeds == ran
    assert f" of {ran} seeds " in report.verdict.agree
    assert f"{ran} seeds ran, since the interval of the first 2 had two labels in it" in report.verdict.reasons
    assert all(report.seeds[name][:2] == values for name, values in first.seeds.items()), "the first ones stay"
    measured = [event for event in events if event.kind == "measured"]
    assert [event.step for event in measured] == [0, 20, 40, 60, 80, *[100] * (ran.bit_length() - 1)]
    assert measured[-1].to_dict() == report.history[-1].to_dict()
    together = regime.run(straddling(None).model_copy(update={"seeds": ran, "learning_rate": first.provenance.learning_rate}))
    for one, two in zip(report.history, together.history, strict=True):
        for got, wanted in ((one.measures, two.measures), (one.floors, two.floors), (one.intervals, two.intervals)):
            assert got.keys() == wanted.keys()
            for name, value in wanted.items():
                assert got[name] is value is None or got[name] == pytest.approx(value, rel=1e-2, abs=1e-5), (one.step, name)


def test_a_run_that_is_settled_adds_none_and_looks_more_strictly() -> None:
    settled = straddling(8).model_copy(update={"alpha": 300.0, "activation": "tanh"})
    report = regime.run(settled)
    alone = regime.run(settled.model_copy(update={"max_seeds": None}))
    assert report.verdict.label == "lazy"
    assert report.provenance.seeds == 2
    assert report.seeds == alone.seeds
    assert report.intervals == alone.intervals


def test_a_run_that_adds_seeds_can_be_held_and_saved_anywhere(tmp_path: Path) -> None:
    want = numbers(regime.run(straddling(8)))
    assert len(want["verdict"]["seeds"]) > 2
    session = Session(straddling(8))
    for _ in session.stream(5):
        pass
    assert not session.finished
    events = [next(session.stream()) for _ in range(1)]
    assert (events[0].kind, events[0].step) == ("measured", 100)
    session.save(tmp_path / "first.pt")
    assert numbers(finish(session)) == want
    resumed = Session.load(tmp_path / "first.pt")
    kinds = [(event.kind, getattr(event, "step", None)) for event in resumed.stream(1)]
    assert kinds[:2] == [("started", None), ("measured", 100)]
    if not resumed.finished:
        resumed.save(tmp_path / "second.pt")
        again = Session.load(tmp_path / "second.pt")
        assert numbers(finish(again)) == want
        assert again.kernels()["now/readout"].shape[0] == len(want["verdict"]["seeds"])
        assert numbers(finish(resumed)) == want


def test_a_batch_of_seeds_can_be_held_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = numbers(regime.run(straddling(4)))
    monkeypatch.setattr("regime.session.HEARTBEAT", 0.0)
    session = Session(straddling(4))
    for event in session.stream():
        if event.kind == "progress" and session._ended and event.step == 50:
            break
    session.save(tmp_path / "half.pt")
    resumed = Session.load(tmp_path / "half.pt")
    steps = [event.step for event in resumed.stream() if event.kind == "measured"]
    assert steps == [100]
    assert numbers(finish(session)) == want
    assert numbers(finish(Session.load(tmp_path / "half.pt"))) == want

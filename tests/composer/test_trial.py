"""A small run's advice was tried: what it says is what a run there gives. A large run's is extrapolated, and says so."""

import re
from pathlib import Path

import pytest

import regime
from regime import Report, Session, ToyConfig
from regime.composer import pace, trial
from regime.toy import cost

CONFIG = ToyConfig(
    width=48, activation="erf", alpha=0.28, samples=16, test_samples=8, probe_samples=24, steps=40, measure_every=20, seeds=6
)
SENTENCE = re.compile(
    r"For (?P<side>lazy|rich), try output scale alpha near (?P<alpha>\S+) \(now (?P<now>\S+)\): (?P<label>\w+) when tried; "
    r"(lazy ends|rich begins) near (?P<border>\S+) \(95% (?P<low>\S+) to (?P<high>\S+)\)"
)


@pytest.fixture
def advice() -> None:
    """Advice is tried."""


def test_a_report_says_what_was_seen_at_the_value_it_advises() -> None:
    *_, last, finished = [event for event in regime.stream(CONFIG) if event.kind != "progress"]
    report = Report.from_dict(finished.report)
    assert report.verdict.label == "mixed"
    assert all(line.endswith(", extrapolated") for line in last.verdict.advice), "while it runs nothing is tried"
    found = {match["side"]: match for match in map(SENTENCE.fullmatch, report.verdict.advice)}
    assert set(found) == {"lazy", "rich"}
    for side, match in found.items():
        alpha, border, low, high = (float(match[name]) for name in ("alpha", "border", "low", "high"))
        assert match["label"] == side == regime.run(CONFIG.model_copy(update={"alpha": alpha})).verdict.label
        assert low <= border <= high
        assert high <= 10.5 * low
        known = regime.find_border(CONFIG, side=side)
        assert low <= known.value <= high
    assert float(found["lazy"]["alpha"]) > 0.28 > float(found["rich"]["alpha"])
    assert report.history[-1].verdict == report.verdict
    assert report.verdict == last.verdict.model_copy(update={"advice": report.verdict.advice})


def test_a_run_held_while_advice_is_tried_says_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    want = regime.run(CONFIG).verdict
    monkeypatch.setattr(pace, "HEARTBEAT", -1.0)
    held = Session(CONFIG)
    for event in held.stream():
        if event.kind == "progress" and held._recorder.ended:
            break
    assert (event.step, event.seconds_left) == (40, None)
    held.save(tmp_path / "held.pt")
    for again in (held, Session.load(tmp_path / "held.pt")):
        *_, last = again.stream()
        assert Report.from_dict(last.report).verdict == want


def test_what_costs_much_is_extrapolated_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "AFFORDABLE", trial.seconds(CONFIG, 6) * 0.99)
    report = regime.run(CONFIG)
    assert [line.endswith(", extrapolated") for line in report.verdict.advice] == [True, True]
    monkeypatch.setattr(trial, "AFFORDABLE", trial.seconds(CONFIG, 6))
    assert all(SENTENCE.fullmatch(line) for line in regime.run(CONFIG).verdict.advice)


def test_the_cost_is_reckoned_without_the_machine() -> None:
    operations = 2 * 6 * (40 * (cost.step(CONFIG) + 30 * 4 * 16**2) + 2 * cost.measurement(CONFIG))
    assert trial.seconds(CONFIG, 2) == pytest.approx(operations / 5e10 + 40 * 1.2e-3)
    assert trial.seconds(ToyConfig(width=64), 6) < trial.AFFORDABLE < trial.seconds(ToyConfig(), 3), (
        "the page's first run is not"
    )


def test_where_no_run_lands_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "CLEAR", (1e6,))
    advice = regime.run(CONFIG.model_copy(update={"alpha": 4.0})).verdict.advice
    assert len(advice) == 1
    assert re.fullmatch(
        r"No output scale alpha tried on the way to rich was clearly there; the farthest run: .+ at 0\.\d+", advice[0]
    )


def test_the_farthest_run_is_told_of_each_side_and_a_twin_that_diverged_hinders_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "CLEAR", (1e6,))
    config = CONFIG.model_copy(update={"width": 64, "depth": 1, "alpha": 1.0, "learning_rate": 1.448, "steps": 100, "seeds": 8})
    report = regime.run(config)
    assert None in report.seeds["linearization_gap_max"], "beyond what numbers hold"
    assert report.verdict.label == "mixed"
    farthest = [float(re.search(r"the farthest run: .+ at (\S+)$", line)[1]) for line in report.verdict.advice]
    assert farthest[0] > 1.0 > farthest[1], "lazy is at larger scales, rich at smaller ones"


def test_of_runs_that_are_clear_the_nearest_is_advised() -> None:
    """A run a hundred times as far, which is clearer yet, is no better advice."""
    known = {"learning_rate": 0.1, "label": "lazy", "agree": "4 of 4 seeds lazy", "reasons": []}
    near, far = (
        trial.Trial(value=value, index=index, interval=interval, **known)
        for value, index, interval in ((29.2, 0.171, (0.095, 0.248)), (2745.0, 0.0, (0.0, 1e-8)))
    )
    search = trial.Search.of(ToyConfig(width=64, alpha=0.1), "alpha", "lazy")
    assert trial._landed(search, [near, far], trial.CLEAR) is near


def test_there_is_nothing_to_try_where_nothing_moved() -> None:
    assert regime.run(CONFIG.model_copy(update={"trainable": "readout"})).verdict.advice == []


def test_what_is_said_while_advice_is_tried_is_as_often_as_what_is_tried_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every second time: two clocks one after the other would let as long pass again."""
    said = [0.25, 0.5, ["advice"]]
    monkeypatch.setattr(trial, "try_advice", lambda *_: iter(said))
    kinds = [event.kind for event in regime.stream(CONFIG.model_copy(update={"steps": 2, "measure_every": 2}))]
    assert kinds[-3:] == ["progress", "progress", "finished"]

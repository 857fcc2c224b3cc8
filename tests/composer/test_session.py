"""Runs that are held, saved and taken up again give the numbers of one that never was."""

import math
import random
import time
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
import torch

import regime
from regime import ProbeConfig, Report, Session, ToyConfig
from regime.composer.pace import Clock
from regime.composer.producers import Loop
from regime.dynamics.snapshot import Pause
from regime.record.held import read
from regime.toy.training import Training

CASES = {
    "gd": {},
    "sgd": {"optimizer": "sgd", "batch_size": 7},
    "momentum": {"optimizer": "momentum", "weight_decay": 0.5},
    "adam": {"optimizer": "adam", "batch_size": 9},
    "one seed": {"seeds": 1, "alpha": 0.2},
}


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no event comes between measurements."""
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", math.inf)


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


def told(events):
    """Events without those that a slow machine says it goes on with."""
    return [event for event in events if event.kind != "progress"]


@pytest.mark.parametrize("more", [{}, {"learning_rate": 30.0}], ids=["converges", "diverges"])
def test_a_run_saved_between_any_two_pieces_loses_no_measurement(
    more: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", -1.0)
    small = config("adam").model_copy(update={"optimizer": "gd", "steps": 4, "measure_every": 2, "batch_size": None} | more)
    want = numbers(regime.run(small))
    session, saved = Session(small), set()
    for event in session.stream():
        if session._recorder is None or not session._recorder.history or session.finished:
            continue
        session.save(tmp_path / "held")
        saved.add((event.kind, event.step))
        assert numbers(finish(Session.load(tmp_path / "held"))) == want, (event.kind, event.step)
    assert {("progress", 2), ("progress", 4)} <= saved or (more and ("progress", 2) in saved)


@pytest.mark.parametrize("case", CASES)
def test_a_run_held_stepped_and_saved_is_the_run_never_held(case: str, tmp_path: Path) -> None:
    want = numbers(regime.run(config(case)))
    assert numbers(regime.run(config(case))) == want, "the same configuration and seed"
    session = Session(config(case))
    for event in session.stream():
        if event.kind == "measured" and event.step == 10:
            break
    (stepped,) = told(session.stream(1))
    assert stepped.step == 20
    session.save(tmp_path / "session.pt")
    assert numbers(finish(session)) == want
    assert session.finished
    assert list(session.stream()) == []
    resumed = Session.load(tmp_path / "session.pt")
    kinds = [(event.kind, getattr(event, "step", None)) for event in told(resumed.stream(1))]
    assert kinds == [("started", None), ("measured", 30)]
    assert numbers(finish(resumed)) == want
    again = Session.load(tmp_path / "session.pt")
    assert [event.kind for event in told(again.stream(1))] == ["started", "measured"]
    again.save(tmp_path / "again.pt")
    assert numbers(finish(Session.load(tmp_path / "again.pt"))) == want


def test_the_last_measurement_brings_the_report() -> None:
    session = Session(config("gd"))
    kinds = [event.kind for event in told(session.stream(5))]
    assert kinds == ["started", *["measured"] * 5, "finished"]


def test_held_time_does_not_count() -> None:
    session = Session(config("gd"))
    events = list(session.stream(2))
    seconds = events[-1].seconds
    time.sleep(0.5)
    (later,) = session.stream(1)
    assert later.seconds < seconds + 0.4


@pytest.mark.parametrize("where", ["regime.composer.session.produce", "regime.toy.snapshots.interpolation_weights"])
def test_a_run_says_that_it_goes_on_and_stops_where_one_operation_is_long(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """At 512 digits there was no event for 12 s before the first, and then for 5 s in each factor of a kernel."""
    module, _, name = where.rpartition(".")
    quick = getattr(import_module(module), name)

    def slow(*given: object) -> object:
        time.sleep(1.5)
        return quick(*given)

    monkeypatch.setattr(where, slow)
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", 0.2)
    assert next(iter(Session(config("gd")).stream())).kind == "started", "nothing else is heard first, for a while"
    monkeypatch.setattr("regime.composer.session.PATIENCE", 0.0)
    monkeypatch.setattr("regime.composer.session.LARGE", 0)
    session, began, gaps, kinds = Session(config("gd")), time.perf_counter(), [], []
    for event in session.stream():
        gaps.append(time.perf_counter() - began)
        kinds.append(event.kind)
        began = time.perf_counter()
    assert max(gaps) < 0.7
    assert [kind for kind in kinds if kind != "progress"] == ["started", *["measured"] * 5, "finished"]
    other = Session(config("gd"))
    list(zip(other.stream(), kinds[: kinds.index("progress") + 1], strict=False))
    began = time.perf_counter()
    other.close()
    assert time.perf_counter() - began < 0.9


def test_a_run_is_saved_where_it_stands_though_it_was_left_within_an_operation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    want, step = numbers(regime.run(config("sgd"))), Training.step

    def slow(self: Training, batch: object) -> object:
        time.sleep(0.4)
        return step(self, batch)

    monkeypatch.setattr(Training, "step", slow)
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", 0.1)
    monkeypatch.setattr("regime.composer.session.LARGE", 0)
    session = Session(config("sgd"))
    next(event for event in session.stream() if event.kind == "progress" and event.step > 10)
    session.save(tmp_path / "held.pt")
    monkeypatch.setattr(Training, "step", step)
    assert numbers(finish(Session.load(tmp_path / "held.pt"))) == want


def test_the_last_measurement_takes_time_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernel regression may take as long as all steps: 0 s were left for a minute."""
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", -1.0)
    loop = Loop(Clock(60.0), steps=4, expected=100.0)
    assert loop.event(Pause(2, 0.5), None).seconds_left == pytest.approx(60, abs=1)
    assert loop.event(Pause(4, 1.0), None).seconds_left == pytest.approx(40, abs=1)
    assert Loop(Clock(60.0), steps=4, expected=50.0).event(Pause(4, 1.0), None).seconds_left == 0


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


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        (ToyConfig(weight_decay=1000.0, learning_rate=1e3), "weight_decay = 1000.0 is not allowed"),
        (ProbeConfig(model="nowhere"), "there is none of that name"),
    ],
)
def test_a_run_that_failed_to_start_fails_again(failing: regime.ToyConfig | ProbeConfig, message: str) -> None:
    session = Session(failing)
    for _ in range(3):
        with pytest.raises(regime.ConfigError, match=message):
            list(session.stream())
        with pytest.raises(regime.ConfigError, match=message):
            list(session.stream(1))
    assert not session.finished
    with pytest.raises(ValueError, match="nothing is measured yet"):
        session.kernels()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_broke_off_says_so_and_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(config("gd"))
    list(session.stream(2))
    session.save(tmp_path / "session.pt")
    with monkeypatch.context() as patch:
        patch.setattr("regime.toy.training.Training.step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(session.stream())
    for _ in range(2):
        with pytest.raises(ValueError, match="interrupted within a step; begin another"):
            list(session.stream())
    assert numbers(finish(Session.load(tmp_path / "session.pt"))) == numbers(regime.run(config("gd")))


@pytest.mark.parametrize("case", ["momentum", "adam"])
def test_a_run_that_broke_off_within_a_step_is_not_saved(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(config(case))
    list(session.stream(2))
    with monkeypatch.context() as patch:
        patch.setattr("regime.toy.training.Training._descend", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(session.stream())
    with pytest.raises(ValueError, match="interrupted within a step; begin another"):
        session.save(tmp_path / "half a step.pt")
    assert not [*tmp_path.iterdir()]
    assert session.report().interrupted == "at step 10 of 35"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = Session(config("adam"))
    list(session.stream(2))
    path = tmp_path_factory.mktemp("held") / "new" / "folder" / "session.pt"
    session.save(path)
    assert [file.name for file in path.parent.iterdir()] == ["session.pt"]
    return path


def put(*where: object, value: object = None) -> Callable[[dict], object]:
    """A change that puts a value at a place in the state, or with no value takes it away."""

    def change(state: dict) -> dict:
        part = state
        for name in where[:-1]:
            part = part[name]
        if value is None:
            del part[where[-1]]
        else:
            part[where[-1]] = value(part[where[-1]]) if callable(value) else value
        return state

    return change


SPOILED = {
    "a list": lambda state: [state],
    "no dict": lambda _: torch.zeros(3),
    "nothing in it": lambda _: {},
    **{f"no {name}": put(name) for name in ("version", "config", "batches", "seconds")},
    "a version that is no text": put("version", value=3),
    "another version": put("version", value="0.0.9"),
    "more": lambda state: state | {"more": 1},
    "a config that is none": put("config", value="toy"),
    "a config of a probe": put("config", value=ProbeConfig().to_dict()),
    "a config out of range": put("config", "width", value=-1),
    "a config of other sizes": put("config", "width", value=21),
    "a config of fewer steps": put("config", value=lambda fields: fields | {"steps": 5}),
    "seconds in words": put("seconds", value="long"),
    "seconds below zero": put("seconds", value=-1.0),
    "seconds that are no number": put("seconds", value=float("nan")),
    "no batch": put("batches", value=lambda _: []),
    **{f"no {name}": put("batches", 0, name) for name in ("producer", "recorder")},
    "no history": put("batches", 0, "recorder", "history"),
    "an empty history": put("batches", 0, "recorder", "history", value=lambda _: []),
    "a history of other things": put("batches", 0, "recorder", "history", 0, value={"step": 0}),
    "a past of numbers": put("batches", 0, "recorder", "past", "kernel", value=3.0),
    "no step": put("batches", 0, "producer", "step"),
    "a step beyond the last": put("batches", 0, "producer", "step", value=36),
    "a step that is true": put("batches", 0, "producer", "step", value=True),
    "an order of floats": put("batches", 0, "producer", "order", value=lambda order: order.float()),
    "a tensor less": put("batches", 0, "producer", "tensors", value=lambda tensors: tensors[:-1]),
    "a tensor that would be spread": put("batches", 0, "producer", "tensors", 0, value=lambda tensor: tensor[:1]),
    "a tensor of another kind": put("batches", 0, "producer", "tensors", 0, value=lambda tensor: tensor.double()),
    "tensors of one": put("batches", 0, "producer", "tensors", value=lambda tensors: tensors[0]),
    # what follows fits, or fails later, within a step
    "other weights": put("batches", 0, "producer", "tensors", 1, value=lambda tensor: tensor + 1),
    "fewer points to compare": put("config", "probe_samples"),
    "a past without its time": put("batches", 0, "recorder", "past", "time"),
    "a past of other points": put("batches", 0, "recorder", "past", "kernel", value=lambda kernel: kernel[:0]),
    "a past of more dimensions": put("batches", 0, "recorder", "past", "missed", value=lambda missed: missed[None]),
    "a history with a better loss": put("batches", 0, "recorder", "history", 0, "measures", "train_loss", value=1e-9),
    "other seconds": put("seconds", value=7.0),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_session_that_was_spoiled_is_refused_in_words(held: Path, tmp_path: Path, spoil: Callable[[dict], object]) -> None:
    torch.save(spoil(torch.load(held, weights_only=True)), tmp_path / "bad.pt")
    with pytest.raises(ValueError, match=r"not a saved session|saved by version|not those of a run of this configuration"):
        list(Session.load(tmp_path / "bad.pt").stream())


class Harm:
    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('code from a file was run')",)


@pytest.mark.parametrize("size", [0, 10, 500, 0.5, 0.9, 0.99])
def test_a_session_cut_off_or_with_code_in_it_is_refused(held: Path, tmp_path: Path, size: float) -> None:
    content = held.read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: int(size * len(content)) if size < 1 else size])
    torch.save(torch.load(held, weights_only=True) | {"seconds": Harm()}, tmp_path / "code.pt")
    for name in ("cut.pt", "code.pt"):
        with pytest.raises(ValueError, match="is not a saved session"):
            Session.load(tmp_path / name)


def saved(state: dict) -> bytes:
    content = BytesIO()
    torch.save(state, content)
    return content.getvalue()


def test_a_session_with_one_bit_flipped_is_refused_or_the_same(held: Path, tmp_path: Path) -> None:
    """In its headers a bit may mean nothing; what is held has a checksum."""
    content, refused = held.read_bytes(), 0
    chance = random.Random(0)
    flips = [(chance.randrange(len(content)), chance.randrange(8)) for _ in range(200)]
    weights = torch.load(held, weights_only=True)["batches"][0]["producer"]["tensors"][0].numpy().tobytes()
    flips += [(content.index(weights) + place, 0) for place in range(0, len(weights), 97)]
    for place, bit in flips:
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        (tmp_path / "flipped.pt").write_bytes(flipped)
        try:
            taken = read(tmp_path / "flipped.pt")
        except ValueError as error:
            said = str(error)
            assert "is not a saved session, or a damaged one: " in said
            refused += 1
        else:
            assert saved(taken) == saved(read(held))
    assert refused > 0.8 * len(flips)


STRADDLING = {"width": 64, "samples": 32, "test_samples": 8, "probe_samples": 24, "alpha": 0.4, "steps": 100, "seeds": 2}


@pytest.fixture
def advice() -> None:
    """Advice is tried."""


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
    last = report.history[-1]
    advised = measured[-1].verdict.model_copy(update={"advice": last.verdict.advice})  # tried after the last measurement
    assert measured[-1].model_copy(update={"verdict": advised}) == last
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
    kinds = [(event.kind, getattr(event, "step", None)) for event in told(resumed.stream(1))]
    assert kinds[:2] == [("started", None), ("measured", 100)]
    if not resumed.finished:
        resumed.save(tmp_path / "second.pt")
        again = Session.load(tmp_path / "second.pt")
        assert numbers(finish(again)) == want
        assert again.kernels()["now/readout"].shape[0] == len(want["verdict"]["seeds"])
        assert numbers(finish(resumed)) == want


def test_a_batch_of_seeds_can_be_held_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = numbers(regime.run(straddling(4)))
    monkeypatch.setattr("regime.composer.pace.HEARTBEAT", 0.0)
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


def test_a_closed_run_still_says_what_it_measured_and_cannot_be_saved(tmp_path: Path) -> None:
    session = Session(config("gd"))
    list(session.stream(measurements=2))
    before = session.report()
    session.close()
    assert numbers(session.report()) == numbers(before)
    with pytest.raises(ValueError, match="this run was closed"):
        session.save(tmp_path / "closed")

"""Runs held between clicks: the newest press wins, nothing is lost, and visitors never meet."""

import time
from threading import Thread, Timer

import gradio as gr
import pytest
from gradio.state_holder import SessionState
from huggingface_hub import constants

import regime
from regime.composer import session as composed
from regime.ui.run import visit
from regime.ui.run.visit import SHELF, Plan, Visit
from regime.ui.screens.train import train_tab
from tests.models import tiny
from tests.models.hub import Repository, serve

CONFIG = regime.ToyConfig(width=8, samples=16, test_samples=16, probe_samples=16, steps=60, measure_every=10, seeds=2)


def play(visitor, config=CONFIG, *, fresh=False, ahead=None):
    return list(visitor.play(config, visitor.press(), fresh=fresh, ahead=ahead))


def numbers(board):
    return [event["measures"] for event in board.history]


@pytest.fixture
def want():
    visitor = Visit("toy")
    play(visitor)
    return numbers(visitor.board)


def test_steps_and_the_rest_are_the_run_never_held(want):
    visitor = Visit("toy")
    play(visitor, fresh=True, ahead=0)
    assert (visitor.board.status, visitor.board.step) == ("paused", 0)
    assert visitor.holds(CONFIG)
    play(visitor, ahead=1)
    assert (visitor.board.status, visitor.board.step) == ("paused", 10)
    play(visitor)
    assert visitor.board.status == "finished"
    assert numbers(visitor.board) == want
    assert SHELF.take(visitor.key) is None


def test_a_step_of_a_run_that_has_not_begun_takes_one(want):
    visitor = Visit("toy")
    play(visitor, ahead=1)
    assert visitor.board.step == 10
    assert numbers(visitor.board) == want[:2]


def test_a_run_let_go_for_room_is_made_again(monkeypatch, want):
    visitor = Visit("toy")
    play(visitor, fresh=True, ahead=2)
    monkeypatch.setenv("REGIME_HELD_BYTES", "0")
    other = Visit("toy")
    play(other, ahead=1)
    assert SHELF.take(visitor.key) is None
    play(visitor, ahead=1)
    assert visitor.board.step == 30
    play(visitor)
    assert numbers(visitor.board) == want


def test_the_run_held_longest_goes_first(monkeypatch):
    monkeypatch.setenv("REGIME_HELD_BYTES", "10")
    shelf, sessions = visit.Shelf(), {key: regime.Session(CONFIG) for key in "abc"}
    for key, session in sessions.items():
        shelf.put(key, session, 4)
    assert shelf.take("a") is None
    with pytest.raises(ValueError, match="closed"):
        list(sessions["a"].stream())
    shelf.drop("b")
    assert (shelf.take("b"), shelf.take("c")) == (None, sessions["c"])


def test_a_newer_press_holds_the_run_of_an_older_one(want):
    visitor = Visit("toy")
    stream = visitor.play(CONFIG, visitor.press(), fresh=True, ahead=None)
    while next(stream)["kind"] != "measured":
        pass
    turn = visitor.press()
    assert [event["kind"] for event in stream] == []
    assert visitor.settled()
    assert not visitor.settled(), "once for a press"
    assert visitor.board.status == "paused"
    list(visitor.play(CONFIG, turn, fresh=False, ahead=None))
    assert numbers(visitor.board) == want


def test_a_run_ends_on_the_page_after_a_newer_press_only_as_that_press_does():
    """What follows the older run's end may come between the newer press and its run, and must not answer for that one."""
    visitor = Visit("toy")
    play(visitor)
    newer = CONFIG.model_copy(update={"seed": 4})
    turn = visitor.press(Plan(newer, fresh=True))
    assert not visitor.settled()
    assert visitor.planned() == (newer, turn, True, None)
    assert not visitor.settled(), "planned, and not begun"
    list(visitor.play(newer, turn, fresh=True))
    assert visitor.settled()
    assert not visitor.settled(), "once for a press"


def test_a_press_that_is_already_old_does_nothing():
    visitor = Visit("toy")
    shown = visitor.board
    old = visitor.press()
    visitor.press()
    assert list(visitor.play(CONFIG, old, fresh=True, ahead=None)) == []
    assert visitor.board is shown


def test_closing_the_page_holds_the_run():
    visitor = Visit("toy")
    stream = visitor.play(CONFIG, visitor.press(), fresh=True, ahead=None)
    next(stream)
    stream.close()
    assert visitor.board.status == "paused"
    assert SHELF.take(visitor.key) is not None


def test_a_bad_run_leaves_what_is_shown(monkeypatch):
    monkeypatch.setenv("REGIME_MAX_SECONDS", "0")
    visitor = Visit("toy")
    shown = visitor.board
    with pytest.raises(gr.Error, match="learning_rate = None is not allowed"):
        play(visitor, CONFIG.model_copy(update={"weight_std": 1e-200, "bias": False}))
    assert visitor.board is shown
    with pytest.raises(gr.Error, match="limit of 0 s"):
        play(visitor)
    assert visitor.board.status == "stopped"
    assert SHELF.take(visitor.key) is None


def test_what_to_compare_with_is_run_and_pinned_first():
    visitor = Visit("toy")
    against = CONFIG.model_copy(update={"alpha": 4.0})
    old = visitor.press()
    turn = visitor.press(Plan(CONFIG, against=against))
    assert list(visitor.play(CONFIG, old, fresh=True, ahead=None)) == []
    events = [
        event for event in visitor.play(CONFIG, turn, fresh=True, ahead=None) if event["kind"] not in ("measured", "progress")
    ]
    assert [event["kind"] for event in events] == ["started", "finished", "pinned", "started", "finished"]
    assert [event["config"]["alpha"] for event in events if event["kind"] == "started"] == [4.0, 1.0]
    assert visitor.board.config["alpha"] == 1.0
    assert "pinned" not in [event["kind"] for event in play(visitor, fresh=True)]


def test_two_visitors_at_once_have_their_own_runs(want):
    visitors = [Visit("toy") for _ in range(3)]
    configs = [CONFIG, CONFIG.model_copy(update={"alpha": 0.2}), CONFIG]
    threads = [Thread(target=play, args=pair) for pair in zip(visitors, configs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(visitors[0].board) == numbers(visitors[2].board) == want
    assert visitors[1].board.config["alpha"] == 0.2
    assert numbers(visitors[1].board) != want


def test_a_comparison_that_a_newer_press_ends_is_not_pinned():
    visitor = Visit("toy")
    stream = visitor.play(
        CONFIG, visitor.press(Plan(CONFIG, against=CONFIG.model_copy(update={"alpha": 4.0}))), fresh=True, ahead=None
    )
    next(stream)
    visitor.press()
    assert "pinned" not in [event["kind"] for event in stream]
    assert "pinned" not in [event["kind"] for event in play(visitor, fresh=True)]


def test_a_run_that_the_page_was_told_has_ended_rests_as_soon_as_it_has():
    visitor = Visit("toy")
    stream = visitor.play(CONFIG, visitor.press(), fresh=True, ahead=None)
    next(stream)
    with visitor.resting() as (rests, _):
        assert not rests
    assert "finished" in (event["kind"] for event in stream)
    ending = Timer(0.2, stream.close)  # the server takes up what it was told last
    ending.start()
    with visitor.resting() as (rests, session):
        assert rests
        assert session.finished
    ending.join()


def test_a_run_held_while_its_model_comes_leaves_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tiny.write(tmp_path / "bert", "bert", language_model=False)
    config = regime.ProbeConfig(model="org/m", samples=8, probe_samples=8, steps=0, seeds=1)
    visitor = Visit("probe")
    shown = visitor.board
    with serve({"org/m": Repository(folder, slow={"model.safetensors": 1.5})}) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        stream = visitor.play(config, visitor.press(), fresh=True, ahead=None)
        events = [next(stream), next(stream)]
        visitor.press()
        assert [event["kind"] for event in [*events, *stream]] == ["fetching"] * 2
        assert visitor.settled()
        assert visitor.board is shown
        assert SHELF.take(visitor.key) is None
        assert events[-1]["model"] == "org/m"
        play(visitor, config, fresh=True)
    assert visitor.board.status == "finished"
    assert visitor.board.config["model"] == "org/m"


def test_what_a_visitor_asks_at_once_is_asked_in_one_visit():
    with gr.Blocks(analytics_enabled=False) as page:
        screen = train_tab()
    state = screen.state._id
    mine, another = SessionState(page), SessionState(page)
    first, second = mine[state], mine[state]  # as two presses get it of which neither is answered
    assert isinstance(first, Visit)
    assert first is second
    assert another[state] is not first
    assert another[state].key != first.key


def test_a_run_that_is_long_in_beginning_leaves_what_is_shown(monkeypatch):
    visitor, make = Visit("toy"), composed.produce
    play(visitor)
    shown = visitor.board

    def slow(*given):
        time.sleep(1.0)
        return make(*given)

    monkeypatch.setattr(composed, "produce", slow)
    monkeypatch.setattr(composed, "PATIENCE", 0.0)
    monkeypatch.setattr(composed, "LARGE", 0)
    events = visitor.play(CONFIG.model_copy(update={"seed": 5}), visitor.press(), fresh=True)
    assert next(events)["kind"] == "started"
    assert (shown.status, shown.step) == ("finished", CONFIG.steps)
    assert visitor.board is not shown
    events.close()
    assert visitor.board.status == "paused"

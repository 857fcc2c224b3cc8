"""What is kept of every caller: their states, apart from each other's, and no copy of the page."""

import asyncio
import tracemalloc
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.routes import App

from regime.ui.build import UNREAD, build
from regime.ui.sessions import CAPACITY, Sessions


@pytest.fixture(scope="module")
def sessions():
    app = build()
    app.app = App.create_app(app)
    return Sessions(app)


def test_they_take_the_place_of_those_that_gradio_keeps(sessions):
    app = sessions.blocks
    assert app.app.state_holder is app.state_holder is sessions
    assert sessions.capacity == CAPACITY


def test_a_thousand_callers_take_less_than_twenty_megabytes(sessions):
    tracemalloc.start()
    try:
        for number in range(1000):
            sessions[f"caller {number}"]
        assert tracemalloc.get_traced_memory()[0] < 20e6
    finally:
        tracemalloc.stop()


def test_states_are_kept_apart(sessions):
    app = sessions.blocks
    state = next(block._id for block in app.blocks.values() if isinstance(block, gr.State))
    sessions["one"][state] = "mine"
    assert sessions["one"][state] == "mine"
    assert sessions["two"][state] != "mine"


def test_what_a_caller_changes_of_a_component_stays_with_them(sessions):
    app = sessions.blocks
    view = next(block for block in app.blocks.values() if isinstance(block, gr.HTML))
    sessions["one"][view._id] = gr.HTML("mine", render=False)
    assert sessions["one"][view._id].value == "mine"
    assert sessions["two"][view._id] is view


def test_the_longest_unused_goes_first(sessions, monkeypatch):
    sessions.session_data.clear()
    monkeypatch.setattr(sessions, "capacity", 3)
    for name in "abcadd":
        sessions[name]
    assert "a" in sessions
    assert "b" not in sessions


def test_what_goes_on_is_kept_however_many_others_call() -> None:
    """Gradio let go of the oldest of 2,000 callers, whose streams then ended with an error, and their runs with them."""
    queue = build()._queue
    queue.event_ids_to_events["run"] = SimpleNamespace(session_hash="running")
    for name in ("running", *map(str, range(3 * UNREAD))):
        queue.pending_messages_per_session[name] = asyncio.Queue()
    assert "running" in queue.pending_messages_per_session
    assert len(queue.pending_messages_per_session) == UNREAD
    assert str(3 * UNREAD - 1) in queue.pending_messages_per_session

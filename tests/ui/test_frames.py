"""The frames that the page gets of a run: nothing lost, nothing twice, and none larger than another."""

import json
from base64 import b64decode
from copy import deepcopy

import numpy as np
import pytest

import regime
from regime.record.packing import unpack
from regime.ui.run.examples import example
from regime.ui.run.frames import whole
from regime.ui.run.visit import Visit

CONFIG = regime.ToyConfig(width=8, samples=16, test_samples=16, probe_samples=16, steps=60, measure_every=5, seeds=2)
TARGET = 13_000
"""Bytes of a frame (P11 of the design)."""


def frames(config=CONFIG, every=1):
    """The frames of a run, one after so many events, and its events."""
    visit, sent, events = Visit(config.kind), [], []
    for event in visit.play(config, visit.press(), fresh=True, ahead=None):
        events.append(event)
        if len(events) % every == 0 or event["kind"] == "finished":
            sent.append(json.loads(visit.feed.frame(visit.board)))
    return sent, events


@pytest.mark.parametrize("every", [1, 3])
def test_every_measurement_is_sent_once_in_order_with_its_pictures(every):
    sent, events = frames(every=every)
    assert [frame["serial"] for frame in sent] == list(range(1, len(sent) + 1))
    assert {frame["run"] for frame in sent} == {1}
    shown = [event for frame in sent for event in frame["events"] if event["kind"] == "measured"]
    measured = [event for event in events if event["kind"] == "measured"]
    assert [event["at"] for event in shown] == [*range(len(measured)), len(measured) - 1], "the last one again, with its advice"
    assert [event["step"] for event in shown[:-1]] == [event["step"] for event in measured]
    for event, want in zip(shown, measured, strict=False):
        for name, value in event["measures"].items():
            assert value == pytest.approx(want["measures"][name], rel=1e-4)
        picture = event["view"]["network"]
        values = np.frombuffer(b64decode(picture["bytes"]), np.int8) * picture["scale"] / 127
        assert values == pytest.approx(unpack(want["view"]["network"]), abs=picture["scale"] / 127)


def _kinds(frame):
    return [event["kind"] for event in frame["events"]]


def test_frames_of_the_default_run_are_small_and_do_not_grow():
    sent, _ = frames(regime.ToyConfig(steps=100))
    sizes = [len(json.dumps(frame, separators=(",", ":"))) for frame in sent if _kinds(frame) == ["measured"]]
    assert max(sizes[2:]) < TARGET
    assert max(sizes[2:-1]) < 1.1 * min(sizes[2:-1])


def test_a_frame_of_a_probe_has_all_layers_by_measure_and_their_names_once(tiny_bert):
    sent, events = frames(regime.ProbeConfig(model=tiny_bert, samples=8, probe_samples=8, steps=2, measure_every=1))
    drawn = [event["modules"] for frame in sent for event in frame["events"] if event["kind"] == "measured"]
    history = events[-1]["report"]["history"]
    assert ["layers" in modules for modules in drawn[:3]] == [True, False, False]
    assert drawn[0]["layers"] == [row["layer"] for row in history[-1]["layers"]]
    for modules, event in zip(drawn, history, strict=False):
        for name, values in modules["values"].items():
            wanted = [row["measures"].get(name) for row in event["layers"]]
            assert values == [want if want is None else pytest.approx(want, rel=5e-3) for want in wanted]
            reasons = {at: row["undefined"][name] for at, row in enumerate(event["layers"]) if name in row["undefined"]}
            assert {at: told[name] for at, told in modules["undefined"].items() if name in told} == {
                str(at): reason for at, reason in reasons.items()
            }


def test_layers_of_other_names_are_sent_with_them():
    board = deepcopy(example("probe"))
    board.history[-1]["layers"][3]["layer"] = "other"
    *before, last = (event["modules"].get("layers") for event in whole(board)["events"] if event["kind"] == "measured")
    assert (before[0][3], before[1:], last[3]) == (
        example("probe").last["layers"][3]["layer"],
        [None] * len(before[1:]),
        "other",
    )


def test_added_seeds_are_sent_for_every_measurement():
    sent, events = frames(CONFIG.model_copy(update={"max_seeds": 8, "steps": 20}))
    last = {event["at"]: event for frame in sent for event in frame["events"] if event["kind"] == "measured"}
    history = events[-1]["report"]["history"]
    assert sent[-1]["events"][-1]["length"] == len(history) < len(last), "each addition measured the end anew"
    shown = [last[at]["measures"]["train_loss"] for at in range(len(history))]
    assert shown == pytest.approx([event["measures"]["train_loss"] for event in history], rel=1e-4)


def test_a_page_that_missed_a_frame_gets_the_whole_run_and_goes_on():
    visit = Visit("toy")
    for event in visit.play(CONFIG, visit.press(), fresh=True, ahead=3):
        visit.feed.frame(visit.board)
        assert event
    known = json.loads(visit.feed.whole(visit.board))
    assert known["whole"]
    assert [event["at"] for event in known["events"] if event["kind"] == "measured"] == list(range(len(visit.board.history)))
    assert json.loads(visit.feed.frame(visit.board))["serial"] == known["serial"] + 1


def test_a_whole_run_says_what_waits_before_the_next():
    visit = Visit("toy")
    waits = lambda: json.loads(visit.feed.whole(visit.board))["before"]  # noqa: E731
    said = [waits()]
    for more in ({"before": {}}, {"before": {"kind": "queued", "place": 2}}, {}):
        visit.feed.frame(visit.board, **more)
        said.append(waits())
    assert said == [None, {}, {"kind": "queued", "place": 2}, None]

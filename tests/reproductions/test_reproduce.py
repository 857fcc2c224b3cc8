"""Reproductions as streams of events: what they send, and that stopping them leaves nothing running."""

import threading

import jsonschema
import pytest

from regime.errors import ConfigError
from regime.reproductions.reproduce import missing, reproduce, stream
from regime.schema import schemas
from regime.sweep import local
from tests.reproductions.parts import claim, only


def test_events_come_in_order_obey_their_schema_and_end_in_the_card() -> None:
    known = schemas()
    with only(claim("T1", 1.0, 1.4)):
        events = [event.to_dict() for event in stream("T1")]
    assert [event["kind"] for event in events] == ["started", "working", "found", "found", "drawn", "finished"]
    for event in events:
        jsonschema.validate(event, known["reproduction-event"])
    card = events[-1]["report"]
    jsonschema.validate(card, known["card"])
    assert (card["id"], card["form"], card["outcome"]) == ("T1", "quick", "undecided")
    assert card["findings"] == [event["finding"] for event in events if event["kind"] == "found"]
    assert card["figures"] == [event["figure"] for event in events if event["kind"] == "drawn"]
    assert card["versions"]["torch"]
    assert card["machine"]


def test_the_form_is_passed_on() -> None:
    with only(claim("T1", 1.0)):
        quick, full = reproduce("T1"), reproduce("T1", full=True)
    assert (quick.form, quick.figures[0].series[0].y) == ("quick", [0.0, None])
    assert (full.form, full.figures[0].series[0].y) == ("full", [1.0, None])


@pytest.mark.parametrize("id", ["S99", "", 5, None, ["S1"]])
def test_a_claim_that_there_is_not_is_refused(id: object) -> None:
    with pytest.raises(ConfigError, match="is not allowed; allowed: one of S1, "):
        next(stream(id))


def test_a_claim_that_lacks_a_package_says_which() -> None:
    lacking = claim("T1", 1.0, needs=("torch", "no_such_package"))
    assert not missing(claim("T2", needs=("torch",)))
    with only(lacking), pytest.raises(ConfigError, match="claim T1 needs the package no_such_package: pip install"):
        next(stream("T1"))


def test_a_stream_that_is_closed_half_way_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    started, real = [], local.subprocess.Popen
    monkeypatch.setattr(local.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    monkeypatch.setattr(local, "workers", lambda _: 2)
    monkeypatch.setattr(local, "STARTING", 0.0)
    threads = threading.active_count()
    events = stream("S18")
    while not started:
        assert next(events).kind in ("started", "working")
    events.close()
    assert all(process.poll() is not None for process in started)
    assert threading.active_count() <= threads

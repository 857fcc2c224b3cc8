"""The wall of cards on the server: what the page is sent of it, the files of its cards, and a reproduction for one visitor."""

import csv
import io
import json
import re
from dataclasses import replace
from functools import partial
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from regime.config import config_from_dict
from regime.plots.claim import claim_figure
from regime.plots.looks import MARKERS, looks
from regime.plots.words import axis_name, printed
from regime.reproductions.claim import Step, finding
from regime.reproductions.registry import CLAIMS
from regime.reproductions.shipped import cards
from regime.ui.run import runs, wall
from regime.ui.run.link import linked
from regime.ui.run.runs import Presses, claim_events
from regime.ui.screens.reproductions import frames, taken
from tests.ui.wall_sample import LAW, PATHS, SHARES, estimate, sample

FULL, QUICK, SHOWN = cards("full"), cards("quick"), wall.shipped()
SAMPLE = [card.id for card in sample()]


@pytest.fixture
def tiny(monkeypatch):
    """A claim that is measured at once, under an id that a card is shipped of."""

    def measure(_full):
        yield Step(0.0, "counting")
        yield finding("a number", "1", estimate(1.0), 0.9, 1.1)
        yield LAW
        yield Step(1.0)

    id = next(iter(CLAIMS))
    monkeypatch.setitem(CLAIMS, id, replace(CLAIMS[id], measure=measure))
    return id


@pytest.fixture
def made_up(monkeypatch):
    """The sample's cards as the shipped ones."""
    known = {card.id: card for card in sample()}
    monkeypatch.setattr(wall, "cards", lambda _form: known)
    wall.shipped_file.cache_clear()
    yield known
    wall.shipped_file.cache_clear()


def test_shipped_cards_are_of_claims_and_of_their_form():
    assert SHOWN
    for form, known in (("full", FULL), ("quick", QUICK)):
        assert known.keys() <= CLAIMS.keys()
        assert {card.form for card in known.values()} == {form}
        assert [card.id for card in known.values()] == list(known)


def test_the_wall_is_sent_beside_the_page_and_has_every_card(server):
    page = httpx.get(server.url).text
    assert wall.folder() in page
    assert len(page) < 300_000
    shown = httpx.get(f"{server.url}{wall.folder()}.json").json()
    assert [card["id"] for card in shown] == list(SHOWN)
    for card in shown:
        assert card["claim"] not in page
        figures = [text for figure in card["figures"] for text in (figure["title"], figure["x"], figure["y"])]
        for text in (card["published"], *figures, *(found["what"] for found in card["findings"])):
            assert not re.search(r"[a-z]_[a-z0-9]|\b(relu|ntk|mup|Theta)\b|\|\|", text), text
        assert card["outcome"] == SHOWN[card["id"]].outcome
        assert card["quick"] is None or card["quick"]["outcome"] == QUICK[card["id"]].outcome


def test_a_configuration_is_short_and_its_link_opens_the_same_run(made_up):
    for card in made_up.values():
        for short, found in zip(wall.shown_card(card)["findings"], card.findings, strict=True):
            for one, config in zip(short["configs"], found.configs, strict=True):
                assert linked(parse_qsl(one["link"])) == config_from_dict(config) == config_from_dict(one["fields"])
                assert len(one["fields"]) < 6
    assert wall._short({"kind": "toy", "width": -1}) == {"fields": {"kind": "toy", "width": -1}, "link": None}


def test_files_of_a_card_are_its_own(server):
    read = partial(httpx.get, timeout=60)  # the first figure has matplotlib loaded
    id, card = next(iter(SHOWN.items()))
    address = f"{server.url}{wall.folder()}/{id}"
    assert read(f"{address}.json").json() == card.to_dict()
    rows = list(csv.reader(io.StringIO(read(f"{address}-1.csv").text)))
    assert rows[0] == ["series", card.figures[0].x, card.figures[0].y, "low", "high"]
    assert len(rows) == 1 + sum(len(series.x) for series in card.figures[0].series)
    assert read(f"{address}-1.png").content.startswith(b"\x89PNG")
    svg = read(f"{address}-1.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(svg.text).tag.endswith("svg")
    for name in (f"{id}.csv", f"{id}-9.csv", f"{id}-1.json", f"{id}-1.pdf", "S999.json", "..%2Fstyle.css", f"{id}-0.png"):
        assert read(f"{server.url}{wall.folder()}/{name}").status_code == 404


@pytest.mark.parametrize("id", SHOWN)
def test_every_card_has_its_files(id):
    with TestClient(Starlette(routes=wall.routes())) as here:
        assert here.get(f"{wall.folder()}/{id}.json").json() == SHOWN[id].to_dict()
        for number, figure in enumerate(SHOWN[id].figures, start=1):
            assert here.get(f"{wall.folder()}/{id}-{number}.csv").text == wall.figure_csv(figure.to_dict())


def test_files_of_a_card_measured_here_are_its_own_while_it_is_among_the_newest(tiny, monkeypatch):
    *_, last = frames(tiny, Presses(), "me")
    *_, other = frames(tiny, Presses(), "another")
    assert last["folder"] != other["folder"]
    with TestClient(Starlette(routes=wall.routes())) as here:
        assert here.get(f"{last['folder']}/{tiny}.json").json() == last["card"]
        assert here.get(f"{last['folder']}/{tiny}-1.png").content.startswith(b"\x89PNG")
        assert here.get(f"{last['folder']}/{tiny}-2.csv").status_code == 404
        assert here.get(f"{wall.folder()}/guessed/{tiny}.json").status_code == 404
        monkeypatch.setattr(wall, "HERE", 2)
        list(frames(tiny, Presses(), "a third"))
        found = [here.get(f"{frame['folder']}/{tiny}-1.csv").status_code for frame in (last, other)]
    assert found == [404, 200]


@pytest.mark.parametrize("id", SAMPLE)
def test_what_is_not_there_is_empty_in_a_csv(made_up, id):
    for k, figure in enumerate(made_up[id].figures, 1):
        _, *rows = csv.reader(io.StringIO(wall.shipped_file(id, k, "csv").decode()))
        numbers = [[float(part) if part else None for part in row[1:]] for row in rows]
        series = [row for each in figure.series for row in zip(each.x, each.y, strict=True)]
        assert [tuple(row[:2]) for row in numbers] == series


@pytest.mark.parametrize("figure", [LAW, PATHS, SHARES])
def test_a_figure_is_drawn_as_it_is_said(figure):
    axes = claim_figure(figure.to_dict()).axes[0]
    said = (figure.title, axis_name(figure.x), axis_name(figure.y))
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == said
    assert (axes.get_xscale(), axes.get_yscale()) == tuple("log" if log else "linear" for log in (figure.log_x, figure.log_y))
    assert [line.get_label() for line in axes.lines] == [printed(series.name) for series in figure.series]
    assert len(axes.collections) == sum(series.low is not None for series in figure.series)


def test_one_thing_has_one_color_and_others_have_their_own_marker():
    law, paths, shares = ([series.to_dict() for series in figure.series] for figure in (LAW, PATHS, SHARES))
    tanh, guide, relu, _ = looks(law)
    assert tanh["color"] == guide["color"] != relu["color"]
    assert [look["color"] for look in looks(paths)] == ["net", "twin", "ink-2"]
    seen = looks(shares)
    assert len({look["color"] for look in seen}) == len(seen)
    assert [look["marker"] for look in seen[:4]] == list(MARKERS)
    assert looks([{"name": "theory", "style": "guide"}]) == [{"color": "ink-2", "marker": MARKERS[0]}]


def test_a_claim_that_needs_what_is_not_there_says_so(monkeypatch):
    id = next(iter(CLAIMS))
    assert wall.absent(id) == ""
    monkeypatch.setitem(CLAIMS, id, replace(CLAIMS[id], needs=("torch", "nowhere_to_be_found")))
    assert wall.absent(id) == "To run this claim, the server needs nowhere_to_be_found, which it does not have."
    assert wall.absent("S999") == "This version of the app has no code for this claim."


def test_the_events_of_a_reproduction_fold_into_frames(tiny):
    seen = list(frames(tiny, Presses(), "me"))
    assert [frame["going"] for frame in seen] == [True] * (len(seen) - 1) + [False]
    last = seen[-1]
    assert last["card"]["outcome"] == "pass"
    assert [found["what"] for found in last["findings"]] == ["a number"]
    assert last["figures"][0]["series"][0]["color"] == "net"
    assert seen[1]["doing"] == "counting"
    assert seen[1]["findings"] == []  # a frame that was sent does not change
    assert json.loads(json.dumps(last)) == json.loads(
        json.dumps(last | taken(last, {"kind": "finished", "report": last["card"]}))
    )


def test_a_reproduction_that_is_stopped_sends_one_more_frame(tiny):
    presses = Presses()
    running = frames(tiny, presses, "me")
    next(running)
    presses.newest += 1
    (last,) = running
    assert last["going"] is False
    assert "card" not in last


def test_what_cannot_be_run_is_said(tiny, monkeypatch):
    (frame,) = frames("S999", Presses(), None)
    assert frame["error"].startswith("claim = 'S999' is not allowed; allowed: one of S1")
    with pytest.raises(gr.Error, match="claim = 3 is not allowed"):
        next(claim_events(3, False, None))
    monkeypatch.setattr(runs, "cards", lambda _form: {tiny: FULL[tiny].model_copy(update={"seconds": 5000.0})})
    with pytest.raises(gr.Error, match=r"full = True is not allowed for claim .* takes 1 h 23 min where .* may take 15 min"):
        next(claim_events(tiny, True, None))
    monkeypatch.setattr(runs, "cards", lambda _form: {})
    with pytest.raises(gr.Error, match="whose time nobody has measured; allowed: false, the quick form"):
        next(claim_events(tiny, True, None))


def test_a_full_form_that_fits_is_run(tiny, monkeypatch):
    monkeypatch.setattr(runs, "cards", lambda _form: {tiny: FULL[tiny]})
    *_, last = claim_events(tiny, True, None)
    assert (last["kind"], last["report"]["form"]) == ("finished", "full")

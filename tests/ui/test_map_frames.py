"""What the server sends of a map: each cell once, and again only what a page says that it lacks."""

import gzip
import json
import urllib.request
from collections import Counter

import pytest

import regime
from regime.ui.run import mapboard
from regime.ui.run.mapboard import MEASURES, MapBoard, cell_label
from regime.ui.run.mapframes import counts, heatmap, missing_frame, shipped_address
from tests.ui.large_map import DIVERGED, FAILED, SIDE, large_map

SMALL = 12
TINY = regime.ToyConfig(width=8, samples=16, test_samples=16, probe_samples=16, steps=4, measure_every=2, seeds=2)


def sent(board):
    return json.loads(heatmap(board))


@pytest.fixture
def board():
    """The board of a map, no cell of which is there."""
    board = MapBoard(config={})
    board.take(next(large_map(SMALL)))
    return board


@pytest.fixture
def measured():
    return [event for event in large_map(SMALL) if event["kind"] == "measured"]


def test_each_cell_is_sent_once_and_scales_with_the_first(board, measured):
    first = sent(board)
    assert list(first["axes"]) == ["width", "alpha"]
    assert first["measures"] == list(MEASURES["toy"])
    frames = []
    for event in measured:
        board.take(event)
        frames.append(sent(board))
    assert [cell[0] for frame in frames for cell in frame["cells"]] == [event["cell"]["index"] for event in measured]
    assert [frame["from"] for frame in frames] == list(range(len(measured)))
    assert all("axes" not in frame for frame in frames[1:])
    assert sent(board)["cells"] == []
    assert {frame["run"] for frame in frames} == {board.run} != {MapBoard(config={}).run}


def test_contours_are_found_at_most_sixteen_times_and_sent_when_they_were(board, measured, monkeypatch):
    found = []
    monkeypatch.setattr(mapboard, "contours", lambda _, cells: found.append(len(cells)) or [])
    frames = []
    for event in measured:
        board.take(event)
        frames.append(sent(board))
    assert len(found) == 16
    assert [frame["found"] for frame in frames if "lines" in frame] == list(range(1, 17))


def test_a_page_gets_what_it_lacks(board, measured):
    for event in measured:
        board.take(event)
        heatmap(board)

    def answer(**asked):
        return json.loads(missing_frame(board, asked))

    after = answer(run=board.run, have=100)
    assert after["from"] == 100
    assert len(after["cells"]) == len(measured) - 100
    assert "lines" in after
    assert "axes" not in after
    for asked in (
        {"have": -1},
        {"have": 1e9},
        {"have": 10**9},
        {"have": "1"},
        {"have": None},
        {},
        {"have": 5, "run": "another"},
    ):
        whole = answer(**{"run": board.run} | asked)
        assert whole["from"] == 0
        assert len(whole["cells"]) == len(measured)
        assert "axes" in whole
    assert json.loads(missing_frame(board, "nonsense"))["from"] == 0
    assert sent(board)["cells"] == []  # an answer does not count as what all pages were sent


def test_labels_and_reasons_are_those_of_all_cells():
    board = MapBoard(config={})
    for event in large_map(SIDE):
        board.take(event)
    assert board.labels == Counter(map(cell_label, board.cells))
    assert board.labels["diverged"] == board.labels["failed"] == 1
    assert sum(board.reasons.values()) == board.labels["no verdict"]
    assert f"<b>{board.labels['lazy']}</b> lazy" in counts(board)
    short = {index: rest for index, *rest in board.short}
    assert short[DIVERGED][0] == "diverged"
    assert short[FAILED][0] == "failed"
    assert short[FAILED][2] == "out of memory"
    assert set(short[FAILED][1]) == {None}
    sizes = [len(json.dumps(cell)) for cell in board.short]
    assert max(sizes) < 600


def test_a_finished_sweep_adds_the_cells_that_no_event_had():
    events = [
        event.to_dict() for event in regime.stream(regime.SweepConfig(base=TINY, axes={"width": [4, 8], "alpha": [1, 2]}))
    ]
    board, whole = MapBoard(config={}), MapBoard(config={})
    for event in events:
        board.take(event)
    for event in (events[0], events[2], events[-1]):
        whole.take(event)
    assert board.step == whole.step == 4
    assert board.labels == whole.labels
    assert sorted(board.short) == sorted(whole.short)


def test_the_shipped_map_is_a_file_of_its_own(server):
    request = urllib.request.Request(server.url + shipped_address(), headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
        body = answer.read()
    assert len(json.loads(gzip.decompress(body))["cells"]) == 144
    assert len(body) < 30_000
    with urllib.request.urlopen(server.url) as answer:
        page = answer.read().decode()
    assert shipped_address() in page
    assert "the interval has both" in page  # the counts are there
    assert '[0,\\"rich\\"' not in page  # the cells are not

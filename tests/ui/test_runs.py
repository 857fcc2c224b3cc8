"""Runs and exports behind the page, without a server."""

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import gradio as gr
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import regime
from regime.ui.run import export, runs
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.run.export import FILES, KERNELS, answer, snippet
from regime.ui.run.slots import Pool, pool_of
from regime.ui.run.visit import SHELF, Visit

TINY = {"width": 8, "samples": 16, "test_samples": 16, "probe_samples": 16, "steps": 4, "measure_every": 2, "seeds": 2}


@pytest.fixture(scope="module")
def report():
    return regime.run(regime.ToyConfig(**TINY))


def test_the_deadline_ends_a_run(monkeypatch):
    monkeypatch.setenv("REGIME_MAX_SECONDS", "0.2")
    with pytest.raises(gr.Error, match=r"limit of 0\.2 s"):
        list(runs.events(TINY | {"steps": 100_000, "measure_every": 100}, kind="toy"))


@pytest.mark.parametrize("lent", [False, True])
def test_a_run_stands_in_line_between_spells_unless_its_gpu_is_lent(lent, monkeypatch):
    monkeypatch.setenv("REGIME_SPELL_SECONDS", "0")
    monkeypatch.setattr(runs, "is_lent", lambda kind: lent and kind == "toy")
    session, pool = regime.Session(regime.ToyConfig(**TINY)), Pool(slots=1)
    with pool.turn("ann") as first:
        assert list(first) == []
        with pool.turn("bob") as second:
            assert next(second).place == 1
            stream = runs.limited(session.stream(), first, session.config.to_dict())
            kinds = [next(stream)["kind"] for _ in range(2)]
            assert kinds[0] == "started"
            assert ("queued" in kinds) is not lent
            stream.close()


def test_a_failure_shows_no_internals(monkeypatch):
    def broken(session, _=None):
        raise RuntimeError("/secret/path")
        yield session

    monkeypatch.setattr(regime.Session, "stream", broken)
    with pytest.raises(gr.Error) as caught:
        list(runs.events(TINY, kind="toy"))
    assert "secret" not in caught.value.message


def test_closing_the_events_closes_the_run(monkeypatch):
    closed = []

    def endless(session, _=None):
        try:
            for step in range(10**9):
                yield regime.Progress(step=step, steps=session.config.steps, seconds=0.0, seconds_left=None)
        finally:
            closed.append(True)

    monkeypatch.setattr(regime.Session, "stream", endless)
    stream = runs.events(TINY, kind="toy")
    next(stream)
    stream.close()
    assert closed == [True]


def test_the_snippet_reproduces_the_run(report, capsys):
    scope = {}
    exec(snippet(report.to_dict()["config"]), scope)
    assert capsys.readouterr().out.startswith(report.verdict.label)
    assert scope["report"].final["train_loss"] == pytest.approx(report.final["train_loss"], rel=1e-5)


def test_the_snippet_of_own_rows_reads_them_from_a_file(tmp_path, monkeypatch, capsys):
    rows = "\n".join(f"{k},{-k},{k % 2}" for k in range(1, 49))
    (tmp_path / "rows.csv").write_text(rows)
    monkeypatch.chdir(tmp_path)
    code = snippet(TINY | {"kind": "toy", "task": "csv", "csv": rows})
    assert rows not in code
    scope = {}
    exec(code, scope)
    assert capsys.readouterr().out
    assert scope["config"].csv == rows


def test_the_table_has_every_layer_and_every_reason(report):
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["layer"] for row in rows] == ["hidden 1", "hidden 2", "readout", "", "", ""]
    assert rows[2]["representation_change"] == ""
    assert "representation_change: " in rows[2]["undefined"]
    assert float(rows[0]["kernel_change_floor"]) == pytest.approx(report.layers[0]["floors"]["kernel_change"])
    assert rows[2]["representation_change_floor"] == ""
    assert float(rows[0]["kernel_change"]) == pytest.approx(report.layers[0]["kernel_change"])


def test_the_table_has_every_block_with_its_gap_its_interval_and_its_verdict():
    report = regime.Report.from_dict(example("probe").report)
    rows = [row for row in csv.DictReader(io.StringIO(report.to_csv())) if not row["layer"]]
    assert [row["block"] for row in rows] == [block["block"] for block in report.blocks]
    first, known = rows[0], report.blocks[0]
    assert float(first["taylor_gap"]) == pytest.approx(known["taylor_gap"])
    low, high = known["intervals"]["taylor_gap"]
    assert (float(first["taylor_gap_low"]), float(first["taylor_gap_high"])) == pytest.approx((low, high))
    assert (first["regime"], float(first["regime_index"])) == (known["regime"]["label"], known["regime"]["index"])
    assert rows[-2]["taylor_gap"] == rows[-2]["taylor_gap_low"] == rows[-2]["regime"] == ""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def play(kind="toy", *, ahead=None, **fields):
    visit = Visit(kind)
    config = regime.SweepConfig(base=TINY, axes={"width": [4, 8], "alpha": [0.5, 2]}) if kind == "sweep" else None
    list(visit.play(config or regime.ToyConfig(**TINY | fields), visit.press(), fresh=True, ahead=ahead))
    return visit


def asked(visit, name, shown=None):
    """What the page is answered to a press on a file's button."""
    return answer([name, 1, visit.key if shown is None else shown], visit)


def opened(answered):
    """What is in the file that the page was handed."""
    assert "file" in answered, answered
    path = Path(answered["file"]["path"])
    match path.suffix:
        case ".json":
            return json.loads(path.read_text())
        case ".csv":
            return list(csv.DictReader(io.StringIO(path.read_text())))
        case ".png":
            return Image.open(path).size
        case ".svg":
            return ElementTree.parse(path)
    return load_file(path)


def test_each_file_is_made_when_it_is_asked_for_in_a_folder_of_its_own(cache):
    visit = play()
    assert list(cache.iterdir()) == []
    made = [asked(visit, name) for name in FILES["toy"]]
    assert [answered["file"]["orig_name"] for answered in made] == list(FILES["toy"])
    assert all(map(opened, made))
    folders = {Path(answered["file"]["path"]).parent for answered in made}
    assert folders == set(cache.iterdir())
    assert len(folders) == len(made)
    assert opened(asked(visit, "report.json")) == json.loads(json.dumps(visit.board.report))


@pytest.mark.parametrize("kind", FILES)
def test_the_shipped_runs_can_be_taken_too(kind):
    visit = Visit(kind)
    for name in FILES[kind]:
        answered = asked(visit, name, "")
        assert answered == {"said": export.SHIPPED} if name == KERNELS else opened(answered)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_paused_run_is_taken_as_far_as_it_came(ahead):
    visit = play(ahead=ahead)
    report = opened(asked(visit, "report.json"))
    assert report["interrupted"] == f"at step {2 * ahead} of 4"
    assert len(report["history"]) == ahead + 1
    assert all(opened(asked(visit, name)) for name in FILES["toy"])
    list(visit.play(regime.ToyConfig(**TINY), visit.press(), fresh=False, ahead=None))
    assert opened(asked(visit, "report.json"))["interrupted"] is None


def test_a_paused_map_is_taken_as_far_as_it_came():
    visit = play("sweep", ahead=2)
    report = opened(asked(visit, "sweep.json"))
    assert (len(report["cells"]), report["interrupted"]) == (2, "at cell 2 of 4")
    assert len(opened(asked(visit, "cells.csv"))) == 2
    assert all(opened(asked(visit, name)) for name in ("figure.png", "figure.svg"))


def test_a_run_that_waits_leaves_the_files_of_the_one_that_is_shown():
    visit = play()
    with pool_of(regime.ToyConfig(**TINY)).turn() as one, pool_of(regime.ToyConfig(**TINY)).turn() as two:
        assert [*one, *two] == []
        waiting = visit.play(regime.ToyConfig(**TINY, seed=9), visit.press(), fresh=True, ahead=None)
        assert next(waiting)["kind"] == "queued"
        assert opened(asked(visit, "report.json"))["config"]["seed"] == 0
        assert opened(asked(visit, KERNELS))
        waiting.close()


def test_nothing_is_taken_of_checkpoints_before_the_first_is_measured():
    visit = Visit("checkpoints")
    visit.board = Board(config={}, tick={"step": 200, "steps": 2600}, status="paused")
    assert asked(visit, "report.json") == {"said": export.EMPTY}


def test_a_run_that_was_ended_at_the_deadline_is_taken_as_far_as_it_came(monkeypatch):
    monkeypatch.setenv("REGIME_MAX_SECONDS", "0")
    monkeypatch.setattr("regime.composer.pace.Clock.due", lambda _: False)  # no progress: the first measurement is too late
    visit = Visit("toy")
    with pytest.raises(gr.Error, match="limit of 0 s"):
        list(visit.play(regime.ToyConfig(**TINY), visit.press(), fresh=True, ahead=None))
    assert visit.board.status == "stopped"
    assert opened(asked(visit, "report.json"))["interrupted"] == "at step 0 of 4"
    assert opened(asked(visit, KERNELS))


def test_a_run_that_goes_on_is_not_taken_nor_one_that_is_gone():
    visit = Visit("toy")
    events = visit.play(regime.ToyConfig(**TINY), visit.press(), fresh=True, ahead=None)
    next(events)
    assert asked(visit, "report.json") == {"said": export.GOING}
    events.close()
    assert asked(visit, "report.json") == {"said": export.EMPTY}
    visit = play(ahead=1)
    SHELF.take(visit.key)
    assert asked(visit, "report.json") == {"said": export.LET_GO}
    assert asked(Visit("toy"), "report.json", visit.key) == {"said": export.GONE}


@pytest.mark.parametrize(
    "said", [None, {}, [], "x", ["report.json"], ["../report.json", 1, ""], [["report.json"], 1, ""], [1, 2, 3]]
)
def test_only_files_that_there_are_can_be_asked_for(said, cache):
    assert answer(said, Visit("toy"))["said"].startswith("There is no such file; there are: report.json, layers.csv")
    assert list(cache.iterdir()) == []


def test_a_failure_of_a_file_shows_no_internals(monkeypatch):
    monkeypatch.setattr("regime.record.report.Report.to_csv", None)
    assert asked(Visit("toy"), "layers.csv", "") == {"said": export.FAILED}


def test_a_run_that_memory_ends_says_so():
    with pytest.raises(gr.Error, match="the server has no memory for it"), runs.readable():
        torch.empty(2**50)

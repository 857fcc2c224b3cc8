"""Runs and exports behind the page, without a server."""

import csv
import io

import gradio as gr
import pytest

import regime
from regime.ui.run import runs
from regime.ui.run.examples import example
from regime.ui.run.export import files, layers_csv, snippet

TINY = {"width": 8, "samples": 16, "test_samples": 16, "probe_samples": 16, "steps": 4, "measure_every": 2, "seeds": 2}

NAMES = ["report.json", "layers.csv", "figure.png", "figure.svg", "kernels.safetensors"]


@pytest.fixture(scope="module")
def report():
    return regime.run(regime.ToyConfig(**TINY))


def test_the_deadline_ends_a_run(monkeypatch):
    monkeypatch.setenv("REGIME_MAX_SECONDS", "0.2")
    with pytest.raises(gr.Error, match=r"limit of 0\.2 s"):
        list(runs.events(TINY | {"steps": 100_000, "measure_every": 100}, "toy"))


def test_a_failure_shows_no_internals(monkeypatch):
    def broken(session, _=None):
        raise RuntimeError("/secret/path")
        yield session

    monkeypatch.setattr(regime.Session, "stream", broken)
    with pytest.raises(gr.Error) as caught:
        list(runs.events(TINY, "toy"))
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
    stream = runs.events(TINY, "toy")
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
    rows = list(csv.DictReader(io.StringIO(layers_csv(report))))
    assert [row["layer"] for row in rows] == ["hidden 1", "hidden 2", "readout", "", "", ""]
    assert rows[2]["representation_change"] == ""
    assert "representation_change: " in rows[2]["undefined"]
    assert float(rows[0]["kernel_change_floor"]) == pytest.approx(report.layers[0]["floors"]["kernel_change"])
    assert rows[2]["representation_change_floor"] == ""
    assert float(rows[0]["kernel_change"]) == pytest.approx(report.layers[0]["kernel_change"])


def test_the_table_has_every_block_with_its_gap_its_interval_and_its_verdict():
    report = regime.Report.from_dict(example("probe").report)
    rows = [row for row in csv.DictReader(io.StringIO(layers_csv(report))) if not row["layer"]]
    assert [row["block"] for row in rows] == [block["block"] for block in report.blocks]
    first, known = rows[0], report.blocks[0]
    assert float(first["taylor_gap"]) == pytest.approx(known["taylor_gap"])
    low, high = known["intervals"]["taylor_gap"]
    assert (float(first["taylor_gap_low"]), float(first["taylor_gap_high"])) == pytest.approx((low, high))
    assert (first["regime"], float(first["regime_index"])) == (known["regime"]["label"], known["regime"]["index"])
    assert rows[-2]["taylor_gap"] == rows[-2]["taylor_gap_low"] == rows[-2]["regime"] == ""


def test_files_lie_in_a_folder_of_their_own_and_load_again(report, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    session = regime.Session(regime.ToyConfig(**TINY))
    list(session.stream())
    first, second = (files(report.to_dict(), session) for _ in range(2))
    assert [path.rsplit("/", 1)[1] for path in first] == [
        "report.json",
        "layers.csv",
        "figure.png",
        "figure.svg",
        "kernels.safetensors",
    ]
    assert all(path.startswith(str(tmp_path)) for path in first)
    assert not set(first) & set(second)
    assert regime.Report.load(first[0].rsplit("/", 1)[0]).verdict == report.verdict

"""The command line, as a script on a cluster calls it."""

import json
import runpy
import subprocess
import sys
from types import SimpleNamespace

import pytest

import regime
from regime.__main__ import main
from tests.conftest import ROOT

TOY = {"samples": 16, "test_samples": 8, "probe_samples": 8, "width": 8, "steps": 20, "seeds": 2}
SWEEP = {"base": TOY, "axes": {"width": [8, 16, 32], "alpha": [0.5, 1.0, 2.0]}}


@pytest.fixture
def asked(tmp_path):
    def write(fields: object) -> str:
        path = tmp_path / "config.json"
        path.write_text(fields if isinstance(fields, str) else json.dumps(fields))
        return str(path)

    return write


def test_a_sweep_prints_one_report(asked, tmp_path, capsys):
    store, table = tmp_path / "cells.sqlite", tmp_path / "cells.csv"
    assert main(["sweep", asked(SWEEP), "--store", str(store), "--csv", str(table), "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert len(report["cells"]) == 9
    assert report["cells"][4]["point"] == {"width": 16, "alpha": 1.0}
    assert report["cells"][4]["measures"]["kernel_change"] > 0
    assert "of 9 cells" in printed.err
    assert len(table.read_text().splitlines()) == 10
    assert main(["sweep", asked(SWEEP), "--store", str(store)]) == 0
    assert "9 cells: " in capsys.readouterr().out
    assert main(["sweep", asked(SWEEP), "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"]["found"] == 9


def test_a_toy_prints_its_verdict(asked, capsys):
    assert main(["toy", asked(TOY)]) == 0
    assert "index" in capsys.readouterr().out
    assert main(["toy", asked(TOY), "--json"]) == 0
    report = regime.Report.from_dict(json.loads(capsys.readouterr().out))
    assert report.config.width == 8


def test_the_command_line_is_python_and_takes_parts_of_ones_own(asked, capsys):
    own = TOY | {"task": "tests.parts:Stripes", "measures": ["tests.parts:LayersMoved"]}
    assert main(["toy", asked(own), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["final"]["layers_moved"] == 3
    assert main(["sweep", asked({"base": own, "axes": {"width": [8, 16]}}), "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [cell["measures"]["layers_moved"] for cell in cells] == [3, 3]


def test_the_app_is_served_as_app_py_does(monkeypatch):
    served = []
    monkeypatch.setattr("regime.ui.build.build", lambda: SimpleNamespace(launch=lambda **options: served.append(options)))
    assert main(["app"]) == 0
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert len(served) == 2
    assert served[0].keys() == served[1].keys()


def test_a_run_that_diverged_is_no_success(asked):
    assert main(["toy", asked(TOY | {"learning_rate": 1e5})]) == 1


def test_cells_that_failed_are_no_success(asked, capsys):
    fields = {"base": TOY | {"weight_decay": 1.0}, "axes": {"learning_rate": [0.01, 2.0]}}
    assert main(["sweep", asked(fields)]) == 1
    assert "weight_decay = 1.0 is not allowed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("toy", {"width": -1}, "width = -1 is not allowed"),
        ("toy", {"kind": "probe"}, "kind = 'probe' is not allowed"),
        ("toy", [], "allowed: one JSON object"),
        ("toy", "{", "not a file of JSON"),
        ("toy", "[" * 100_000, "not a file of JSON"),
        ("probe", {"steps": 1e9}, "steps = "),
        ("sweep", {"axes": {}}, "axes = {} is not allowed"),
        ("sweep", {"axes": {"width": []}}, "axes.width has 0 values"),
        ("sweep", {"grid": {}}, "'grid' is not a field of SweepConfig"),
        ("sweep", {"axes": {"wide": [1]}}, "axes.wide is not allowed"),
        ("sweep", {"axes": {"width": list(range(1, 1001)), "seed": list(range(1000))}}, "1,000,000 cells"),
    ],
)
def test_a_bad_configuration_is_told(asked, capsys, kind, fields, said):
    assert main([kind, asked(fields)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_a_file_that_is_not_there(capsys, tmp_path):
    assert main(["toy", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_as_a_process_of_its_own():
    command = [sys.executable, "-m", "regime", "sweep", "-", "--json"]
    done = subprocess.run(command, input=json.dumps(SWEEP), capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert len(json.loads(done.stdout)["cells"]) == 9

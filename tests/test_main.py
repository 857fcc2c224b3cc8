"""The command line, as a script on a cluster calls it."""

import json
import logging
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

import regime
from regime.__main__ import main
from regime.cli.command import _line
from regime.cli.fields import configured
from regime.cli.parser import parse
from regime.cli.signals import Interrupted, Interrupts
from regime.composer.session import Session
from regime.config import KINDS
from regime.errors import ConfigError
from regime.sweep import local
from regime.sweep.store import Store
from regime.sweep.sweep import Sweep
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
    assert re.match(r"[a-z ]+, index \d\.\d\d \[\d\.\d\d, \d\.\d\d\]\n", capsys.readouterr().out)
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
    served, before = [], {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def launch(**options):
        served.append(options)
        os.kill(os.getpid(), signal.SIGTERM)

    app = SimpleNamespace(
        launch=launch, close=lambda: None, server=SimpleNamespace(config=SimpleNamespace()), app=SimpleNamespace()
    )
    monkeypatch.setattr("regime.ui.build.build", lambda: app)
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr("regime.ui.run.slots.CLOSING", threading.Event())
    try:
        assert main(["app"]) == 0
        runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.getLogger("regime").handlers.clear()
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


def given(*arguments: str):
    """The configuration that a command line asks for."""
    return configured(parse([*map(str, arguments)]))


def written(default: object) -> str:
    """A default as an option has it."""
    if isinstance(default, list):
        return ",".join(default)
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_an_option_that_reads_its_default(kind):
    properties = {name: schema for name, schema in KINDS[kind].properties().items() if name not in ("kind", "base", "axes")}
    options = [f"--{name.replace('_', '-')}={written(schema['default'])}" for name, schema in properties.items()]
    assert given(kind, *options) == KINDS[kind]()


def test_options_win_over_the_file(asked):
    options = ["--width", "64", "--alpha=0.1", "--no-bias", "--learning-rate", "none", "--centered", "false"]
    known = {"width": 64, "alpha": 0.1, "bias": False, "learning_rate": None, "centered": False}
    assert given("toy", asked(TOY), *options) == regime.ToyConfig(**TOY | known)
    assert given("toy", "--no-bias", "--bias").bias is True


def test_lists_have_commas_or_are_repeated():
    revisions = ["step-00000", "step-00050"]
    one, two = given("checkpoints", "--revisions", ",".join(revisions)), [f"--revisions={name}" for name in revisions]
    assert one == given("checkpoints", *two) == regime.CheckpointConfig(revisions=revisions)
    assert given("toy", "--measures", '["tests.parts:LayersMoved"]').measures == ("tests.parts:LayersMoved",)
    more = given("toy", "--measures", '["tests.parts:LayersMoved"]', "--measures=tests.parts:Distance")
    assert more.measures == ("tests.parts:LayersMoved", "tests.parts:Distance")


def test_axes_are_written_as_fields_are(asked):
    axes = {"width": [8, 16], "alpha": [0.5, 1.0], "learning_rate": [None, 0.1], "task": ["rings", "xor"], "bias": [True]}
    options = [f"--axes={name}={','.join(map(written, values))}" for name, values in axes.items()]
    expected = regime.SweepConfig(base=TOY, axes=axes)
    assert given("sweep", "--base", asked(TOY), *options) == expected
    assert given("sweep", "--base", json.dumps(TOY), "--axes", json.dumps(axes)) == expected
    assert given("sweep", asked({"base": TOY}), *options) == expected


def test_an_axis_that_is_named_again_goes_on():
    expected = regime.SweepConfig(base=TOY, axes={"width": [8, 9, 10], "alpha": [1.0]})
    named = ["--axes=width=8,9", "--axes=alpha=1", "--axes=width=10"]
    assert given("sweep", "--base", json.dumps(TOY), *named) == expected
    assert given("sweep", "--base", json.dumps(TOY), "--axes", '{"width": [8, 9], "alpha": [1.0]}', named[2]) == expected
    with pytest.raises(regime.ConfigError, match="width"):
        given("sweep", "--axes", '{"width": 8}', named[2])


def test_own_rows_are_a_file(tmp_path, monkeypatch):
    rows = "\n".join(f"{i},{i % 5},{i % 2}" for i in range(40))
    texts = "\n".join(f"text {i},{'good' if i % 2 else 'bad'}" for i in range(40))
    for kind, option, content in (("toy", "--csv", rows), ("probe", "--texts", texts)):
        path = tmp_path / "own.csv"
        path.write_text(content)
        few = ["--samples=8", "--probe-samples=8", *(["--test-samples=8"] * (kind == "toy"))]
        config = given(kind, option, path, *few)
        assert config.task == "own"
        monkeypatch.setattr("sys.stdin", path.open())
        assert given(kind, option, "-", *few) == config
    path.write_text("2019,a b,kind\n" + "".join(f"{i % 7},{i},{'xy'[i % 2]}\n" for i in range(40)))
    for target, name in (("kind", "kind"), ("a b", "a b"), ("2019", "2019"), ("-1", "kind"), ("1", "2019")):
        encode = [] if name == "kind" else ["--encode", "kind"]
        assert given("toy", "--csv", path, f"--target={target}", *encode).read.target == [name]
    assert given("toy", "--csv", path, "--drop", "2019", "--encode", "kind", "--target", "a b").read.left_out != []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_standard_input_is_read_as_a_file_is(encoding, tmp_path, monkeypatch):
    """Whatever the terminal's own encoding."""
    path = tmp_path / "own.csv"
    path.write_bytes(("größe,b,kind\n" + "".join(f"{i % 7},{i},{'xä'[i % 2]}\n" for i in range(40))).encode(encoding))
    few = ["--target=kind", "--samples=8", "--probe-samples=8", "--test-samples=8"]
    with pytest.warns(UserWarning, match="Windows-1252") if encoding == "cp1252" else nullcontext():
        named = given("toy", "--csv", path, *few)
        monkeypatch.setattr("sys.stdin", path.open(encoding="ascii"))
        assert given("toy", "--csv", "-", *few) == named
    assert "größe" in named.csv
    path.write_bytes(b"a,b\n\x81,2\n")
    monkeypatch.setattr("sys.stdin", path.open())
    with pytest.raises(regime.ConfigError, match="csv is not allowed: the file is not UTF-8"):
        given("toy", "--csv", "-", *few)
    if encoding != "cp1252":  # which JSON is never written in
        path.write_bytes(json.dumps({"width": 8}).encode(encoding))
        monkeypatch.setattr("sys.stdin", path.open(encoding="ascii"))
        assert given("toy", path) == given("toy", "-") == regime.ToyConfig(width=8)


def test_a_run_without_an_index_shows_none(asked, capsys):
    assert main(["toy", asked(TOY | {"learning_rate": 1e6})]) == 1
    assert capsys.readouterr().out.startswith("no verdict\n")


def test_steps_that_are_not_known_yet_are_not_told_as_none():
    known = {"kind": "progress", "step": 3, "steps": 20, "seconds": 5.2, "seconds_left": None}
    assert _line(SimpleNamespace(**known), "steps") == "3 of 20 steps, 5 s"
    assert _line(SimpleNamespace(**known | {"step": 0, "steps": 0}), "steps") == "5 s"


def test_what_was_read_is_told(tmp_path, capsys):
    (tmp_path / "own.csv").write_text("a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(40)))
    assert main(["toy", "--csv", str(tmp_path / "own.csv"), "--target", "b", "--drop", "kind", "--width=8", "--steps=2"]) == 0
    told = capsys.readouterr().err
    assert "40 rows, 1 input: a. Target b: 5 classes (0: 8, 1: 8, 2: 8, 3: 8, 4: 8)." in told
    assert "5 whole numbers are taken as classes: task_type = 'regression' predicts the number." in told


WRONG = [
    ([], "the following arguments are required: kind"),
    (["toyy"], "invalid choice: 'toyy'"),
    (["toy", "--widht", "8"], "--widht is not known; near to it: --width"),
    (["toy", "--wid=8"], "--wid is not known; near to it: --width"),
    (["toy", "--learning_rate", "1"], "--learning_rate is not known; near to it: --learning-rate"),
    (["toy", "--width"], "--width: expected one argument"),
    (["toy", "one.json", "two.json"], "two.json is not known"),
    (["toy", "--width", "wide"], "width = 'wide' is not allowed; allowed: an integer from 1 to 16384"),
    (["toy", "--width", "-1"], "width = -1 is not allowed; allowed: an integer from 1 to 16384"),
    (["toy", "--width", "none"], "width = 'none' is not allowed"),
    (["toy", "--bias", "maybe"], "bias = 'maybe' is not allowed; allowed: true or false"),
    (["toy", "--task", "ring"], "task = 'ring' is not allowed; allowed: one of 'rings'"),
    (["toy", "--learning-rate", "nan"], "learning_rate = nan is not allowed"),
    (["toy", "none.json"], "'none.json' is not a file of JSON that can be read"),
    (["toy", "table.csv"], "'table.csv' is not a file of JSON that can be read"),
    (["toy", "-", "--csv", "-"], "standard input (-) is named twice"),
    (["toy", "--csv", "none.csv"], "none.csv"),
    (["toy", "--csv", "."], "is a folder"),
    (["toy", "--csv", "table.csv", "--task", "rings"], "with task = 'rings'"),
    (["probe", "--trainable", ""], "trainable = () is not allowed"),
    (["probe", "--model", "nowhere"], "model = 'nowhere' is not allowed: there is none of that name"),
    (["checkpoints", "--revisions", "step-00000"], "allowed: none for all, or two and more"),
    (["sweep", "--axes", "width"], "axes = 'width' is not allowed; allowed: NAME=A,B"),
    (["sweep", "--axes", "wide=1"], "axes.wide is not allowed"),
    (["sweep", "--axes", "width=8,x"], "width = 'x' is not allowed"),
    (["sweep", "--base", "[]"], "'[]' is not a file of JSON that can be read"),
    (["sweep", "--engine", "cloud"], "engine = 'cloud' is not allowed; allowed: one of 'local', 'dask'"),
    (["sweep", "--store", "table.csv"], "store = 'table.csv' is something else, and is left as it is"),
    (["sweep", "--store", "folder"], "store = 'folder' is something else, and is left as it is"),
    (["sweep", "--store", "none/cells.sqlite"], "store = 'none/cells.sqlite' cannot be used"),
    (["sweep", "--csv", "none/cells.csv"], "--csv none/cells.csv is not allowed"),
    (["sweep", "--csv", "cells", "--store", "cells"], "--csv cells is not allowed: it is the store"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_use_is_refused_in_a_line_and_changes_nothing(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text("1,2\n3,4\n")
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    *usage, line = (line for line in printed.err.splitlines() if not re.match(r"\d+ of \d+ steps", line))  # on a busy machine
    assert (status, printed.out) == (2, "")
    assert said.lower() in line.lower()
    assert not usage or usage[0].startswith("usage: ")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "table.csv"}
    assert (tmp_path / "table.csv").read_text() == "1,2\n3,4\n"


@pytest.mark.parametrize("arguments", [a for a, _ in WRONG if a and a[0] in KINDS], ids=" ".join)
def test_what_is_refused_is_one_json_object_too(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text("1,2\n3,4\n")
    assert main([*arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"error": printed.err.splitlines()[-1]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_before_anything_was_measured_is_one_too(asked, monkeypatch, capsys, number):
    monkeypatch.setattr(Session, "_next", lambda _: os.kill(os.getpid(), number))
    assert main(["toy", asked(TOY), "--json"]) == 128 + number
    printed = capsys.readouterr()
    said = f"interrupted by {signal.Signals(number).name} before anything was measured"
    assert (json.loads(printed.out), printed.err.splitlines()[-1]) == ({"error": said}, said)


def test_an_estimate_is_of_the_run_that_the_same_options_start(asked, capsys):
    assert main(["estimate", "toy", asked(TOY), "--steps", "40", "--json"]) == 0
    cost = regime.estimate(regime.ToyConfig(**TOY | {"steps": 40}))
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["bytes"]) == ("toy", cost.bytes)
    assert main(["estimate", "sweep", asked(SWEEP)]) == 0
    assert capsys.readouterr().out.startswith("about ")
    assert main(["estimate", "toy", "--width=-1", "--json"]) == 2
    assert "width = -1 is not allowed" in json.loads(capsys.readouterr().out)["error"]


def test_the_catalog_lists_what_there_is_to_ask_for(capsys):
    assert main(["catalog", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert set(known) == {"tasks", "models", "claims", "measures", "limits", "schemas"}
    assert set(known["schemas"]) >= KINDS.keys()
    assert main(["catalog"]) == 0
    assert "  kernel_change: " in capsys.readouterr().out


def test_a_sweep_says_why_there_is_no_verdict_and_what_diverged(asked, capsys):
    fields = {"base": TOY, "axes": {"width": [8, 16], "learning_rate": [1e-6, 1e5]}}
    assert main(["sweep", asked(fields)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "4 cells: 4 no verdict",
        "no verdict: 2 not learned yet, 2 diverged",
        "diverged: width = 8, learning_rate = 100000.0",
        "diverged: width = 16, learning_rate = 100000.0",
    ]


@pytest.fixture(scope="module")
def undisturbed():
    return regime.run(regime.SweepConfig(**SWEEP)).cells


def at_cell(count: int, number: int):
    """A sweep's method that sends this process a signal as it tells of one of its cells."""
    real = Sweep._measured

    def measured(sweep: Sweep, *arguments: object):
        if len(sweep.cells) >= count and len(sweep.cells) < len(sweep.places):
            os.kill(os.getpid(), number)
        return real(sweep, *arguments)

    return measured


def resumed(asked, store, capsys, undisturbed) -> int:
    """Go on from a store, to the cells that a sweep without it has; return how many it had."""
    assert main(["sweep", asked(SWEEP), "--store", str(store), "--json"]) == 0
    printed = capsys.readouterr()
    found = printed.err.splitlines()[0]
    assert found.endswith(f" of 9 cells found in {store}")
    cells = regime.SweepReport.from_dict(json.loads(printed.out)).cells
    for cell, expected in zip(cells, undisturbed, strict=True):
        assert (cell.key, cell.verdict.label) == (expected.key, expected.verdict.label)
        assert cell.measures == pytest.approx(expected.measures, rel=1e-4, abs=1e-6)
    return int(found.split()[0])


@pytest.mark.parametrize(("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_sweep_that_is_interrupted_reports_and_goes_on(asked, tmp_path, monkeypatch, capsys, undisturbed, number, processes):
    started, real = [], subprocess.Popen
    monkeypatch.setattr(local.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    monkeypatch.setattr(local, "workers", lambda _: processes)
    monkeypatch.setattr(local, "STARTING", 0.0)
    store, table = tmp_path / "cells.sqlite", tmp_path / "cells.csv"
    with monkeypatch.context() as patch:
        patch.setattr(Sweep, "_measured", at_cell(3, number))
        command = ["sweep", asked(SWEEP), "--store", str(store), "--csv", str(table), "--json"]
        assert main(command) == 128 + number
    assert len(started) == (processes if processes > 1 else 0)
    assert all(process.poll() is not None for process in started)
    printed = capsys.readouterr()
    report = regime.SweepReport.from_dict(json.loads(printed.out))
    known = len(report.cells)
    assert report.interrupted == f"at cell {known} of 9"
    assert len(table.read_text().splitlines()) == known + 1
    said = f"interrupted by {number.name} at cell {known} of 9; {store} holds {known} cells, and the same command goes on"
    assert said in printed.err.splitlines()[-1]
    monkeypatch.setattr(local, "workers", lambda _: 1)
    assert 0 < resumed(asked, store, capsys, undisturbed) == known < 9


KILLED = """
import signal, sys
from regime.__main__ import main
from regime.sweep.sweep import Sweep
from tests.test_main import at_cell
Sweep._measured = at_cell(3, signal.SIGKILL)
main(sys.argv[1:])
"""


def test_a_sweep_that_is_killed_goes_on(asked, tmp_path, capsys, undisturbed):
    store = tmp_path / "cells.sqlite"
    command = [sys.executable, "-c", KILLED, "sweep", asked(SWEEP), "--store", str(store)]
    assert subprocess.run(command, cwd=ROOT, timeout=120, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert 0 < resumed(asked, store, capsys, undisturbed) < 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_its_report(asked, monkeypatch, capsys, number):
    real = Session._next

    def upcoming(session: Session):
        event = real(session)
        if event.kind == "measured" and event.step == 10:
            os.kill(os.getpid(), number)
        return event

    monkeypatch.setattr(Session, "_next", upcoming)
    assert main(["toy", asked(TOY), "--json"]) == 128 + number
    printed = capsys.readouterr()
    report = regime.Report.from_dict(json.loads(printed.out))
    assert report.interrupted == "at step 10 of 20"
    assert [event.step for event in report.history] == [0, 10]
    assert printed.err.splitlines()[-1] == f"interrupted by {number.name} at step 10 of 20; this is the report so far"
    assert main(["toy", asked(TOY)]) == 128 + number
    assert capsys.readouterr().out.startswith("interrupted at step 10 of 20\n")


def test_what_was_measured_before_a_run_could_not_go_on_is_printed(asked, tmp_path, monkeypatch, capsys, undisturbed):
    real, room = Store.put, [2]

    def put(store: Store, results: dict):
        if not room[0]:
            raise ConfigError("store = 'cells.sqlite' cannot be used: database or disk is full")
        room[0] -= 1
        return real(store, results)

    monkeypatch.setattr(local, "workers", lambda _: 1)
    monkeypatch.setattr(Store, "put", put)
    store, table = tmp_path / "cells.sqlite", tmp_path / "cells.csv"
    assert main(["sweep", asked(SWEEP), "--store", str(store), "--csv", str(table), "--json"]) == 1
    printed = capsys.readouterr()
    report = regime.SweepReport.from_dict(json.loads(printed.out))
    assert report.interrupted is None  # three batches of three cells; the last one's are measured, too, if not kept
    assert [cell.key for cell in report.cells] == [cell.key for cell in undisturbed]
    assert len(table.read_text().splitlines()) == 10
    assert printed.err.splitlines()[-1] == "store = 'cells.sqlite' cannot be used: database or disk is full"
    assert main(["sweep", asked(SWEEP), "--store", str(tmp_path / "other.sqlite"), "--json"]) == 1
    report = regime.SweepReport.from_dict(json.loads(capsys.readouterr().out))
    assert report.interrupted == "at cell 3 of 9"
    room[0] = 1
    assert resumed(asked, store, capsys, undisturbed) == 6


def test_a_run_whose_part_fails_late_leaves_its_report(asked, monkeypatch, capsys):
    real = Session._next

    def upcoming(session: Session):
        event = real(session)
        if event.kind == "measured" and event.step == 10:
            raise ConfigError("measure = 'mine' failed: KeyError: 'late'")
        return event

    monkeypatch.setattr(Session, "_next", upcoming)
    assert main(["toy", asked(TOY), "--json"]) == 1
    printed = capsys.readouterr()
    assert regime.Report.from_dict(json.loads(printed.out)).interrupted == "at step 10 of 20"
    assert printed.err.splitlines()[-1] == "measure = 'mine' failed: KeyError: 'late'"


def test_the_second_signal_ends_the_process_and_none_is_lost():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts() as interrupts:
        interrupts.check()
        with pytest.raises(Interrupted, match="interrupted by SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2
        with pytest.raises(Interrupted):
            interrupts.check()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.fixture
def nobody():
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def test_a_worker_that_nobody_hears_ends_in_silence(nobody):
    task = json.dumps({"configs": [regime.ToyConfig(**TOY).to_dict()], "at_loss": None}) + "\n"
    told = {"input": task, "stdout": nobody, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    done = subprocess.run(local.COMMAND, timeout=120, check=False, **told)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_that_is_closed_is_no_error_to_tell(asked, monkeypatch, nobody, stream):
    monkeypatch.setattr(sys, stream, open(nobody, "w", buffering=1, closefd=False))  # noqa: SIM115 - it cannot be closed
    assert main(["toy", asked(TOY)]) == 141


def test_help_that_nobody_reads_is_no_error_to_tell(nobody):
    command = [sys.executable, "-m", "regime", "toy", "--help"]
    done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.stderr == ""


def test_a_thread_hears_no_signals():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["toy", "--width=-1"]).result() == 2


def test_a_process_that_is_told_to_end_says_so_alone():
    command = [sys.executable, "-m", "regime", "toy", "--steps=100000", "--measure-every=1000", "--device=cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        first = process.stderr.readline()
        process.terminate()
        _, rest = process.communicate(timeout=120)
    assert process.returncode == 143
    assert first.startswith("about ")
    assert rest.splitlines()[-1].startswith("interrupted by SIGTERM ")
    assert "Traceback" not in rest


def test_what_libraries_say_is_kept_off_the_terminal():
    command = [sys.executable, "-m", "regime", "probe", "--model", "minilm", "--readout", "prompt"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    *going, line = done.stderr.splitlines()
    assert [each for each in going if not each.startswith("0 of 20 steps, ")] == [], "a slow machine says that it goes on"
    assert line.startswith("model = 'minilm' has no word logits: ")


def test_as_a_process_of_its_own():
    command = [sys.executable, "-m", "regime", "sweep", "-", "--json"]
    done = subprocess.run(command, input=json.dumps(SWEEP), capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert len(json.loads(done.stdout)["cells"]) == 9


def test_a_table_is_utf_8_whatever_the_terminal_speaks(tmp_path):
    rows = "größe,b,c\n" + "".join(f"{i},{i % 5},{i % 7 + i / 9}\n" for i in range(40))
    fields = {"base": {"csv": rows, "steps": 2, "width": 4, "seeds": 1}, "axes": {"target": ["größe", "c"]}}
    command = [sys.executable, "-m", "regime", "sweep", "-", "--json", "--csv", str(tmp_path / "cells.csv")]
    plain = os.environ | {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(
        command, input=json.dumps(fields), capture_output=True, text=True, cwd=ROOT, timeout=120, check=True, env=plain
    )
    lines = (tmp_path / "cells.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["target", "größe", "c"]


FULL = Path("/dev/full")
SMALL = ["toy", "--steps=2", "--width=8", "--samples=16", "--test-samples=16", "--probe-samples=16"]


def shell(arguments, redirected):
    """What a command line comes to in a shell, with some of its standard streams somewhere else."""
    line = shlex.join([sys.executable, "-m", "regime", *arguments])
    return subprocess.run(
        ["sh", "-c", f"{line} {redirected}"], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "redirected", ["2>&-", pytest.param("2>/dev/full", marks=pytest.mark.skipif(not FULL.exists(), reason="no /dev/full"))]
)
def test_a_result_is_not_lost_where_nothing_can_be_told(redirected):
    done = shell(SMALL, redirected)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no verdict" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "redirected", "status", "said"),
    [
        (SMALL, ">&-", 2, "standard output is closed; allowed: "),
        (["toy", "--width=-1", "--json"], ">&-", 2, "standard output is closed; allowed: "),
        (["toy", "-"], "<&-", 2, "'-' is not a file of JSON that can be read"),
        (SMALL, ">/dev/full", 1, "standard output cannot be written: No space left on device"),
        (["catalog", "--json"], ">/dev/full", 1, "standard output cannot be written: No space left on device"),
        (["toy", "--help"], ">/dev/full", 1, "standard output cannot be written: No space left on device"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_told_in_a_line(arguments, redirected, status, said):
    if "full" in redirected and not FULL.exists():
        pytest.skip("no /dev/full")
    done = shell(arguments, redirected)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr

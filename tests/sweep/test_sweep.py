"""Sweeps as a whole: what they send, what they keep, and what is left after they are stopped, killed or robbed of a process."""

import csv
import io
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import regime
from regime import SweepConfig, ToyConfig
from regime.composer import grid
from regime.errors import ConfigError
from regime.schema import schemas
from regime.sweep import local
from regime.sweep.store import Store
from regime.sweep.sweep import Sweep
from tests.conftest import ROOT

TINY = ToyConfig(samples=16, test_samples=8, probe_samples=8, steps=20, measure_every=10, seeds=2)
AXES = {"width": [8, 16, 24], "alpha": [0.5, 1.0, 2.0, 4.0]}


def sweep(**fields: object) -> SweepConfig:
    return SweepConfig(**{"base": TINY, "axes": AXES} | fields)


def test_events_from_start_to_report():
    config, known = sweep(), schemas()
    events = [event.to_dict() for event in regime.stream(config)]
    assert events[0]["kind"] == "started"
    assert events[0]["cells"] == 12
    assert events[0]["config"] == config.to_dict()
    cells = [event["cell"] for event in events if event["kind"] == "measured"]
    assert sorted(cell["index"] for cell in cells) == list(range(12))
    assert [event["step"] for event in events if event["kind"] == "measured"] == list(range(1, 13))
    report = regime.SweepReport.from_dict(events[-1]["report"])
    assert [cell.index for cell in report.cells] == list(range(12))
    assert report.cells[5].point == {"width": 16, "alpha": 1.0}
    for event in events:
        jsonschema.validate(event, known["sweep-event"])
    jsonschema.validate(report.to_dict(), known["sweep-report"])
    jsonschema.validate(config.to_dict(), known["sweep"])


def test_every_cell_is_the_run_it_stands_for():
    config = sweep(axes={"depth": [1, 2], "alpha": [20.0, 30.0], "seed": [0, 3]})
    for cell in regime.run(config).cells:
        report = regime.run(ToyConfig(**{**dict(TINY), **cell.point}))
        assert cell.measures["kernel_change"] == pytest.approx(report.final["kernel_change"], rel=1e-6)
        assert cell.seeds["train_loss"] == pytest.approx(report.seeds["train_loss"], rel=1e-5)  # 60 steps of rounding


@pytest.mark.parametrize("axes", [{"learning_rate": [0.1, 1.0]}, {"width": [4], "learning_rate": [0.1, 1.0]}])
def test_a_table_has_one_column_for_the_step_size(axes, tmp_path):
    """Also where it is an axis, and of a cell that could not be run."""
    store = str(tmp_path / "cells.sqlite")
    base = ToyConfig(width=4, samples=8, test_samples=4, probe_samples=8, steps=2, seeds=1, weight_decay=2.0)
    report = regime.run(SweepConfig(base=base, axes=axes, store=store))
    assert [cell.status for cell in report.cells] == ["finished", "failed"]
    for table, rates in ((report.to_csv(), ["0.1", "1.0"]), (Store(store).to_csv(), ["0.1"])):
        header, *rows = csv.reader(io.StringIO(table))
        assert len(header) == len(set(header))
        assert [row[header.index("learning_rate")] for row in rows] == rates


@pytest.mark.parametrize(("seconds", "processes"), [(1e9, 1), (0.0, 2)])
def test_a_report_says_on_what_it_was_run(seconds, processes, monkeypatch):
    """Of cells that take less than processes to start, on this one."""
    monkeypatch.setattr(local, "STARTING", seconds)
    monkeypatch.setattr(local, "workers", lambda _: 2)
    started, *_, last = regime.stream(sweep())
    known = regime.SweepReport.from_dict(last.report).provenance
    assert started.workers == known.workers == processes
    assert known.device in ("cpu", "cuda:0", "cuda")


@pytest.mark.parametrize("axes", [{"samples": [1000, 1001, 1002]}, {"width": [3000, 3001, 3002, 3003]}])
def test_values_that_hardly_differ_have_a_report(axes):
    """With the laws whose coefficients are numbers, if any."""
    base = ToyConfig(width=8, samples=8, test_samples=4, probe_samples=8, steps=5, depth=1, seeds=2, learning_rate=0.1)
    report = regime.run(SweepConfig(base=base, axes=axes))
    assert {cell.status for cell in report.cells} == {"finished"}
    assert "kernel_change" not in {law.measure for law in report.laws}


def test_a_report_is_saved_and_loaded(tmp_path):
    report = regime.run(sweep(seeds=3))
    report.save(tmp_path)
    again = regime.SweepReport.load(tmp_path)
    assert again == report
    assert again.values("kernel_change").shape == (3, 4, 3)
    assert again.values("regime_index").shape == (3, 4, 3)
    assert report.to_csv().count("\n") == 13
    assert {law.measure for law in again.laws} >= {"kernel_change", "parameter_movement"}
    with pytest.raises(ValueError, match="not a report of this version"):
        regime.SweepReport.from_dict({"kind": "sweep-report"})
    fields = report.to_dict()
    for cells in (fields["cells"][1:], fields["cells"][::-1], [*fields["cells"], fields["cells"][0]]):
        with pytest.raises(ValueError, match=r"cells: \d+ are not allowed; allowed: one for each of 12, in order"):
            regime.SweepReport.from_dict(fields | {"cells": cells})


def test_what_is_stopped_goes_on(tmp_path):
    config = sweep(store=str(tmp_path / "cells.sqlite"))
    first = Sweep(config)
    with closing(first.stream()) as events:
        for event in events:
            if event.kind == "measured" and event.step == 5:
                break
    kept = Store(config.store).count()
    assert 5 <= kept < 12
    again = list(regime.stream(config))
    assert again[0].found == kept
    assert again[-1].report["provenance"]["found"] == kept
    held = list(first.stream())
    assert held[0].found >= kept
    assert [cell["measures"] for cell in held[-1].report["cells"]] == [cell["measures"] for cell in again[-1].report["cells"]]


def test_cells_that_a_store_could_not_take_are_given_again(tmp_path, monkeypatch):
    run = Sweep(sweep(store=str(tmp_path / "cells.sqlite")))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", lambda *_: (_ for _ in ()).throw(ConfigError("the disk is full")))
        with pytest.raises(ConfigError, match="full"):
            list(run.stream())
    assert 0 < len(run.report().cells) < 12
    assert run.store.count() == 0
    assert list(run.stream())[-1].kind == "finished"
    assert run.store.count() == 12


def test_a_hold_after_so_many_cells():
    run = Sweep(sweep())
    assert [event.kind for event in run.stream(2)].count("measured") == 2
    assert not run.finished
    assert len(list(run.stream())) >= 12
    assert run.finished


def test_a_look_at_what_is_there_computes_nothing(tmp_path):
    config = sweep(store=str(tmp_path / "cells.sqlite"))
    assert [event.kind for event in Sweep(config).stream(0)] == ["started"]
    for event in Sweep(config).stream(1):
        there = event.step if event.kind == "measured" else 0
    known = Store(config.store).count()
    assert known >= there > 0
    assert [event.kind for event in Sweep(config).stream(0)] == ["started"] + ["measured"] * known


def test_cells_that_failed_are_tried_again(tmp_path):
    config = sweep(
        base=ToyConfig(**{**dict(TINY), "weight_decay": 1.0}),
        axes={"learning_rate": [0.01, 2.0]},
        store=str(tmp_path / "cells.sqlite"),
    )
    for _ in range(2):
        report = regime.run(config)
        assert [cell.status for cell in report.cells] == ["finished", "failed"]
        assert "weight_decay" in report.cells[1].error
        assert Store(config.store).count() == 1


def run_and_tell(path: str, teller: Connection) -> None:
    """A sweep in a process of its own that says each finished cell's key."""
    for event in regime.stream(LONG.model_copy(update={"store": path})):
        if event.kind == "measured":
            teller.send(event.cell.key)


LONG = sweep(axes={"width": list(range(8, 44))})
"""As many batches as cells: there is always one to be killed in."""


def test_killed_at_random_moments_every_cell_is_there_once(tmp_path, monkeypatch):
    """Ten times SIGKILL; what was told as finished is in the store, and nothing of it is computed again."""
    path, luck = tmp_path / "cells.sqlite", random.Random(0)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    context = get_context("forkserver")  # a new process in no time: it has imported everything, and computed nothing
    context.set_forkserver_preload(["tests.sweep.test_sweep"])
    told: set[str] = set()
    kills = 0
    while kills < 10:
        heard, teller = context.Pipe(duplex=False)
        process = context.Process(target=run_and_tell, args=(str(path), teller))
        process.start()
        teller.close()
        told.add(heard.recv())  # it has begun
        time.sleep(luck.uniform(0.0, 0.2))
        kills += process.is_alive()
        process.kill()
        process.join()
        with suppress(EOFError):
            while True:
                told.add(heard.recv())
        store = Store(path)
        assert store.kept is None
        assert len(store.get(told)) == len(told)
        if kills < 10 and store.count() >= LONG.size - 4:  # done too early: begin anew
            path.unlink()
            told.clear()
    before = Store(path).count()
    report = regime.run(LONG.model_copy(update={"store": str(path)}))
    assert report.provenance.found == before
    assert [cell.index for cell in report.cells] == list(range(LONG.size))
    assert Store(path).count() == LONG.size
    fresh = regime.run(LONG)
    assert [cell.measures for cell in report.cells] == [cell.measures for cell in fresh.cells]


def children() -> list[int]:
    """Processes of this one that run batches."""
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    mine = [int(pid) for part in listed for pid in part.read_text().split()]
    return [pid for pid in mine if b"regime.sweep.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


HEAVY = sweep(base=ToyConfig(**{**dict(TINY), "steps": 3000}), axes={"width": [32, 33, 34], "alpha": [0.5, 2.0]})


IN_PROC = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds its processes in /proc")


@pytest.fixture
def shared(monkeypatch):
    """Work is shared among two processes however short it is."""
    monkeypatch.setattr(local, "STARTING", 0.0)
    monkeypatch.setattr(local, "workers", lambda _: 2)


@IN_PROC
@pytest.mark.usefixtures("shared")
def test_a_lost_process_loses_no_cell():
    alone = regime.run(HEAVY)
    events, killed = [], 0
    for event in regime.stream(HEAVY):
        events.append(event)
        if event.kind == "progress" and not killed and (mine := children()):
            os.kill(mine[0], signal.SIGKILL)
            killed = mine[0]
    assert killed
    cells = events[-1].report["cells"]
    assert [cell["status"] for cell in cells] == ["finished"] * HEAVY.size
    assert [cell["measures"] for cell in cells] == [cell.measures for cell in alone.cells]
    assert killed not in children()


@IN_PROC
@pytest.mark.usefixtures("shared")
def test_stopping_ends_every_process_at_once():
    events = regime.stream(HEAVY)
    for event in events:
        if event.kind == "progress" and len(children()) == 2:
            break
    began = time.perf_counter()
    events.close()
    assert time.perf_counter() - began < 1.0
    assert children() == []


@pytest.mark.usefixtures("shared")
def test_a_process_that_always_ends_is_told_of(monkeypatch):
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])
    report = regime.run(HEAVY)
    assert {cell.status for cell in report.cells} == {"failed"}
    assert "its process ended 2 times, the last time with status 3" in report.cells[0].error


SCRIPT = """
import regime
from beside import Line
from regime.sweep import local


class Own(Line):
    pass


if __name__ == "__main__":
    local.STARTING, local.workers = 0.0, lambda _: 2
    for task in (Line, Own):
        base = regime.ToyConfig(task=task, width=8, samples=8, test_samples=8, probe_samples=8, seeds=1, steps=4)
        report = regime.run(regime.SweepConfig(base=base, axes={"depth": [1, 2]}))
        print(*(cell.error for cell in report.cells))
"""


def test_parts_of_ones_own_are_found_beside_a_script_and_within_it(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    parts = (ROOT / "tests" / "parts.py").read_text()
    (tmp_path / "beside.py").write_text(parts)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["None None"] * 2


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ({"task": "__main__:Own"}, 1),
        ({"measures": ("__main__:Own", "tests.parts:Distance")}, 1),
        ({"optimizer": "__main__:Own", "learning_rate": 0.1}, 1),
        ({"measures": ("tests.parts:Distance",)}, 2),
    ],
)
@pytest.mark.usefixtures("shared")
def test_a_part_of_the_script_that_runs_is_for_its_own_process(more, count):
    batches = [grid.Batch([grid.GridCell(k, {}, TINY.model_copy(update=more))], 100.0) for k in range(2)]
    assert local.processes(batches, 2) == count


@pytest.mark.usefixtures("shared")
def test_it_speaks_twice_a_second():
    config = sweep(base=ToyConfig(**{**dict(TINY), "steps": 2000}), axes={"width": [32, 64], "alpha": [1.0, 2.0]})
    times = [time.perf_counter(), *(time.perf_counter() for _ in regime.stream(config))]
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    assert gaps[-2] < 0.5, "once, the machine may have been busy with something else"


def test_an_estimate_before_the_run():
    cost = regime.estimate(SweepConfig(base=ToyConfig(steps=300), axes={"width": [32, 64], "alpha": [1.0, 2.0]}))
    assert 0.1 < cost.seconds < 60
    assert cost.bytes > 0
    assert "cells would fit" in regime.within(SweepConfig(), 1.0)
    for seconds in (1e6, 1e308):
        assert regime.within(SweepConfig(), seconds) == "about 16 of its 16 cells would fit, or fewer steps"
        assert regime.within(ToyConfig(steps=30), seconds) == "steps = 30 would fit"


@pytest.mark.parametrize("alpha", [1.0, 1e4])
@pytest.mark.parametrize("count", [1, 3])
def test_a_sweep_is_told_the_memory_of_its_runs_in_the_precision_that_they_take(alpha, count):
    base = TINY.model_copy(update={"alpha": alpha, "width": 64})
    cost = regime.estimate(SweepConfig(base=base, axes={"seed": list(range(count))}))
    assert cost.bytes == count * regime.estimate(base).bytes


def test_probes_are_swept_by_the_same_call(tiny_bert):
    base = regime.ProbeConfig(
        model=tiny_bert, samples=4, probe_samples=8, max_tokens=6, measure_every=1, forecast=False, steps=1
    )
    report = regime.run(SweepConfig(base=base, axes={"task": ["sentiment", "source"]}))
    assert [cell.point for cell in report.cells] == [{"task": "sentiment"}, {"task": "source"}]
    assert all(cell.measures["kernel_change"] > 0 for cell in report.cells)
    assert report.laws == []


def test_unused_cores_are_not_waited_for():
    batches = grid.batches(grid.places(sweep()), 2)
    assert local.processes(batches, 2) == 1
    assert local.processes([], 2) == 1


@pytest.mark.parametrize("measure", ["kernel_chagne", "", 3, None])
def test_values_of_no_measure_are_refused(measure):
    report = regime.run(sweep(axes={"width": [8, 16]}))
    assert np.isfinite(report.values("kernel_change")).all()
    assert np.isnan(report.values("buffer_change")).all(), "a measure that these cells do not have"
    with pytest.raises(ValueError, match=r"^measure = .* is not allowed; allowed: one of buffer_change, "):
        report.values(measure)

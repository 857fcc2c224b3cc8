"""A server under load, small: `python -m tests.load --write` has the large figures, in tests/load/results."""

import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from regime.sweep.store import Store
from tests.load.crowd import LONG, PROBE, TOY, crowded, mixed, pressed
from tests.load.server import MINUTES, served
from tests.load.soak import SWEEP, soaked

RESULTS = Path(__file__).parent / "results"


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


def test_a_crowd_is_served_in_turn(server) -> None:
    found = crowded(server, clients=8, seconds=3.0)
    assert found["failed"] == []
    assert found["outcomes"]["finished"] >= 8
    assert found["longest_over_median"] < 4


def test_short_runs_overtake_long_ones(server) -> None:
    found = mixed(server, probes=3, clients=2, seconds=2.0, probe={**PROBE, "max_tokens": 8, "steps": 2, "forecast": False})
    assert found["failed"] == []
    assert found["probes_done"]["runs"] >= 3
    assert found["toys"]["longest_wait"] < 5


def test_a_press_is_answered_while_all_cores_compute(server) -> None:
    found = pressed(server, runs=2, seconds=3.0)
    assert min(found["presses"].values()) >= 3
    assert max(found["median"].values()) < 1


def test_a_server_holds_after_many_runs_what_it_held_before(server) -> None:
    found = soaked(server, runs=30, warm=15)
    assert found["errors"] == []
    before, after = found["before"], found["after"]
    assert after["memory"] < before["memory"] + 200 * 2**20
    assert after["children"] == before["children"]
    assert after["temporary"] <= before["temporary"]
    assert after["files"] <= before["files"] + 4
    health = server.health()
    assert health["queue"] == {name: {"running": 0, "waiting": 0} for name in ("short", "long")}
    assert health["memory"]["promised_bytes"] == 0
    assert health["last_error"] is None


def test_a_reader_that_leaves_ends_its_run(server) -> None:
    stream = server.read("toy", server.post("toy", LONG))
    while next(stream)[1][0]["kind"] != "measured":
        pass
    stream.close()
    ended = time.monotonic() + MINUTES
    while server.health()["queue"]["long"]["running"] and time.monotonic() < ended:
        time.sleep(0.2)
    assert server.health()["queue"]["long"]["running"] == 0


def ends_when_told(server, number) -> None:
    """A server that is told to end tells its readers, and leaves nothing."""
    streams = [server.read("toy", server.post("toy", LONG)), server.read("sweep", server.post("sweep", SWEEP))]
    for stream in streams:
        next(stream)
    began = time.monotonic()
    server.process.send_signal(number)
    *_, (kind, last) = streams[0]
    assert kind == "error"
    assert "the server is being shut down" in last["error"]
    assert server.process.wait(60) == 0
    assert time.monotonic() - began < 15, "5 s on a machine that does nothing else"
    assert not [path for path in (server.folder / "tmp").rglob("*") if path.is_file()]
    left = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_what_a_killed_server_had_finished_is_found_again_by_one_that_ends_when_told(tmp_path) -> None:
    store = tmp_path / "cells.sqlite"
    sweep = {**SWEEP, "base": {**SWEEP["base"], "steps": 400}}
    with served(REGIME_STORE=str(store)) as server:
        for _, data in server.read("sweep", server.post("sweep", sweep)):
            if data[0]["kind"] == "measured":
                break
        server.process.kill()
        server.process.wait()
    with sqlite3.connect(store) as cells:
        (kept,) = cells.execute("select count(*) from cells").fetchone()
    with served(REGIME_STORE=str(store)) as server:
        events = [data[0] for _, data in server.read("sweep", server.post("sweep", sweep))]
        started = next(event for event in events if event["kind"] == "started")
        assert started["found"] == kept
        assert kept >= 1
        assert events[-1]["kind"] == "finished"
        ends_when_told(server, signal.SIGTERM)


def test_a_damaged_store_is_set_aside_and_begun_anew_every_run_is_logged_without_its_rows_and_an_interrupt_ends_all(
    tmp_path,
) -> None:
    store = tmp_path / "cells.sqlite"
    Store(store)
    with store.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (store.stat().st_size - 100))
    rows = "size,kind\n" + "".join(f"{k},{'secretword'[: 3 + k % 5]}\n" for k in range(48))
    own = {**TOY, "task": "own", "csv": rows, "samples": 16, "test_samples": 16, "probe_samples": 8}
    with served(REGIME_STORE=str(store)) as server:
        assert server.run("sweep", SWEEP)[0] == "complete"
        assert server.run("toy", own)[0] == "complete"
        server.run("toy", {"width": -1})
        lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
        assert [(line["run"], line["outcome"]) for line in lines] == [("sweep", "finished"), ("toy", "finished")]
        assert all(len(line["config"]) == 12 for line in lines)
        assert "secret" not in server.log
        assert server.health()["runs"] == {"sweep": {"finished": 1}, "toy": {"finished": 1}}
        ends_when_told(server, signal.SIGINT)
    assert any(path.read_bytes()[100:].startswith(b"\xff" * 100) for path in tmp_path.iterdir() if path != store)


def test_without_room_for_a_store_the_page_and_toys_work_and_what_memory_is_short_for_is_refused(tmp_path) -> None:
    folder = tmp_path / "none"
    folder.write_text("a file where a folder is expected")
    with served(REGIME_STORE=str(folder / "cells.sqlite"), REGIME_MAX_BYTES="50000000") as server:
        kind, said = server.run("sweep", SWEEP)
        assert kind == "error"
        assert "the server's store of cells cannot be used" in said["error"]
        assert str(tmp_path) not in said["error"]
        assert server.run("toy", TOY)[0] == "complete"
        assert b"Lazy or rich" in server.get("/")
        kind, said = server.run("probe", PROBE)
        assert kind == "error"
        assert "needs" in said["error"]
        assert "0.05 GB" in said["error"]


def test_every_answer_says_what_the_page_never_does(server) -> None:
    for path in ("/", "/health", "/config"):
        with urlopen(server.url + path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "object-src 'none'" in answer.headers["Content-Security-Policy"]

"""Sweeps over a Dask scheduler and its workers, all on this machine."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO

import pytest

import regime
from regime import ConfigError, SweepConfig, ToyConfig
from regime.sweep import cluster
from regime.sweep.cluster import Cluster
from tests.conftest import ROOT
from tests.load.server import free_port

TINY = ToyConfig(samples=16, test_samples=8, probe_samples=8, steps=400, measure_every=100, seeds=2)
MAP = SweepConfig(base=TINY, axes={"width": [8, 16, 24, 32, 40, 48], "alpha": [0.5, 1.0, 2.0]})


def dask(kind: str, *arguments: str, said: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen:
    command = [sys.executable, "-m", "distributed.cli." + kind, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)


@contextmanager
def scheduler() -> Iterator[tuple[str, subprocess.Popen]]:
    """A scheduler, still without workers: its address and its process."""
    pytest.importorskip("distributed")
    port = free_port()
    with tempfile.TemporaryFile() as said:
        process = dask("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", said=said)
        try:
            for _ in range(600):
                with closing(socket.socket()) as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None:
                    said.seek(0)
                    pytest.fail(said.read().decode())
                time.sleep(0.1)
            yield f"tcp://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with scheduler() as (address, _):
        yield address


@pytest.fixture(scope="module")
def alone() -> regime.SweepReport:
    """What this machine makes of the map."""
    return regime.run(MAP)


@pytest.fixture(scope="module")
def started() -> Iterator[list[subprocess.Popen]]:
    """Workers, as far as tests have asked for any."""
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(20)


@pytest.fixture
def workers(address: str, started: list[subprocess.Popen], tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.Popen]:
    """Two that live: those of the test before, and others for those that it has killed."""
    there = [process for process in started if process.poll() is None]
    for _ in range(2 - len(there)):
        folder = str(tmp_path_factory.mktemp("worker"))
        there.append(
            dask("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder)
        )
        started.append(there[-1])
    with closing(Cluster(address)) as known:
        known.client.wait_for_workers(2, timeout=60)
    return there


def over(address: str, **fields: object) -> SweepConfig:
    return MAP.model_copy(update={"engine": "dask", "scheduler": address, **fields})


@pytest.mark.usefixtures("workers")
def test_a_cluster_gives_what_this_machine_gives(address, alone, tmp_path):
    report = regime.run(over(address, store=str(tmp_path / "cells.sqlite")))
    assert report.provenance.workers == 2
    assert [cell.key for cell in report.cells] == [cell.key for cell in alone.cells]
    for cell, other in zip(report.cells, alone.cells, strict=True):
        assert cell.measures["kernel_change"] == pytest.approx(other.measures["kernel_change"], rel=1e-3)
        assert cell.measures["train_loss"] == pytest.approx(other.measures["train_loss"], rel=1e-3)
    again = regime.run(MAP.model_copy(update={"store": str(tmp_path / "cells.sqlite")}))
    assert again.provenance.found == MAP.size


@pytest.mark.usefixtures("workers")
def test_what_is_canceled_stops(address):
    """Tasks that wait are forgotten, and those that run stop, so that the workers are soon free for others."""
    long = over(address, base=TINY.model_copy(update={"steps": 100_000, "measure_every": 1000}))
    with closing(regime.stream(long)) as events:
        for event in events:
            if event.kind == "progress" and event.seconds > 2:
                break
    with closing(Cluster(address)) as known:
        for _ in range(100):
            if not any(known.client.processing().values()):
                break
            time.sleep(0.1)
        assert not any(known.client.processing().values())
        began = time.perf_counter()
        known.client.submit(int, "7").result(timeout=30)
        known.client.gather(known.client.map(abs, range(4), pure=False))
        assert time.perf_counter() - began < 10


def test_a_lost_worker_loses_no_cell(address, alone, workers):
    events = []
    for event in regime.stream(over(address)):
        events.append(event)
        if event.kind == "measured" and event.step == 3:
            workers[0].send_signal(signal.SIGKILL)
    assert workers[0].poll() is not None
    report = regime.SweepReport.from_dict(events[-1].report)
    assert [cell.status for cell in report.cells] == ["finished"] * MAP.size
    for cell, other in zip(report.cells, alone.cells, strict=True):
        assert cell.measures["kernel_change"] == pytest.approx(other.measures["kernel_change"], rel=1e-3)


def test_a_scheduler_that_goes_away_ends_the_sweep():
    """Its batches wait for workers that never come; the run says so at once."""
    with scheduler() as (address, process):
        events = regime.stream(over(address))
        assert next(events).kind == "started"
        process.kill()
        began = time.perf_counter()
        with pytest.raises(ConfigError, match="the scheduler went away"):
            list(events)
        assert time.perf_counter() - began < 30


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:{free}", "nonsense"])
def test_a_scheduler_that_is_not_there_is_told_of_in_time(where):
    pytest.importorskip("distributed")
    began = time.perf_counter()
    with pytest.raises(ConfigError, match=r"scheduler = .* does not answer"):
        regime.run(over(where.replace("{free}", str(free_port()))))
    assert time.perf_counter() - began < 10


def test_a_scheduler_has_to_be_named(monkeypatch):
    monkeypatch.delenv(cluster.VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="REGIME_SCHEDULER"):
        regime.run(MAP.model_copy(update={"engine": "dask"}))

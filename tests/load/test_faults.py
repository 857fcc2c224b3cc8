"""A full disk, a clock that jumps, no memory: each is told in a line, and nothing that has finished is lost."""

import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import regime
from regime.composer.session import Session
from regime.sweep.store import Store
from tests.load.server import served

TOY = {"width": 32, "steps": 20, "samples": 32, "seeds": 2, "measure_every": 5}
SWEEP = {"base": {"width": 16, "steps": 10, "samples": 32}, "axes": {"alpha": [0.1, 1.0], "width": [16, 32]}, "seeds": 2}
LARGE = {"width": 2048, "samples": 256, "steps": 4, "seeds": 4}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte of which nothing is free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk of a given size can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left"):
            (disk / "rest").write_bytes(bytes(2**21))
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_nothing_is_saved_by_halves_and_what_was_there_stays(full: Path) -> None:
    report = regime.run(regime.ToyConfig(**TOY))
    session = Session(regime.ToyConfig(**TOY))
    for _ in session.stream(measurements=1):
        pass
    before = sorted(full.iterdir())
    for name, save in (("report", report.save), ("run", session.save), ("kernels", session.save_kernels)):
        with pytest.raises(OSError, match="No space left"):
            save(full / name)
    assert [path for path in full.rglob("*") if path.is_file()] == before
    (full / "rest").unlink()
    session.save(full / "session")
    assert list(Session.load(full / "session").stream())[-1].kind == "finished"


def test_a_sweep_whose_store_is_full_ends_with_all_its_cells(full: Path) -> None:
    (full / "rest").write_bytes(bytes(2**15))
    Store(full / "cells.sqlite")
    with served(REGIME_STORE=str(full / "cells.sqlite")) as server:
        kind, data = server.run("sweep", SWEEP)
        assert (kind, len(data[0]["report"]["cells"])) == ("complete", 4)
        assert server.run("toy", TOY)[0] == "complete"


def test_a_server_whose_temporary_folder_is_full_computes(full: Path) -> None:
    with served(TMPDIR=str(full), GRADIO_TEMP_DIR=str(full)) as server:
        assert server.run("toy", TOY)[0] == "complete"
        assert server.run("sweep", SWEEP)[0] == "complete"
        assert b"Lazy or rich?" in server.get("/")


def test_a_run_that_gets_no_memory_says_so_and_leaves_the_server_well() -> None:
    with served() as server:
        server.run("toy", TOY)
        used = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_AS)
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (used + 100 * 2**20, limits[1]))
        kind, said = server.run("toy", LARGE)
        assert kind == "error"
        assert "the server has no memory for it" in str(said)
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, limits)
        assert server.run("toy", TOY)[0] == "complete"
        assert server.health()["memory"]["promised_bytes"] == 0


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_run_does_not_mind_a_clock_that_jumps(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    true, since = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: true() + jump * (time.monotonic() - since > 0.05))
    report = regime.run(regime.ToyConfig(**TOY))
    assert 0 < report.provenance.seconds < 600
    assert all(0 <= row.seconds < 600 for row in report.history)

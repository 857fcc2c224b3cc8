"""What a container leaves to a process, from folders such as Linux has."""

import os
from pathlib import Path

import pytest
import torch

from regime.resources import container
from regime.resources.container import cores, keep_to_cores, memory_left
from regime.resources.device import free_memory, machine

NESTED = "0::/system.slice/job_7/step_0\n"
DOCKER = "11:cpuacct,cpu:/docker/f00d\n9:memory:/docker/f00d\n1:name=systemd:/docker/f00d\n0::/\n"
CASES = {
    "no limits": ("0::/\n", {"cpu.max": "max 100000", "memory.max": "max", "memory.current": "9", "memory.stat": ""}, 64, []),
    "a container": (
        "0::/\n",
        {
            "cpu.max": "200000 100000\n",
            "memory.max": "1000\n",
            "memory.current": "700\n",
            "memory.stat": "anon 9\ninactive_file 300\n",
        },
        2,
        [600],
    ),
    "a job, limited further out": (
        NESTED,
        {
            "system.slice/job_7/cpu.max": "765000 100000",
            "system.slice/job_7/step_0/cpu.max": "max 100000",
            "system.slice/job_7/memory.max": "1000",
            "system.slice/job_7/memory.current": "400",
            "system.slice/job_7/memory.stat": "file 5\ninactive_file 0",
            "system.slice/job_7/step_0/memory.max": "max",
            "system.slice/job_7/step_0/memory.current": "400",
            "system.slice/job_7/step_0/memory.stat": "inactive_file 0",
        },
        7,
        [600],
    ),
    "version 1, seen from within": (
        DOCKER,
        {
            "cpu/cpu.cfs_quota_us": "50000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "1000",
            "memory/memory.usage_in_bytes": "900",
            "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 400",
        },
        1,
        [500],
    ),
    "version 1 without limits": (
        DOCKER,
        {
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
        64,
        [],
    ),
    "not Linux": (None, {}, 64, []),
}


@pytest.mark.parametrize(("own", "files", "count", "left"), CASES.values(), ids=CASES)
def test_limits_are_those_of_the_groups_around_a_process(
    own: str | None, files: dict[str, str], count: int, left: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if own is not None:
        (tmp_path / "own").write_text(own)
    monkeypatch.setattr(container, "GROUPS", tmp_path)
    monkeypatch.setattr(container, "OWN", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert cores() == count
    assert memory_left() == left
    assert free_memory(torch.device("cpu")) <= min([2**60, *left])
    machine.cache_clear()
    assert f", {count} cores" in machine()
    machine.cache_clear()


@pytest.mark.parametrize(("visible", "set_before", "threads"), [(64, None, "2"), (64, "5", "5"), (2, None, None)])
def test_torch_takes_no_more_threads_than_there_are_cores_to_keep_busy(
    visible: int, set_before: str | None, threads: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "cores", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: visible)
    monkeypatch.setenv("OMP_NUM_THREADS", set_before or "")
    if set_before is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    keep_to_cores()
    assert os.environ.get("OMP_NUM_THREADS") == threads

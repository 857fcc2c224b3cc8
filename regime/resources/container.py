"""What a container or a batch job leaves to this process: cores and memory, as Linux's control groups limit them.

A container sees all cores and all memory of its machine. One that takes a thread for each core is stopped as soon as its share
of a tenth of a second is used up, and one that takes more memory than its limit is killed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MEMORY = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""In version 2 of control groups, and in 1: the limit, what is in use, and what of that are files that can be read again."""
UNLIMITED = 2**60
"""What version 1 has where nothing is limited is larger."""
PROCESSOR = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""In both versions: microseconds of processor time in each period, and the period."""


def cores() -> int:
    """Return how many cores this process can keep busy: those that it may run on, or as many as its processor time pays for."""
    found = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for folder in _groups("cpu"):
        given = [words for names in PROCESSOR if (words := _words(folder, *names))]
        found += [int(time) // int(period) for time, period in given if time.isdigit()]  # else "max", or -1
    return max(1, min(found))


def keep_to_cores() -> None:
    """Have torch, when it loads, take a thread for each of `cores` where it sees more; OMP_NUM_THREADS goes first."""
    if cores() < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def memory_left() -> list[int]:
    """Return the bytes that each limit on this process leaves, files that can be read again counted as free."""
    left = []
    for folder in _groups("memory"):
        for limit, used, again in MEMORY:
            most = _words(folder, limit)
            if most and most[0].isdigit() and int(most[0]) < UNLIMITED and (now := _words(folder, used, "memory.stat")):
                files = dict(zip(now[1::2], now[2::2], strict=True)).get(again, 0)
                left.append(int(most[0]) - int(now[0]) + int(files))
    return left


def _words(folder: Path, *names: str) -> list[str]:
    """Words of files of these names; none where one is not there."""
    try:
        return " ".join((folder / name).read_text(encoding="utf-8") for name in names).split()
    except OSError:
        return []


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the groups that this process is in, and of those around them; in a container, that of all it holds.

    In version 2, groups are of all controllers, of which their lines name none. In version 1, folders of several controllers
    can be found by the name of each, and only the kernel knows in which order their own names have them.
    """
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or not controllers:
            own = Path(path.lstrip("/"))
            for folder in (own, *own.parents):
                yield GROUPS / (controllers and controller) / folder

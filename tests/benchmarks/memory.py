"""The peak of a process's memory while it does one thing, measured in a fresh process. Linux only.

`ru_maxrss` would not do: a process inherits it from the one that started it, and loading a model raises it for good. The
kernel's high-water mark (VmHWM) can be reset, so it is, just before the thing is done.
"""

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def peak(prepare: Callable[..., Callable[[], object]], *args: object, threads: int, fresh: bool = True) -> int:
    """Bytes by which memory rises at most during the call that `prepare(*args)` returns, above what it was before.

    What the call returns is held until the peak is read. `prepare` is a function of a module: it runs in the fresh process,
    or in this one, which costs no start and says less.
    """
    if not fresh:
        return _measure(prepare, args, threads)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure, prepare, args, threads).result()


def _measure(prepare: Callable[..., Callable[[], object]], args: tuple[object, ...], threads: int) -> int:
    torch.set_num_threads(threads)
    call = prepare(*args)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or the call would reuse what preparing freed, and seem to need less
    RESET.write_text(RESET_PEAK)
    before = status("VmRSS")
    result = call()
    after = status("VmHWM")
    del result
    return after - before


def status(field: str) -> int:
    """Return a field of this process's status, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])

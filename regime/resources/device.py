"""The machine a run happens on: which device, and how fast it multiplies."""

import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from regime.errors import ConfigError
from regime.resources.container import cores, memory_left
from regime.resources.process import full_precision
from regime.resources.processor import of_processor

ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
"""Whether this is a Space whose GPU is lent to one function at a time, in a process of its own."""
SHARE = 0.9
"""Of the free memory that a run may take."""
MMAP_THRESHOLD, TRIM_THRESHOLD, HEAPS = -3, -1, -8
"""glibc's settings: bytes from which memory is mapped by itself, and of a heap's free end it gives back; heaps."""
_lent = False


def lend() -> None:
    """Say that this process has been lent the Space's GPU."""
    global _lent
    _lent = True


def _has_cuda() -> bool:
    return torch.cuda.is_available() and (_lent or not ZERO_GPU)


def pick_device(name: str) -> torch.device:
    """The device a configuration names; "auto" is CUDA where there is one, and where it is lent, while it is.

    Raises:
        ConfigError: "cuda" where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if _has_cuda() else "cpu")
    if name == "cuda" and not _has_cuda():
        raise ConfigError("device = 'cuda' is not allowed: this machine has no CUDA device; allowed: 'auto', 'cpu'")
    return torch.device(name)


@cache
def matmul_rate(device: torch.device) -> float:
    """Floating-point operations a second in a 1024-cubed fp32 matmul, as runs take them, the best of three; measured once."""
    a = torch.ones(1024, 1024, dtype=torch.float32, device=device)
    best = float("inf")
    with full_precision():
        for _ in range(3):
            start = time.perf_counter()
            (a @ a)[0, 0].item()
            best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best


def free_memory(device: torch.device) -> int:
    """Bytes that are free now: of the GPU, or of this machine or the container it runs in, whichever has less."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, to give out again
        return torch.cuda.mem_get_info(device)[0] + kept
    import psutil

    return max(0, min([psutil.virtual_memory().available, *memory_left()]))


@contextmanager
def compact_memory() -> Iterator[None]:
    """Give the memory of freed tensors back to the system at once, meanwhile.

    glibc keeps tensors of up to 32 MiB in one heap, where those that live on leave holes between them: a fourth of what a
    forward pass holds (measured). A mapping of its own for every tensor leaves none, and costs page faults.
    """
    if (libc := _glibc()) is None:
        yield
        return
    libc.malloc_trim(0)
    libc.mallopt(MMAP_THRESHOLD, 2**17)
    try:
        yield
    finally:  # to what it comes to by itself when large tensors are freed
        libc.mallopt(MMAP_THRESHOLD, 2**25)
        libc.mallopt(TRIM_THRESHOLD, 2**26)


@cache
def share_memory() -> None:
    """Have all threads take memory from one heap, where the C library is glibc.

    Each has its own, which others cannot take from: a run in a thread took twice its memory, and a server that had run 120
    held four times what it used.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(HEAPS, 1)


def trim_memory() -> None:
    """Give memory that was freed back to the system, where the C library is glibc; takes some milliseconds."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "mallopt") else None


@cache
def machine() -> str:
    """Return what this process computes on, in words: the processor and its cores, and the GPU where there is one."""
    model = of_processor("model name")
    gpu = f", {torch.cuda.get_device_name()}" if _has_cuda() else ""
    return f"{model or platform.processor() or platform.machine()}, {cores()} cores{gpu}"


def resident_memory() -> int:
    """Return the bytes of memory that this process holds now."""
    import psutil

    return psutil.Process().memory_info().rss

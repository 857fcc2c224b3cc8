"""What a benchmark ran on, as written beside its results."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "transformers", "numpy")
THREADING = ("OMP_", "GOMP_", "KMP_", "MKL_", "XLA_")
"""How variables begin that change how threads work or wait."""
BUSY = 0.3
"""Load average, as a share of the cores, above which a run is noted as disturbed."""


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def environment() -> dict[str, object]:
    """The machine, the versions, and the load now, before anything is timed."""
    load = os.getloadavg()[0]
    return (
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpu": _cpu(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "cores": cores(),
            "threads": torch.get_num_threads(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "load_average_at_start": round(load, 2),
            "idle_at_start": load <= BUSY * cores(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "commit": _commit(),
            "thread_settings": {name: value for name, value in os.environ.items() if name.startswith(THREADING)},
        }
        | {name: version(name) for name in PACKAGES}
        | _gpu()
    )


def _gpu() -> dict[str, object]:
    """The first GPU, where there is one."""
    if not torch.cuda.is_available():
        return {}
    properties = torch.cuda.get_device_properties(0)
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    driver = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    memory = round(properties.total_memory / 2**30, 1)
    return {"gpu": properties.name, "gpu_memory_gib": memory, "driver": driver, "cuda": torch.version.cuda}


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    names = {"model name": "", "cpu family": "family ", "model": "model "}
    return ", ".join(prefix + fields[name] for name, prefix in names.items() if name in fields) or platform.processor()


def _commit() -> str:
    """The commit of the checkout, marked where the package's code differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "regime") else "")

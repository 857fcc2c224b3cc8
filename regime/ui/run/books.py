"""What the owner of a server may know: one line a run in the log, and figures of use; no rows, no addresses."""

import hashlib
import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import gradio as gr
import torch

from regime.errors import ConfigError
from regime.resources.device import free_memory, resident_memory
from regime.resources.memory import MEMORY
from regime.ui.run.frames import without_rows
from regime.ui.run.slots import POOLS
from regime.version import __version__

log = logging.getLogger(__name__)


class Books:
    """Counts of runs by kind and outcome, since the server began."""

    def __init__(self) -> None:
        """Begin with none."""
        self._began = time.time()
        self._lock = Lock()
        self._runs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._seconds = 0.0
        self._error: dict[str, Any] | None = None

    @contextmanager
    def entry(self, run: Mapping[str, Any]) -> Iterator[None]:
        """Note how a run of a kind ends: finished, left (held, or its reader gone), refused, or failed; the log gets a hash."""
        kind = run["kind"]
        began, outcome = time.perf_counter(), "finished"
        try:
            yield
        except GeneratorExit:
            outcome = "left"
            raise
        except (ConfigError, gr.Error):
            outcome = "refused"
            raise
        except Exception as error:
            outcome = "failed"
            self._error = {"class": type(error).__name__, "time": _clock(time.time())}
            raise
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._runs[kind][outcome] += 1
                self._seconds += seconds
            line = {"run": kind, "config": digest(run), "seconds": round(seconds, 3), "outcome": outcome}
            log.info(json.dumps({"time": _clock(time.time()), **line}))

    def health(self) -> dict[str, Any]:
        """Return how the server is: version, queue, memory, runs since it began, and the class of the last error."""
        with self._lock:
            runs = {kind: dict(outcomes) for kind, outcomes in sorted(self._runs.items())}
        pools = {"short": POOLS[True], "long": POOLS[False]}
        return {
            "version": __version__,
            "since": _clock(self._began),
            "queue": {name: {"running": pool.running, "waiting": pool.waiting} for name, pool in pools.items()},
            "memory": {
                "used_bytes": resident_memory(),
                "free_bytes": free_memory(torch.device("cpu")),
                "promised_bytes": MEMORY.promises("cpu"),
            },
            "runs": runs,
            "run_seconds": round(self._seconds, 1),
            "last_error": self._error,
        }


def digest(config: Mapping[str, Any]) -> str:
    """Return twelve digits that are the same for the same configuration, whatever its rows."""
    return hashlib.sha256(json.dumps(without_rows(config), sort_keys=True, default=str).encode()).hexdigest()[:12]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


BOOKS = Books()

"""Sessions of visitors' runs: plain ones, sweeps that share a store of cells, and runs on Spaces with ZeroGPU.

There a GPU is lent to a function for so many seconds, in a forked process of its own. What goes in and comes out is pickled,
and nothing set inside comes back. So a run there cannot be held: continued, it begins again, with the same numbers. Toys do not
need a GPU and stay in this process.
"""

import logging
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.torch import save_file
from torch import Tensor

import regime
from regime.config import RunConfig, Runnable, shared_config
from regime.errors import ConfigError
from regime.record.events import Event
from regime.resources.device import ZERO_GPU, lend
from regime.resources.limits import limits
from regime.sweep.store import Store
from regime.sweep.sweep import Sweep

LEAST, MOST = 15, 120
"""Least and most seconds to ask for."""
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
log = logging.getLogger(__name__)


def lease_seconds(fields: dict[str, Any], measurements: int | None = None) -> int:
    """Return how long to ask for a GPU: the run's time on this machine's CPU, within what may be asked for."""
    del measurements
    return int(min(MOST, max(LEAST, regime.estimate(shared_config(fields)).seconds)))


def lent_events(fields: dict[str, Any], measurements: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield a run's events as dicts; after the last one, its kernels."""
    lend()
    session = regime.Session(shared_config(fields))
    for event in session.stream(measurements):
        yield event.to_dict()
    if session.finished:
        yield {"kind": "kernels", "kernels": session.kernels()}


if ZERO_GPU:
    import spaces

    lent_events = spaces.GPU(lent_events, duration=lease_seconds)


def is_lent(kind: str) -> bool:
    """Return whether a run of this kind has a GPU lent: its time goes on while the run stands in line between two spells."""
    return ZERO_GPU and kind in ("probe", "checkpoints")


class Rented:
    """A session whose run happens on a lent GPU."""

    def __init__(self, config: RunConfig) -> None:
        self.config, self.finished = config, False
        self._kernels: dict[str, Tensor] = {}

    def stream(self, measurements: int | None = None) -> Iterator[Event]:
        """Yield the events, from the start."""
        for fields in lent_events(self.config.to_dict(), measurements):
            if fields["kind"] == "kernels":
                self._kernels = fields["kernels"]
                continue
            event = EVENT.validate_python(fields)
            self.finished = event.kind == "finished"
            yield event

    def save_kernels(self, path: str) -> None:
        """Save the kernels of the finished run as `regime.Session.save_kernels` does."""
        save_file({name: kernel.contiguous() for name, kernel in self._kernels.items()}, path)


@cache
def store() -> Store:
    """Return the store in the file that REGIME_STORE names, else in one that is gone with this process.

    Raises:
        ConfigError: the file cannot be used; the message does not name it, since visitors see it.
    """
    try:
        return Store(limits().store or str(Path(_folder().name) / "cells.sqlite"), renew=True)
    except ConfigError:
        log.exception("REGIME_STORE cannot be used")
        raise ConfigError("the server's store of cells cannot be used; the cause is in its log") from None


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="regime-")


def new_session(config: Runnable) -> regime.Session | Rented | Sweep:
    """Return a session of a visitor's configuration where it is best run; nobody chooses files or addresses of the server's.

    Where the store of cells is full, its cells are still found, and new ones are kept for as long as the run is.

    Raises:
        ConfigError: a part of one's own, a file or an address is named, there are too many cells, or the store cannot be used.
    """
    config.without_own()
    if config.kind != "sweep":
        return Rented(config) if is_lent(config.kind) else regime.Session(config)
    for name in ("store", "scheduler"):
        if (value := getattr(config, name)) is not None:
            raise ConfigError(f"{name} = {value!r:.80} is not allowed on a server; allowed: null, it has its own")
    known = store()
    known.full = known.path.stat().st_size > limits().store_bytes
    return Sweep(config, known)

"""The store of cells that a server's sweeps share, so that each is computed once."""

import logging
import tempfile
from functools import cache
from pathlib import Path

from regime.config import SweepConfig
from regime.errors import ConfigError
from regime.resources.limits import limits
from regime.sweep.store import Store
from regime.sweep.sweep import Sweep

log = logging.getLogger(__name__)


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


def shared_sweep(config: SweepConfig) -> Sweep:
    """Return a sweep for a visitor, who chooses neither files nor addresses of the server's.

    Where the store of cells is full, its cells are still found, and new ones are kept for as long as the run is.

    Raises:
        ConfigError: a file or an address is asked for, there are too many cells, or the store cannot be used.
    """
    for name in ("store", "scheduler"):
        if (value := getattr(config, name)) is not None:
            raise ConfigError(f"{name} = {value!r:.80} is not allowed on a server; allowed: null, it has its own")
    known = store()
    known.full = known.path.stat().st_size > limits().store_bytes
    return Sweep(config, known)

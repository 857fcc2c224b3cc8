"""What a server's sweeps share: one store, so that a cell is there for all, and for a run that goes on."""

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
    """In the file that REGIME_STORE names, else in one that is gone with this process.

    Raises:
        ConfigError: it cannot be used; where it is, visitors are not told.
    """
    try:
        return Store(limits().store or str(Path(_folder().name) / "cells.sqlite"))
    except ConfigError:
        log.exception("REGIME_STORE cannot be used")
        raise ConfigError("the server's store of cells cannot be used; the cause is in its log") from None


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="regime-")


def shared_sweep(config: SweepConfig) -> Sweep:
    """A sweep for a visitor, who chooses neither files nor addresses of the server's.

    Where the store is full, its cells are still found, and new ones are kept for as long as the run is.

    Raises:
        ConfigError: one is asked for, there are too many cells, or the store cannot be used.
    """
    for name in ("store", "scheduler"):
        if (value := getattr(config, name)) is not None:
            raise ConfigError(f"{name} = {value!r:.80} is not allowed on a server; allowed: null, it has its own")
    known = store()
    known.full = known.path.stat().st_size > limits().store_bytes
    return Sweep(config, known)

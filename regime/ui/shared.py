"""What a server's sweeps share: one store, so that a cell is there for all, and for a run that goes on."""

import tempfile
from functools import cache
from pathlib import Path

from regime.config import ConfigError, SweepConfig
from regime.limits import limits
from regime.sweep.store import Store
from regime.sweep.sweep import Sweep


@cache
def store() -> Store:
    """In the file that REGIME_STORE names, else in one that is gone with this process."""
    path = limits().store or str(Path(_folder().name) / "cells.sqlite")
    return Store(path)


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="regime-")


def shared_sweep(config: SweepConfig) -> Sweep:
    """A sweep for a visitor, who chooses neither files nor addresses of the server's.

    Raises:
        ConfigError: one is asked for, or there are too many cells.
    """
    for name in ("store", "scheduler"):
        if (value := getattr(config, name)) is not None:
            raise ConfigError(f"{name} = {value!r:.80} is not allowed on a server; allowed: null, it has its own")
    return Sweep(config, store())

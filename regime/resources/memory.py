"""Memory promised to runs that go on, so that two that begin at once do not both count the same free bytes."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

from regime.errors import ConfigError
from regime.resources.device import SHARE, free_memory
from regime.resources.limits import limits


class Ledger:
    """What was free when nothing ran, and what of it is promised, by kind of device."""

    def __init__(self) -> None:
        """Begin with nothing promised."""
        self._lock = Lock()
        self._promised: Counter[str] = Counter()
        self._free: dict[str, int] = {}

    def room(self, device: torch.device) -> int:
        """Return the bytes that one more run may take: a share of those that are neither in use nor promised."""
        with self._lock:
            return self._room(device)

    def promises(self, device: str) -> int:
        """Return the bytes that are promised now, of a kind of device."""
        return self._promised[device]

    def _room(self, device: torch.device) -> int:
        free, promised = free_memory(device), self._promised[device.type]
        if not promised:
            self._free[device.type] = free
        # Runs that go on have taken some of their bytes already: those must not be counted twice.
        room = int(SHARE * min(free, self._free[device.type] - promised))
        return max(0, min(room, limits().max_bytes or room))

    @contextmanager
    def promised(self, needed: int, device: torch.device, run: str = "the run", mend: str = "a smaller run") -> Iterator[None]:
        """Keep bytes for one run until it ends or is let go.

        Args:
            needed: bytes that the run takes at most.
            device: where it takes them.
            run: what it is called.
            mend: what would need less.

        Raises:
            ConfigError: there are not so many.
        """
        with self._lock:
            room = self._room(device)
            if needed > room:
                promised = self._promised[device.type]
                others = f": {promised / 1e9:.2g} GB more are promised to runs that go on" if promised else ""
                later = ", or the same when they have ended" if promised else ""
                raise ConfigError(
                    f"{run} needs {needed / 1e9:.2g} GB, and there are {room / 1e9:.2g} GB for it{others}; "
                    f"allowed: {mend}{later}"
                )
            self._promised[device.type] += needed
        try:
            yield
        finally:
            with self._lock:
                self._promised[device.type] -= needed


MEMORY = Ledger()

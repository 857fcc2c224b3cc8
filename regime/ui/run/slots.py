"""Who computes when: two pools of slots, for short runs and for long ones, each first come, first served.

A run that waits tells its place. It never waits for runs of the other pool: a toy of two seconds begins beside two long probes.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic

from regime.config import Runnable
from regime.errors import ConfigError
from regime.record.events import Queued

SLOTS = 2
"""Runs of one pool that compute at once."""
WAITING = 32
"""Runs of one pool that may wait."""
SHORT = 8.0
"""Seconds that a short run takes at most, as reckoned from its configuration for a machine of the RATE."""
RATE = 2e11
"""Operations of a matmul a second: of two cores, whatever else they do now."""
PACE = 0.5
"""Seconds after which a run that waits tells its place again: a reader that has left is noticed then."""
RECENT = 0.3
"""Weight of the newest run in what runs are expected to take."""


class Pool:
    """Some slots, and the runs that wait for one."""

    def __init__(self, slots: int = SLOTS, waiting: int = WAITING) -> None:
        self._slots, self._most = slots, waiting
        self._running = 0
        self._line: deque[object] = deque()
        self._visitors: dict[object, str] = {}
        self._moved = Condition()
        self._usual: float | None = None

    @contextmanager
    def turn(self, visitor: str | None = None) -> Iterator[Iterator[Queued]]:
        """Wait for a slot and hold it: yields what to tell while waiting, an iterator that ends when the slot is there.

        Args:
            visitor: who asks, so that nobody has two runs waiting; None: nobody knows.

        Raises:
            ConfigError: the line is full, or the visitor stands in it.
        """
        ticket = object()
        with self._moved:
            self._join(ticket, visitor)
        began: list[float] = []
        try:
            yield self._waiting(ticket, began)
        finally:
            with self._moved:
                if began:
                    self._running -= 1
                    took = monotonic() - began[0]
                    self._usual = took if self._usual is None else (1 - RECENT) * self._usual + RECENT * took
                else:
                    self._leave(ticket)
                self._moved.notify_all()

    def _join(self, ticket: object, visitor: str | None) -> None:
        free = self._running + len(self._line) < self._slots
        if not free and len(self._line) >= self._most:
            raise ConfigError(f"the queue is full: {len(self._line)} runs wait; try again in a while")
        if not free and visitor is not None and visitor in self._visitors.values():
            raise ConfigError("a run of yours waits already; allowed: one at a time, end it or let it begin first")
        self._line.append(ticket)
        if visitor is not None:
            self._visitors[ticket] = visitor

    def _leave(self, ticket: object) -> None:
        self._line.remove(ticket)
        self._visitors.pop(ticket, None)

    def _waiting(self, ticket: object, began: list[float]) -> Iterator[Queued]:
        told = 0
        while True:
            with self._moved:
                place = self._line.index(ticket) + 1 - (self._slots - self._running)
                if place > 0 and place == told:
                    self._moved.wait(PACE)
                    place = self._line.index(ticket) + 1 - (self._slots - self._running)
                if place <= 0:
                    self._leave(ticket)
                    self._running += 1
                    began.append(monotonic())
                    return
                seconds = None if self._usual is None else self._usual * place / self._slots
            told = place
            yield Queued(place=place, seconds=seconds)


POOLS = {True: Pool(), False: Pool()}
"""For short runs, and for others."""


def pool_of(config: Runnable, runs: int = 1) -> Pool:
    """Return the pool for a run, or for so many like it."""
    return POOLS[is_short(config, runs)]


def is_short(config: Runnable, runs: int = 1) -> bool:
    """Return whether a run, or so many like it, is a toy that is reckoned to take a few seconds."""
    from regime.toy.cost import run_seconds

    if config.kind != "toy":
        return False
    return runs * run_seconds(config, sum(config.rounds), RATE) <= SHORT

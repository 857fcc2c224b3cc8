"""Who computes when: two pools of slots, for short runs and for long ones, each first come, first served.

A run that waits tells its place. It never waits for runs of the other pool: a toy of two seconds begins beside two long probes.
A run that has had its slot for a spell lets the next in line have one, and waits for its own next spell.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from heapq import heapreplace
from threading import Condition, Event
from time import monotonic

from regime.config import Runnable
from regime.errors import ConfigError
from regime.record.events import Queued
from regime.resources.device import trim_memory
from regime.resources.limits import limits

SHORT = 8.0
"""Seconds that a short run takes at most, as reckoned from its configuration for a machine of the RATE."""
RATE = 2e11
"""Operations of a matmul a second: of two cores, whatever else they do now."""
PACE, TOLD = 0.5, 16
"""Seconds after which a run that waits tells its place again, so that a reader who has left is noticed, and how often all that
wait tell theirs in a second: to send one takes 10 ms that runs would compute in."""
CLOSING = Event()
"""Set when the server ends: no run begins or goes on."""
TIDY = 10.0
"""Seconds after which memory is given back while runs compute."""
RECENT = 0.3
"""Weight of the newest run in what runs are expected to take."""


class Pool:
    """Some slots, and the runs that wait for one."""

    def __init__(self, slots: int | None = None, waiting: int | None = None) -> None:
        """Let so many runs compute at once, and so many wait; by default as many as `limits` says."""
        self._own = slots, waiting
        self._runs: set[Turn] = set()
        self._line: deque[Turn] = deque()
        self._moved = Condition()
        self._usual: float | None = None
        self._tidied = monotonic()

    @property
    def slots(self) -> int:
        """Return how many runs compute at once."""
        return limits().slots if self._own[0] is None else self._own[0]

    @property
    def running(self) -> int:
        """Return how many runs have a slot."""
        return len(self._runs)

    @property
    def waiting(self) -> int:
        """Return how many runs wait."""
        return len(self._line)

    @contextmanager
    def turn(self, visitor: str | None = None) -> Iterator["Turn"]:
        """Stand in line for a slot: iterate what is yielded until the slot is there, which is held to the end.

        Args:
            visitor: who asks, so that nobody has two runs waiting; None: nobody knows.

        Raises:
            ConfigError: the line is full, or the visitor stands in it.
        """
        turn = Turn(self, visitor)
        with self._moved:
            self._join(turn)
        try:
            yield turn
        finally:
            with self._moved:
                if turn.since is None:
                    self._line.remove(turn)
                else:
                    self._runs.remove(turn)
                    took = turn.spent + monotonic() - turn.since
                    self._usual = took if self._usual is None else (1 - RECENT) * self._usual + RECENT * took
                self._moved.notify_all()
            self._tidy()

    def _tidy(self) -> None:
        """Give back what runs have freed: when none computes, and while others do, at times, since they take it again."""
        if not computing() or monotonic() - self._tidied > TIDY:
            self._tidied = monotonic()
            trim_memory()

    def _join(self, turn: "Turn") -> None:
        most = limits().waiting if self._own[1] is None else self._own[1]
        free = self.running + len(self._line) < self.slots
        if not free and len(self._line) >= most:
            raise ConfigError(f"the queue is full: {len(self._line)} runs wait, the limit is {most}; try again in a while")
        if not free and turn.visitor is not None and any(other.visitor == turn.visitor for other in self._line):
            raise ConfigError("a run of yours waits already; allowed: one at a time, end it or let it begin first")
        self._line.append(turn)

    def _place(self, turn: "Turn") -> int:
        """Count the runs that must begin or end before this one begins; none are left at 0."""
        return self._line.index(turn) + 1 - (self.slots - self.running)

    def _seconds(self, place: int) -> float | None:
        """Return in how long a run of a place may begin: those that compute end as they say or as runs did so far, or share."""
        now, usual, spell = monotonic(), self._usual, limits().spell_seconds
        known = [(turn.since or now, turn.ends or (usual and (turn.since or now) + usual - turn.spent)) for turn in self._runs]
        if not known or (usual is None and place > 1) or any(end is None for _, end in known):
            return None
        free = sorted(min(since + spell, end) for since, end in known)
        for _ in range(place - 1):
            heapreplace(free, max(now, free[0]) + min(usual, spell))
        return max(0.0, free[0] - now)

    def wait(self, turn: "Turn") -> Iterator[Queued]:
        """Yield a run's place until it has a slot."""
        told = 0
        while True:
            go_on()
            with self._moved:
                if told:
                    pace = len(self._line) / TOLD
                    news = partial(self._news, turn, told if pace <= PACE else None)
                    self._moved.wait_for(news, max(PACE, pace))
                place = self._place(turn)
                if place <= 0:
                    self._line.remove(turn)
                    self._runs.add(turn)
                    turn.since = monotonic()
                    return
                seconds = self._seconds(place)
            told = place
            yield Queued(place=place, seconds=seconds)

    def _news(self, turn: "Turn", told: int | None) -> bool:
        """Whether a run must hear something at once: it begins, the server ends, or, in a short line, its place is another."""
        place = self._place(turn)
        return CLOSING.is_set() or place <= 0 or (told is not None and place != told)

    def wake(self) -> None:
        """Have every run that waits look again."""
        with self._moved:
            self._moved.notify_all()

    def yields(self, turn: "Turn") -> bool:
        """Put a run that has had its spell at the end of the line, if there is one; return whether it was."""
        with self._moved:
            spell = monotonic() - (turn.since or monotonic())
            if not self._line or turn.since is None or spell < limits().spell_seconds:
                return False
            turn.spent, turn.since, turn.ends = turn.spent + spell, None, None
            self._runs.remove(turn)
            self._line.append(turn)
            self._moved.notify_all()
            return True


class Turn(Iterator[Queued]):
    """A run's place in a pool: iterated, it tells the place until the slot is there."""

    def __init__(self, pool: Pool, visitor: str | None) -> None:
        """Wait in `pool` for `visitor`."""
        self.visitor = visitor
        self.since: float | None = None
        """When it got its slot; None while it waits."""
        self.ends: float | None = None
        """When it will end, as it last said."""
        self.spent = 0.0
        """Seconds in slots it had before."""
        self._pool, self._waits = pool, pool.wait(self)

    def __next__(self) -> Queued:
        """Return the place, after at most half a second."""
        return next(self._waits)

    def tell(self, left: float | None) -> None:
        """Say how many seconds are left, if they are known."""
        self.ends = self.ends if left is None else monotonic() + left

    def share(self) -> Iterator[Queued]:
        """Let the next in line have the slot after a spell; iterate what is returned until there is one again."""
        if self._pool.yields(self):
            self._waits = self._pool.wait(self)
        return self


def close() -> None:
    """Let no run begin or go on: the server ends."""
    CLOSING.set()
    for pool in POOLS.values():
        pool.wake()


def go_on() -> None:
    """Refuse to go on where the server ends; raises ConfigError."""
    if CLOSING.is_set():
        raise ConfigError("the server is being shut down; try again in a while: what has finished is kept")


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


def computing() -> int:
    """Return how many runs compute now, of both pools."""
    return sum(pool.running for pool in POOLS.values())


def busy() -> bool:
    """Return whether a run computes or waits."""
    return any(pool.running or pool.waiting for pool in POOLS.values())

"""The wall time of a run that may be held: how long it has run, when to say so, and how long it will still take."""

import time

HEARTBEAT = 0.2
"""Seconds without a measurement after which progress is sent, and between two looks at what comes from the Hub."""
TRUSTED = 0.2
"""The fraction of a run from which on its speed so far tells all, and the estimate nothing."""


class Clock:
    """A clock that can be held; it also knows when something was last said."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._began = time.perf_counter() - seconds
        self._spoke = 0.0
        self._held: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds it has been running, without those it was held."""
        return time.perf_counter() - self._began if self._held is None else self._held

    def hold(self) -> None:
        """Stand still."""
        self._held = self.seconds

    def run(self) -> None:
        """Go on from where it stands."""
        self._began, self._held = time.perf_counter() - self.seconds, None

    def due(self) -> bool:
        """Return whether it is time to say something, once every `HEARTBEAT`."""
        if self.seconds - self._spoke <= HEARTBEAT:
            return False
        self.spoke()
        return True

    @property
    def late(self) -> bool:
        """Whether what was due is long in coming."""
        return self.seconds - self._spoke > 1.5 * HEARTBEAT

    def spoke(self) -> None:
        """Take note that something was said."""
        self._spoke = self.seconds


def time_left(seconds: float, fraction: float, expected: float) -> float:
    """Return the seconds that are left: those expected in all, and, the more of it is done, the speed so far.

    Args:
        seconds: how long it has run.
        fraction: the share of the work that is done.
        expected: the estimate, in seconds.
    """
    if not fraction:
        return expected
    trust = min(1.0, fraction / TRUSTED)
    return (1 - fraction) * ((1 - trust) * expected + trust * seconds / fraction)

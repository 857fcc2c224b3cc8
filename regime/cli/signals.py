"""SIGINT and SIGTERM as an exception of the main thread: the first one ends a run in order, the second one at once."""

import signal
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The process was asked to end."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(f"interrupted by {signal.Signals(number).name}")


class Interrupts:
    """A context in which the first SIGINT or SIGTERM raises Interrupted, and the second one ends the process.

    A signal that is ignored, as a shell has it for what runs in the background, stays ignored. Outside of the main thread
    nothing is changed.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._heard: int | None = None

    def __enter__(self) -> Self:
        if current_thread() is main_thread():
            known = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: handler for number, handler in known.items() if handler is not signal.SIG_IGN}
            for number in self._before:
                signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._heard = number
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted again where it was raised in a destructor, which Python goes on after."""
        if self._heard is not None:
            raise Interrupted(self._heard)

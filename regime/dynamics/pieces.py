"""Long work as plain functions, which say now and then that they can be stopped."""

import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")
Tick = Callable[[], None]
"""Called between two pieces of work; where nobody wants more of it, it raises `StoppedError`."""


class StoppedError(BaseException):
    """Nobody wants what is computed: it ends here. No `except Exception` holds it up."""


def idle() -> None:
    """Go on at once: a tick of work that nobody stops."""


def at_once(work: Generator[object, None, Value]) -> Value:
    """Return what work that makes pauses comes to, without making any."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def in_pieces(work: Callable[[Callable[[Item], None]], None]) -> Iterator[Item]:
    """Run plain work in a thread of its own, and yield what it hands over; it waits until the next item is wanted.

    The thread and its caller take turns, so that numbers are those of a plain call. Closing the iterator ends the work where it
    hands something over.

    Args:
        work: called with a function that hands an item over.

    Raises:
        Exception: whatever the work raises.
    """
    wanted, there = threading.Semaphore(0), threading.Semaphore(0)
    items: list[Item] = []
    errors: list[BaseException] = []
    ended = stopped = False

    def hand_over(item: Item) -> None:
        items.append(item)
        there.release()
        wanted.acquire()
        if stopped:
            raise StoppedError

    def run() -> None:
        nonlocal ended
        wanted.acquire()
        try:
            if not stopped:
                work(hand_over)
        except BaseException as error:
            errors.append(error)
        ended = True
        there.release()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            wanted.release()
            there.acquire()
            if ended:
                break
            yield items.pop()
    finally:
        if not ended:
            stopped = True
            wanted.release()
        thread.join()
    for error in errors:
        raise error

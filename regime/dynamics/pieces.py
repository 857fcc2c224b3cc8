"""Long work as plain functions, which say now and then that they can be stopped."""

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from contextvars import copy_context
from typing import Generic, TypeVar

import torch

from regime.resources.device import share_memory, trim_memory

Item = TypeVar("Item")
Value = TypeVar("Value")
Tick = Callable[[], None]
"""Called between two pieces of work; where nobody wants more of it, it raises `StoppedError`."""

OFTEN, PATIENCE = 0.2, 0.5
"""Seconds after which an item is long in coming, and after which who closes leaves it behind."""


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


def with_threads(count: int) -> None:
    """Compute with so many threads in this one: each has a number of its own, and a new one the number that was set last."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


class Ahead(Generic[Item]):
    """The items of a generator, computed in a thread of their own: who waits for one can say so, or leave."""

    def __init__(self, items: Generator[Item, None, None], apart: bool = True) -> None:
        """Take a generator; not `apart`, its items are computed where they are asked for: none of them takes long."""
        self._items, self._apart, self._thread = items, apart, ThreadPoolExecutor(1)
        self._coming: Future[Item] | None = None
        if apart:
            share_memory()

    def item(self, seconds: float) -> Item | None:
        """Return the next item, or None where it is not there within so many seconds: it is the next one all the same.

        Raises:
            StopIteration: there are no more.
            BaseException: whatever computing it raises.
        """
        if not self._apart:
            return next(self._items)
        if self._coming is None:
            self._coming = self._thread.submit(copy_context().run, self._advance, torch.get_num_threads())
        if not wait([self._coming], seconds).done:
            return None
        come, self._coming = self._coming, None
        return come.result()

    def _advance(self, threads: int) -> Item:
        with_threads(threads)
        return next(self._items)

    def items(self) -> Iterator[Item | None]:
        """Yield all items, and None where one is long in coming; closed, close."""
        with closing(self):
            while True:
                try:
                    item = self.item(OFTEN)
                except StopIteration:
                    return
                yield item

    def settle(self) -> None:
        """Wait until nothing is computed."""
        wait([self._coming] if self._coming else [])

    def close(self) -> None:
        """Close the generator behind what is computed now, without waiting long: nobody can stop an operation of torch."""
        if not self._apart:
            self._items.close()
            return
        busy = self._coming is not None and not wait([self._coming], PATIENCE).done
        self._thread.submit(self._end)
        self._thread.shutdown(wait=not busy)

    def _end(self) -> None:
        self._items.close()
        trim_memory()  # whoever ended the run may have looked before it let go


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
    ended, stopped, threads = False, False, torch.get_num_threads()

    def hand_over(item: Item) -> None:
        items.append(item)
        there.release()
        wanted.acquire()
        if stopped:
            raise StoppedError

    def run() -> None:
        nonlocal ended
        wanted.acquire()
        with_threads(threads)
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

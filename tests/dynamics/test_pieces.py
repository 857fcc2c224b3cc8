"""Plain work in a thread: taken in turns, ended where nobody wants more, and as wrong as it is."""

import threading
import time
from collections.abc import Callable, Generator

import pytest
import torch

from regime.dynamics.pieces import Ahead, in_pieces


def test_items_come_in_order_and_only_when_they_are_wanted() -> None:
    made = []

    def work(hand_over: Callable[[int], None]) -> None:
        for number in range(4):
            made.append(number)
            hand_over(number)

    items = in_pieces(work)
    assert made == []
    assert next(items) == 0
    assert made == [0]
    assert list(items) == [1, 2, 3]
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(run)")]


def test_work_that_is_left_is_undone_where_it_stood_and_goes_no_further() -> None:
    seen = []

    def work(hand_over: Callable[[int], None]) -> None:
        try:
            for number in range(4):
                try:
                    hand_over(number)
                except Exception:
                    seen.append("held up")
        finally:
            seen.append("undone")

    items = in_pieces(work)
    next(items)
    items.close()
    assert seen == ["undone"]
    del items
    unborn = in_pieces(work)
    unborn.close()
    assert seen == ["undone"]


def test_an_error_reaches_whoever_wants_the_next_item() -> None:
    def work(hand_over: Callable[[int], None]) -> None:
        hand_over(1)
        raise ValueError("it failed")

    items = in_pieces(work)
    assert next(items) == 1
    with pytest.raises(ValueError, match="it failed"):
        next(items)
    assert list(items) == []


def test_items_may_be_wanted_from_other_threads() -> None:
    items, got = in_pieces(lambda hand_over: [hand_over(number) for number in range(3)] and None), []
    for _ in range(3):
        thread = threading.Thread(target=lambda: got.append(next(items)))
        thread.start()
        thread.join()
    assert got == [0, 1, 2]
    assert list(items) == []


def slowly(*items: object) -> Generator[object, None, None]:
    """Items that are 0.3 s in coming each, or as long as a float says; an error is raised."""
    try:
        for item in items:
            time.sleep(item if isinstance(item, float) else 0.3)
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        SEEN.append(threading.current_thread())


SEEN: list[threading.Thread] = []


def test_an_item_that_is_long_in_coming_is_the_next_one_all_the_same() -> None:
    ahead, early = Ahead(slowly(1, 2)), 0
    for wanted in (1, 2):
        while (item := ahead.item(0.05)) is None:
            early += 1
        assert item == wanted
    assert early > 4
    assert [item for item in Ahead(slowly(3, 4)).items() if item is not None] == [3, 4]
    ahead.settle()
    ahead.item(0.0)
    ahead.settle()
    with pytest.raises(StopIteration):
        ahead.item(0.0)


def test_who_settles_waits_and_loses_nothing() -> None:
    ahead = Ahead(slowly(1, KeyError("two")))
    ahead.settle()
    assert ahead.item(0.0) is None
    ahead.settle()
    assert ahead.item(0.0) == 1
    with pytest.raises(KeyError, match="two"):
        ahead.item(1.0)


def test_what_is_closed_while_it_computes_ends_behind_that_and_nobody_waits() -> None:
    SEEN.clear()
    ahead = Ahead(slowly(1.5, 2))
    assert ahead.item(0.0) is None
    began = time.perf_counter()
    ahead.close()
    assert time.perf_counter() - began < 0.9
    assert not SEEN
    time.sleep(1.5)
    assert SEEN


def test_what_is_closed_leaves_no_thread() -> None:
    SEEN.clear()
    threads = threading.active_count()
    for waited in (0.0, 1.0):
        ahead = Ahead(slowly(1, 2))
        ahead.item(waited)
        ahead.close()
        assert threading.active_count() <= threads
    assert len(SEEN) == 2


def test_items_are_computed_on_as_many_cores_as_their_reader_has() -> None:
    threads = torch.get_num_threads()
    found = Ahead(torch.get_num_threads() for _ in range(2))
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            assert found.item(5.0) == number
    finally:
        torch.set_num_threads(threads)

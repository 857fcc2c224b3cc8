"""Plain work in a thread: taken in turns, ended where nobody wants more, and as wrong as it is."""

import threading
from collections.abc import Callable

import pytest

from regime.dynamics.pieces import in_pieces


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

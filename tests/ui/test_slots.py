"""Slots for runs: first come, first served; short runs never behind long ones; nobody waits twice."""

import threading

import pytest

from regime.config import ProbeConfig, SweepConfig, ToyConfig
from regime.errors import ConfigError
from regime.ui.run.slots import POOLS, Pool, is_short


def test_runs_wait_in_order_and_tell_their_places() -> None:
    pool = Pool(slots=1)
    with pool.turn() as first:
        assert list(first) == []
        second, third = pool.turn(), pool.turn()
        waiting, behind = second.__enter__(), third.__enter__()
        assert next(waiting).place == 1
        told = next(behind)
        assert (told.place, told.seconds) == (2, None)
        assert next(behind).place == 2, "a place is told again while it lasts, so that a reader's leaving is noticed"
    assert list(waiting) == []
    moved = next(behind)
    assert moved.place == 1
    assert moved.seconds is not None, "runs before told what runs take"
    second.__exit__(None, None, None)
    assert list(behind) == []
    third.__exit__(None, None, None)


def test_the_time_told_follows_what_runs_say_and_runs_down() -> None:
    pool = Pool(slots=1)
    with pool.turn() as first, pool.turn() as second, pool.turn() as third:
        assert list(first) == []
        first.tell(8.0)
        told = [next(second).seconds for _ in range(2)]
        assert 8 > told[0] > told[1] + 0.4 > 7
        assert next(third).seconds is None, "nobody knows yet what the second takes"
        first.tell(None)
        first.tell(0.0)
        assert next(second).seconds == 0
        first.tell(1000.0)
        assert 28 < next(second).seconds < 30, "a run shares its slot after a spell"


def test_a_run_that_leaves_lets_others_move_up() -> None:
    pool = Pool(slots=1)
    with pool.turn() as first:
        assert list(first) == []
        with pool.turn() as second:
            next(second)
            with pool.turn() as third:
                assert next(third).place == 2
        with pool.turn() as fourth:
            assert next(fourth).place == 1


def test_a_full_queue_and_a_second_waiting_run_are_refused_in_words() -> None:
    pool = Pool(slots=1, waiting=2)
    with pool.turn("ann") as first:
        assert list(first) == []
        with pool.turn("ann") as second, pool.turn("bob"):
            assert next(second).place == 1
            with pytest.raises(ConfigError, match="the queue is full: 2 runs wait"), pool.turn("cid"):
                pass
    pool = Pool(slots=1)
    with pool.turn("bob") as first, pool.turn("ann"):
        assert list(first) == []
        with pytest.raises(ConfigError, match="a run of yours waits already"), pool.turn("ann"):
            pass
        with pool.turn("bob"), pool.turn(None), pool.turn(None):
            pass


def test_no_more_run_at_once_than_there_are_slots() -> None:
    pool, running, most, lock = Pool(slots=2), [0], [0], threading.Lock()

    def run() -> None:
        with pool.turn() as waiting:
            for _ in waiting:
                pass
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            threading.Event().wait(0.02)
            with lock:
                running[0] -= 1

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 2
    assert running[0] == 0


def test_which_runs_are_short() -> None:
    assert is_short(ToyConfig())
    assert not is_short(ToyConfig(steps=20_000, measure_every=200))
    assert not is_short(ProbeConfig())
    assert not is_short(SweepConfig())
    assert POOLS[True] is not POOLS[False]


def test_a_run_lets_others_compute_between_its_spells(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(slots=1)
    with pool.turn("ann") as long:
        assert list(long) == []
        monkeypatch.setenv("REGIME_SPELL_SECONDS", "0")
        assert list(long.share()) == [], "nobody waits"
        with pool.turn("bob") as short:
            assert next(short).place == 1
            monkeypatch.setenv("REGIME_SPELL_SECONDS", "60")
            assert list(long.share()) == [], "the spell goes on"
            monkeypatch.setenv("REGIME_SPELL_SECONDS", "0")
            waiting = long.share()
            assert next(waiting).place == 1
            assert list(short) == []
            assert pool.running == 1
        assert list(waiting) == []
        assert list(long) == [], "it has its slot again"
    assert (pool.running, pool.waiting) == (0, 0)


def test_a_run_that_ends_while_others_compute_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_SPELL_SECONDS", "0")
    pool = Pool(slots=1)
    with pool.turn() as second:
        with pool.turn() as first:
            assert list(second) == []
            assert next(first).place == 1
            assert next(second.share()).place == 1
            assert list(first) == []
        assert pool.waiting == 1
    assert (pool.running, pool.waiting) == (0, 0)

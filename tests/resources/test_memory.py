"""Memory is promised before it is taken, and no byte twice."""

import pytest
import torch

from regime import ConfigError, Session, ToyConfig
from regime.resources import memory
from regime.resources.memory import MEMORY, Ledger

CPU = torch.device("cpu")
SMALL = ToyConfig(width=8, samples=8, test_samples=8, probe_samples=8, steps=4, measure_every=1)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of a machine with 1,000 bytes free, of which nine tenths may be taken."""
    monkeypatch.setattr(memory, "free_memory", lambda _: 1000)
    return Ledger()


def test_what_is_promised_is_not_promised_again(ledger: Ledger) -> None:
    assert ledger.room(CPU) == 900
    with ledger.promised(600, CPU):
        assert ledger.room(CPU) == 360
        with (
            pytest.raises(
                ConfigError, match=r"the sweep needs 4e-07 GB, and there are .* promised .*; allowed: fewer seeds, or the"
            ),
            ledger.promised(400, CPU, "the sweep", "fewer seeds"),
        ):
            pass
        with ledger.promised(300, CPU):
            assert ledger.room(CPU) == 90
    assert ledger.room(CPU) == 900


def test_what_a_run_has_taken_is_not_counted_twice(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with ledger.promised(500, CPU):
        monkeypatch.setattr(memory, "free_memory", lambda _: 600)  # of its 500 it has taken 400
        assert ledger.room(CPU) == 450
        monkeypatch.setattr(memory, "free_memory", lambda _: 100)  # another process has taken more
        assert ledger.room(CPU) == 90


def test_the_limit_of_a_server_holds_for_each_run(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MAX_BYTES", "200")
    assert ledger.room(CPU) == 200
    with pytest.raises(ConfigError, match=r"allowed: a smaller run$"), ledger.promised(201, CPU):
        pass


def test_a_run_keeps_its_promise_until_it_ends_or_is_let_go() -> None:
    before = MEMORY.promises("cpu")
    session = Session(SMALL)
    list(session.stream(1))
    assert MEMORY.promises("cpu") - before == SMALL.workspace
    list(session.stream())
    assert MEMORY.promises("cpu") == before
    held = Session(SMALL)
    list(held.stream(1))
    held.close()
    assert MEMORY.promises("cpu") == before
    with pytest.raises(ValueError, match="this run was closed"):
        list(held.stream())


def test_of_two_runs_that_begin_at_once_one_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda _: int(1.5 * SMALL.workspace / memory.SHARE))
    first, second = Session(SMALL), Session(SMALL)
    list(first.stream(1))
    with pytest.raises(ConfigError, match="promised to runs that go on"):
        list(second.stream(1))
    list(first.stream())
    *_, last = Session(SMALL).stream()
    assert last.kind == "finished"

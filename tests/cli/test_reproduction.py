"""The command `reproduce`: its table, its JSON, and its exit status."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from regime.__main__ import main
from regime.reproductions.claim import Found, Step
from regime.reproductions.reproduce import Card
from tests.reproductions.parts import claim, only

PASSES, UNDECIDED, FAILS = claim("T1", 1.0), claim("T2", 1.0, 1.4), claim("T3", 2.0)
LACKS = claim("T4", 1.0, needs=("no_such_package",))
WHY = "needs the package no_such_package: pip install 'lazy-or-rich[claims]'"


@pytest.fixture(autouse=True)
def four() -> Iterator[None]:
    with only(PASSES, UNDECIDED, FAILS, LACKS):
        yield


@pytest.mark.parametrize(("ids", "status"), [(["T1"], 0), (["T2"], 1), (["T3"], 1), (["T1", "T3"], 1)])
def test_the_status_is_0_only_where_all_pass(ids: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *ids, "--quick"]) == status
    said = capsys.readouterr().out
    assert all(f"{id}   " in said for id in ids)


def test_the_table_has_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--all"]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "pass 1.000 [0.800, 1.200] >= 0.5, <= 1.5 number 1; expected: 1" in lines
    assert "undecided 1.400 [1.200, 1.600] >= 0.5, <= 1.5 number 1.4; expected: 1" in lines
    assert f"T4 skipped {WHY}" in lines
    assert lines[-1] == "1 pass, 1 undecided, 1 fail, 1 skipped"


def test_json_has_the_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "T1", "T3", "--json"]) == 1
    known = json.loads(capsys.readouterr().out)
    cards = [Card.model_validate(card) for card in known["cards"]]
    assert [(card.id, card.form, card.outcome) for card in cards] == [("T1", "full", "pass"), ("T3", "full", "fail")]
    assert main(["reproduce", "--all", "--quick", "--json"]) == 1
    known = json.loads(capsys.readouterr().out)
    assert [card["form"] for card in known["cards"]] == ["quick"] * 3
    assert known["skipped"] == {"T4": WHY}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name some, such as S5, or ask for --all"),
        (["T1", "--all"], "name some, such as S5, or ask for --all"),
        (["T1", "T9"], "claim = 'T9' is not allowed; allowed: one of T1, T2, T3, T4"),
        (["T4"], f"claim T4 {WHY}"),
        (["--quik"], "--quik is not known; near to it: --quick"),
    ],
)
def test_a_wrong_use_is_refused_in_a_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["reproduce", *arguments])
    except SystemExit as end:
        status = end.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert said in printed.err.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_claims_that_were_done_are_printed_when_it_is_interrupted(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(full: bool) -> Iterator[Found]:
        yield Step(float(full), "a signal")
        os.kill(os.getpid(), number)
        yield Step()

    with only(PASSES, replace(FAILS, measure=measure)):
        assert main(["reproduce", "--all", "--json"]) == 128 + number
    printed = capsys.readouterr()
    assert [card["id"] for card in json.loads(printed.out)["cards"]] == ["T1"]
    assert printed.err.splitlines()[-1] == f"interrupted by {number.name} after 1 of 2 claims"

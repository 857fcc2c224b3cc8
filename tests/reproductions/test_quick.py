"""Every claim's quick form against the shipped results of its full form.

By default the claims that take some seconds are run; the others need minutes together, and `pytest -m physics` runs them, and
all full forms.
"""

from collections.abc import Iterator

import pytest

from regime.reproductions.claim import Finding
from regime.reproductions.registry import CLAIMS
from regime.reproductions.reproduce import Card, missing, reproduce
from regime.reproductions.shipped import cards

FAST = {"S1", "S4", "S5", "S9", "S11", "S12", "S15", "S20", "gradient-flow"}


def forms() -> Iterator[object]:
    for id, claim in CLAIMS.items():
        skipped = pytest.mark.skipif(bool(missing(claim)), reason=missing(claim))
        yield pytest.param(id, marks=[skipped, *([] if id in FAST else [pytest.mark.physics])])


def apart(one: Finding, other: Finding) -> bool:
    """Whether two numbers' intervals have nothing in common."""
    return one.interval[1] < other.interval[0] or other.interval[1] < one.interval[0]


def check(card: Card) -> None:
    """Hold a card to the shipped one of the full form: no number is another one, unless both are as expected."""
    full = (cards("quick") | cards("full"))[card.id]
    known = {found.what: found for found in full.findings}
    assert known.keys() & {found.what for found in card.findings}
    for found in card.findings:
        assert found.interval[0] <= found.value <= found.interval[1]
        if other := known.get(found.what):
            assert {found.outcome, other.outcome} != {"pass", "fail"}, found
            assert found.outcome == "pass" or not apart(found, other), found


@pytest.mark.parametrize("id", CLAIMS)
def test_shipped_quick_cards_agree_with_full_ones(id: str) -> None:
    check(cards("quick")[id])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("id", list(forms()))
def test_quick_form(id: str) -> None:
    check(reproduce(id))


@pytest.mark.physics
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("id", CLAIMS)
def test_full_form(id: str) -> None:
    if lacking := missing(CLAIMS[id]):
        pytest.skip(lacking)
    check(reproduce(id, full=True))

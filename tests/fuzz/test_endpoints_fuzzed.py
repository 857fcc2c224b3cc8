"""A few calls of every endpoint with what nobody should send; `python -m tests.fuzz.endpoints --write` has thousands."""

from regime.ui.api import ENDPOINTS
from tests.fuzz.endpoints import fuzzed
from tests.load.server import served


def test_every_call_ends_with_a_report_or_a_line() -> None:
    with served(REGIME_MAX_SECONDS="5") as server:
        fuzz = fuzzed(server, 40, number=1)
        assert server.health()["last_error"] is None
    assert {name for name, _ in fuzz.seen} >= set(ENDPOINTS)

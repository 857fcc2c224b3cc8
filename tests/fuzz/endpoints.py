"""`python -m tests.fuzz.endpoints [EXAMPLES] [--write]`: every endpoint, also with what nobody should send.

Each call has to end, within a minute, with a report or with a line that says what is not allowed. No status from 500, no
traceback, no path of the server's; after each the server is alive.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from regime.ui.api import ENDPOINTS
from tests.benchmarks.environment import environment
from tests.fuzz.configs import ODD, configs
from tests.load.server import Server, served

INTERNALS = re.compile(r"Traceback|File \"|site-packages|\.py\b|/root|/home|/tmp/|object at 0x|<class '")
RESULTS = Path(__file__).parent / "results"
PATIENCE, CALLERS = 60.0, 3
ALLOWED = "allowed"
"""Every refusal says what is."""


class Fuzz:
    """A server, and what came of the calls."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seen: Counter[tuple[str, str]] = Counter()
        self.longest = 0.0

    def call(self, name: str, *data: Any) -> None:
        """Call an endpoint and judge its answer."""
        began = time.monotonic()
        kind, last = self.server.run(name, *data, seconds=PATIENCE)
        self.longest = max(self.longest, time.monotonic() - began)
        text = json.dumps(last)
        if kind == "error":
            said = last if isinstance(last, str) else last["error"]
            assert said, (name, data)
            assert not INTERNALS.search(without(said, data)), (said, data)
            assert "the cause is in its log" not in said, (said, data, self.server.log[-3000:])
        else:
            assert kind == "complete", (kind, text[:300], data)
        self.seen[name, "refused" if kind == "error" else "answered"] += 1
        assert self.server.process.poll() is None, self.server.log[-3000:]


def without(said: str, data: Any) -> str:
    """Return a refusal without what was sent: a path or a class that a visitor wrote is no leak."""
    for part in sorted(re.findall(r"'[^']*'?", said), key=len, reverse=True):
        if part.strip("'")[:40] in json.dumps(data, ensure_ascii=False) or part.strip("'")[:40] in repr(data):
            said = said.replace(part, "")
    return said


def sent(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Return the data of calls: an object as one parameter, or, where they have one each, its fields as parameters."""
    places = list(ENDPOINTS[name].schemas)

    def spread(value: Any, apart: bool) -> list[Any]:
        known = apart and isinstance(value, dict) and value.keys() <= set(places)
        return [value.get(place) for place in places] if known else [value]

    return st.builds(spread, values, st.booleans())


def fuzzed(server: Server, examples: int, number: int = 0) -> Fuzz:
    """Call every endpoint so many times, in all.

    Args:
        server: to call.
        examples: calls in all.
        number: of the random seed.
    """
    fuzz = Fuzz(server)
    searches = st.fixed_dictionaries(
        {"config": configs("toy")}, optional={"axis": ODD, "side": ODD, "within": ODD, "evil": ODD}
    )
    reckoned = st.one_of(configs("toy"), configs("probe"), configs("checkpoints"), configs("sweep"), ODD)
    claims = st.tuples(st.one_of(st.sampled_from(["S1", "S6"]), ODD), st.one_of(st.none(), ODD))
    calls: dict[str, tuple[float, st.SearchStrategy[Any]]] = {
        "toy": (0.44, sent("toy", configs("toy"))),
        "estimate": (0.34, sent("estimate", reckoned)),
        "probe": (0.05, sent("probe", configs("probe"))),
        "checkpoints": (0.06, sent("checkpoints", configs("checkpoints"))),
        "sweep": (0.05, sent("sweep", configs("sweep"))),
        "border": (0.03, sent("border", searches)),
        "reproduce": (0.01, claims),
        "catalog": (0.01, st.lists(ODD, max_size=2)),
        "health": (0.01, st.lists(ODD, max_size=2)),
    }

    def all_of(name: str) -> None:
        share, strategy = calls[name]

        @seed(number)
        @settings(
            max_examples=max(2, round(share * examples)),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def one(data: Sequence[Any]) -> None:
            fuzz.call(name, *data)

        one()

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(all_of, calls))
    return fuzz


def main() -> int:
    """Fuzz a server of its own, and print or write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.endpoints", description=__doc__)
    parser.add_argument("examples", nargs="?", type=int, default=5000)
    parser.add_argument("--write", action="store_true", help="write tests/fuzz/results/endpoints.json")
    asked = parser.parse_args()
    known = environment()
    random.seed(0)
    began = time.monotonic()
    with served(REGIME_MAX_SECONDS="20") as server:
        fuzz = fuzzed(server, asked.examples)
        health = server.health()
    found = {
        "calls": {name: {sort: fuzz.seen[name, sort] for sort in ("answered", "refused")} for name, _ in fuzz.seen},
        "longest_seconds": round(fuzz.longest, 1),
        "seconds": round(time.monotonic() - began),
        "runs": health["runs"],
        "last_error": health["last_error"],
    }
    text = json.dumps({"environment": known, **found}, indent=1)
    sys.stdout.write(text + "\n")
    if asked.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "endpoints.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.load [crowd] [probes] [mixed] [overtake] [press] [soak] [--write]`: a server under load, minutes each."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.environment import environment
from tests.load.crowd import PROBE, Crowd, crowded, mixed, pressed
from tests.load.server import Server, served
from tests.load.soak import soaked

RESULTS = Path(__file__).parent / "results"


def probes(server: Server) -> dict[str, Any]:
    """Return what ten probes at once came to, each behind the others."""
    crowd = Crowd(server)
    rate = crowd.until(0.1, 10, lambda number, _: ("probe", {**PROBE, "seed": number}))
    return {
        "outcomes": dict(crowd.outcomes),
        "failed": crowd.odd,
        "waits": sorted(round(wait, 1) for wait in crowd.waits["probe"]),
        "runs_a_second": round(rate, 3),
    }


LOADS = {
    "crowd": lambda server: crowded(server, 50, 120.0),
    "probes": probes,
    "mixed": lambda server: mixed(server, 10, 10, 60.0),
    "overtake": lambda server: mixed(server, 10, 1, 60.0),
    "press": lambda server: pressed(server, 3, 30.0),
    "soak": lambda server: soaked(server, 500, 60),
}


def main() -> int:
    """Put a server of its own under each load that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("loads", nargs="*", choices=[*LOADS, []], default=[])
    parser.add_argument("--write", action="store_true", help="write tests/load/results/NAME.json")
    asked = parser.parse_args()
    for name in asked.loads or LOADS:
        known = environment()
        with served() as server:
            server.run("toy", {"steps": 1})  # what is loaded once
            found = {"environment": known, **LOADS[name](server), "health": server.health()}
        text = json.dumps(found, indent=1)
        sys.stdout.write(f"{name}\n{text}\n")
        if asked.write:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

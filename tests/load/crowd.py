"""Many clients at once: nobody fails but by a polite "queue is full", waits are fair, and the machine computes as for one."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.load.server import Server

TOY = {"width": 64, "steps": 60, "seeds": 2, "samples": 64, "measure_every": 20}
LONG = {"width": 256, "steps": 20_000, "measure_every": 500}
PROBE = {"samples": 8, "probe_samples": 8, "max_tokens": 16, "steps": 4, "measure_every": 2}
FULL, AGAIN = "the queue is full", 2.0
"""What a client is told whose run cannot wait, and the seconds after which it tries again."""


class Crowd:
    """What clients have seen: waits for the first event of a run, outcomes, and what else was said."""

    def __init__(self, server: Server) -> None:
        """Call `server`."""
        self.server = server
        self.waits: dict[str, list[float]] = {}
        self.outcomes: Counter[str] = Counter()
        self.odd: list[str] = []

    def one(self, name: str, config: dict[str, Any]) -> None:
        """Run a configuration once."""
        began, waited = time.monotonic(), None
        last: tuple[str, Any] = ("", None)
        for last in self.server.read(name, self.server.post(name, config)):
            kind, data = last
            if waited is None and kind == "generating" and data[0]["kind"] == "started":
                waited = time.monotonic() - began
        if last[0] == "complete":
            self.outcomes["finished"] += 1
            self.waits.setdefault(name, []).append(waited or 0.0)
        elif FULL in str(last[1]):
            self.outcomes["queue full"] += 1
            time.sleep(AGAIN)
        else:
            self.odd.append(str(last)[:300])

    def until(self, seconds: float, clients: int, call: Callable[[int, int], tuple[str, dict[str, Any]]]) -> float:
        """Have clients run what `call` gives, one run after another, and return the runs finished a second.

        Args:
            seconds: after which no more are begun.
            clients: how many.
            call: gives endpoint and configuration, by number of the client and of its run.
        """
        began, before = time.monotonic(), self.outcomes["finished"]

        def client(number: int) -> None:
            count = 0
            while time.monotonic() - began < seconds:
                try:
                    self.one(*call(number, count))
                except Exception as error:
                    self.odd.append(repr(error))
                count += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return (self.outcomes["finished"] - before) / (time.monotonic() - began)


def toys(number: int, count: int) -> tuple[str, dict[str, Any]]:
    """Return a toy that no other client has."""
    return "toy", {**TOY, "seed": 1000 * number + count}


def fairness(waits: list[float]) -> float:
    """Return the longest wait over the median."""
    return max(waits) / statistics.median(waits)


def crowded(server: Server, clients: int, seconds: float) -> dict[str, Any]:
    """Return what a crowd of toys came to, beside one client alone.

    Args:
        server: to call.
        clients: at once.
        seconds: of the crowd; the one client has a fifth of them.
    """
    alone = Crowd(server)
    rate = alone.until(seconds / 5, 1, toys)
    before = server.holds()
    crowd = Crowd(server)
    together = crowd.until(seconds, clients, toys)
    after = server.holds()
    return {
        "clients": clients,
        "seconds": seconds,
        "runs_a_second_alone": round(rate, 2),
        "runs_a_second_together": round(together, 2),
        "throughput": round(together / rate, 2),
        "median_wait": round(statistics.median(crowd.waits["toy"]), 2),
        "longest_wait": round(max(crowd.waits["toy"]), 2),
        "longest_over_median": round(fairness(crowd.waits["toy"]), 2),
        "outcomes": dict(crowd.outcomes),
        "failed": alone.odd + crowd.odd,
        "memory_before": before["memory"],
        "memory_after": after["memory"],
    }


def mixed(server: Server, probes: int, clients: int, seconds: float, probe: dict[str, Any] = PROBE) -> dict[str, Any]:
    """Return what toys wait while probes stand behind each other.

    Args:
        server: to call.
        probes: clients with probes.
        clients: with toys.
        seconds: in which runs are begun.
        probe: its configuration.
    """
    crowd = Crowd(server)
    crowd.until(seconds, probes + clients, lambda number, count: ("probe", probe) if number < probes else toys(number, count))
    return {
        "probes": probes,
        "clients": clients,
        "outcomes": dict(crowd.outcomes),
        "failed": crowd.odd,
        "toys": {"runs": len(crowd.waits["toy"]), "longest_wait": round(max(crowd.waits["toy"]), 2)},
        "probes_done": {
            "runs": len(crowd.waits.get("probe", [])),
            "longest_wait": round(max(crowd.waits.get("probe", [0.0])), 2),
        },
    }


def pressed(server: Server, runs: int, seconds: float) -> dict[str, Any]:
    """Return what a press waits for its first answer while long runs keep all cores busy.

    Args:
        server: to call.
        runs: long ones, which are left at the end.
        seconds: in which something is pressed, twice a second.
    """
    busy = [server.read("toy", server.post("toy", LONG)) for _ in range(runs)]
    for stream in busy:
        next(stream)
    presses = {"run": partial(_begun, server), "estimate": partial(server.run, "estimate", TOY)}
    began, waits = time.monotonic(), {name: list[float]() for name in presses}
    while time.monotonic() - began < seconds:
        for name, press in presses.items():
            start = time.monotonic()
            press()
            waits[name].append(time.monotonic() - start)
            time.sleep(0.25)
    for stream in busy:
        stream.close()
    return {
        "long_runs": runs,
        "presses": {name: len(each) for name, each in waits.items()},
        "median": {name: round(statistics.median(each), 3) for name, each in waits.items()},
        "longest": {name: round(max(each), 3) for name, each in waits.items()},
    }


def _begun(server: Server) -> None:
    """Start a run and leave it as soon as it says something: its place in the queue, or that it begins."""
    stream = server.read("toy", server.post("toy", TOY))
    next(stream)
    stream.close()

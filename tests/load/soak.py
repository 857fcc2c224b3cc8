"""A long life: toys, probes, sweeps and cancelled runs in one server, and what it holds before and after."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.load.crowd import PROBE, TOY
from tests.load.server import Server

SWEEP = {"base": {"width": 16, "steps": 20, "samples": 32}, "axes": {"alpha": [0.1, 1.0], "width": [16, 32]}, "seeds": 2}


def one(server: Server, number: int) -> str:
    """Run the nth run of a soak; every fifth is left at its first measurement. Returns how it ended."""
    dice = random.Random(number)
    name = dice.choices(["toy", "probe", "sweep"], [8, 1, 1])[0]
    width = dice.choice([32, 64, 128, 256])
    config: dict[str, Any] = {
        "toy": {**TOY, "width": width, "seed": number, "alpha": dice.choice([0.1, 1.0, 10.0])},
        "probe": {**PROBE, "seed": number},
        "sweep": {**SWEEP, "base": {**SWEEP["base"], "seed": number}},
    }[name]
    stream = server.read(name, server.post(name, config))
    for kind, data in stream:
        if number % 5 == 0 and data and data[0].get("kind") == "measured":
            stream.close()
            return "left"
        if kind == "error":
            return f"error: {data}"
    return "finished"


def soaked(server: Server, runs: int, warm: int) -> dict[str, Any]:
    """Return what a server holds after so many runs, two at a time, and after the first ones.

    Args:
        server: to call.
        runs: in all.
        warm: after which it is warm.
    """
    with ThreadPoolExecutor(2) as clients:
        ended = list(clients.map(lambda number: one(server, number), range(warm)))
        before = server.holds()
        ended += clients.map(lambda number: one(server, number), range(warm, runs))
    errors = [end for end in ended if end.startswith("error")]
    return {
        "runs": runs,
        "warm_after": warm,
        "errors": errors,
        "left": ended.count("left"),
        "before": before,
        "after": server.holds(),
    }

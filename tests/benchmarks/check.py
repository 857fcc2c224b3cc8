"""What the check of every kernel costs: its share of a call, for P1's MLPs and for P2's transformer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

import regime
from regime.kernels.jacobian import verify
from tests.benchmarks import mlp, transformer
from tests.benchmarks.report import Section, Table
from tests.benchmarks.timing import SETTLE, ratio

ROUNDS = 15
SHARES = {"P1": 0.10, "P2": 0.05}


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds that the checks take meanwhile: the gradients of a few examples, and each layer's comparison with them."""
    seconds: list[float] = []
    each_gradient, agrees = verify.each_gradient, verify.GradientCheck.agrees

    def clocked(function: Callable) -> Callable:
        def call(*args: object) -> object:
            start = time.perf_counter()
            found = function(*args)
            seconds.append(time.perf_counter() - start)
            return found

        return call

    verify.each_gradient, verify.GradientCheck.agrees = clocked(each_gradient), clocked(agrees)
    try:
        yield seconds
    finally:
        verify.each_gradient, verify.GradientCheck.agrees = each_gradient, agrees


def cases(quick: bool) -> dict[str, Callable[[], object]]:
    """The calls of P1 and P2; if quick, a small one of each."""
    one = 1 if quick else None
    settings = {"outputs": "full", "group": "total"}
    found = {
        f"P1 {tuple(size)}": partial(regime.empirical_ntk, mlp.network(size), mlp.inputs(size), **settings)
        for size in mlp.CASES[:one]
    }
    net = transformer.model(one)
    for name in transformer.VARIANTS[:one]:
        found[f"P2 {name}"] = partial(transformer.kernel, net, transformer.batch(name, 4 if quick else transformer.SENTENCES))
    return found


def section(rounds: int, quick: bool) -> Section:
    """Each call's seconds, and those of the check within it."""
    result = Section(
        "The check of every kernel against gradients by plain autograd: its share of a call",
        [f"{rounds} rounds, every call in turn after an untimed one; medians, 95% intervals by bootstrap over rounds."],
    )
    calls = cases(quick)
    whole: dict[str, list[float]] = {name: [] for name in calls}
    checks: dict[str, list[float]] = {name: [] for name in calls}
    with timed() as seconds:
        for _ in range(max(rounds, 1)):
            for name, call in calls.items():
                time.sleep(SETTLE)
                call()
                seconds.clear()
                start = time.perf_counter()
                call()
                whole[name].append(time.perf_counter() - start)
                checks[name].append(sum(seconds))
    result.seconds = {"call": whole, "check": checks}
    rows = []
    for name in calls:
        share, most = ratio(checks[name], whole[name]), SHARES[name[:2]]
        median, checked = (1e3 * float(np.median(part[name])) for part in (whole, checks))
        rows.append({"call": name, "ms": median, "check, ms": checked, "share": str(share)})
        result.promise(f"{name}: at most {most:.0%} of the call", share, at_most=most)
    result.tables.append(Table("Milliseconds", rows))
    return result

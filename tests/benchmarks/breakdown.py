"""Where a kernel's time goes: matmuls and their rate, other operators of torch, and Python between them."""

import time
from collections.abc import Callable

import numpy as np
from torch.profiler import ProfilerActivity, profile

from tests.benchmarks.check import cases
from tests.benchmarks.report import Row, Section, Table
from tests.benchmarks.timing import CUBE, SETTLE, matmul_rate, matmul_turn

ROUNDS = 5
PRODUCTS: dict[str, Callable[[list[list[int]]], int]] = {
    "aten::mm": lambda s: s[0][0] * s[0][1] * s[1][1],
    "aten::addmm": lambda s: s[1][0] * s[1][1] * s[2][1],
    "aten::bmm": lambda s: s[0][0] * s[0][1] * s[0][2] * s[1][2],
    "aten::baddbmm": lambda s: s[1][0] * s[1][1] * s[1][2] * s[2][2],
}
"""Operators that multiply matrices, with their multiply-adds by the shapes of their arguments."""


def operators(call: Callable[[], object]) -> tuple[float, float, float]:
    """Return a call's seconds in products of matrices and in torch's other operators, and the products' operations."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        call()
    inside = other = flops = 0.0
    for event in seen.key_averages(group_by_input_shape=True):
        seconds = event.self_cpu_time_total / 1e6
        if event.key in PRODUCTS:
            inside += seconds
            flops += 2 * event.count * PRODUCTS[event.key](event.input_shapes)
        elif event.key.startswith("aten::"):
            other += seconds
    return inside, other, flops


def section(rounds: int, quick: bool) -> Section:
    """Break P1's and P2's calls down."""
    result = Section(
        "Where the time of P1's and P2's calls goes",
        [
            f"Medians of {max(rounds, 1)} rounds, fp32. A call is timed alone, and its operators under torch's profiler in "
            "another call; the rest is Python and what is between two operators.",
            "Rate: operations of the call's products over their seconds, against those of a "
            f"{CUBE}-cubed product in the same round.",
        ],
    )
    rows: list[Row] = []
    square = matmul_turn()
    for name, call in cases(quick).items():
        call()
        turns = []
        for _ in range(max(rounds, 1)):
            time.sleep(SETTLE)
            start = time.perf_counter()
            call()
            whole = time.perf_counter() - start
            inside, other, flops = operators(call)
            turns.append((whole, inside, other, max(0.0, whole - inside - other), flops / inside / matmul_rate([square()])))
        whole, inside, other, rest, rate = np.median(turns, axis=0).tolist()
        shares = {"matmuls": inside, "other operators": other, "Python": rest}
        rows.append({"call": name, "ms": 1e3 * whole, **{what: part / whole for what, part in shares.items()}, "rate": rate})
    result.tables.append(Table("Shares of each call, and the matmuls' share of the machine's rate", rows))
    return result

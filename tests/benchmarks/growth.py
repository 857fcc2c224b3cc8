"""How the kernel's time grows with each of its sizes, against counted operations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import regime
from tests.benchmarks.mlp import Size, flops, inputs, network
from tests.benchmarks.report import Row, Section, Table
from tests.benchmarks.timing import exponent, in_turn, slope, turn

ROUNDS = 7
BASE = Size(n=512, inputs=64, width=512, hidden=3, outputs=1)
TOKEN_EXAMPLES, TOKEN_WIDTH = 16, 256
TOKENS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Growth:
    """One size that grows: its values, what is timed and what it should take, and the limit of the exponent."""

    name: str
    sizes: tuple[int, ...]
    call: Callable[[int], Callable[[], object]]
    flops: Callable[[int], float]
    limit: float


def _mlp(axis: str, sizes: tuple[int, ...], limit: float, outputs: str = "trace", **base: int) -> Growth:
    """Growth of one of an MLP's sizes."""

    def at(value: int) -> Size:
        return BASE._replace(**base | {axis: value})

    def call(value: int) -> Callable[[], object]:
        return partial(regime.empirical_ntk, network(at(value)), inputs(at(value)), outputs=outputs, group="total")

    return Growth(f"{axis}, outputs='{outputs}'", sizes, call, lambda value: flops(at(value), outputs), limit)


def _tokens(method: str, limit: float) -> Growth:
    """Growth of the number of tokens, by one method: two token-wise dense layers and a mean over tokens."""

    def call(tokens: int) -> Callable[[], object]:
        net = network(Size(TOKEN_EXAMPLES, TOKEN_WIDTH, TOKEN_WIDTH, 1, 1))
        x = torch.randn(TOKEN_EXAMPLES, tokens, TOKEN_WIDTH, generator=torch.Generator().manual_seed(1))
        return partial(regime.empirical_ntk, net, x, readout=_mean, method=method, group="total")

    return Growth(f"tokens, method='{method}'", TOKENS, call, partial(_token_flops, method), limit)


def _mean(output: Tensor, batch: Tensor) -> Tensor:
    del batch
    return output.mean(1)


def _token_flops(method: str, tokens: int) -> float:
    """Forward and backward; then Gram matrices over all positions, or weight gradients and their products."""
    n, positions = TOKEN_EXAMPLES, TOKEN_EXAMPLES * tokens
    dense = Size(n, TOKEN_WIDTH, TOKEN_WIDTH, 1, 1).dense
    passes = 2 * positions * (sum(i * o for i, o in dense) + sum(i * o for i, o in dense[1:]))
    if method == "token-gram":
        return passes + 2 * positions**2 * sum(i + o for i, o in dense)
    return passes + 2 * (positions + n**2) * sum(i * o for i, o in dense)


GROWTHS = [
    _mlp("n", (256, 512, 1024, 2048), 2),
    _mlp("width", (256, 512, 1024, 2048), 2),
    _mlp("hidden", (2, 4, 8, 16), 1),
    _mlp("outputs", (4, 8, 16, 32), 1, n=256),
    _mlp("outputs", (4, 8, 16, 32), 2, outputs="full", n=64),
    _tokens("token-gram", 2),
    _tokens("per-example", 1),
]


def section(rounds: int, quick: bool) -> Section:
    """The exponents of all growths."""
    result = Section(
        "Growth of the kernel's time with each size, fp32",
        [
            f"An MLP with (n, inputs, width, hidden layers, outputs) = {tuple(BASE)} but for the size that grows (n is 256 for "
            f"outputs traced and 64 for all pairs); tokens: {TOKEN_EXAMPLES} examples "
            f"through two token-wise dense layers of {TOKEN_WIDTH}.",
            f"Exponents: slope of log median time over log size, {rounds} rounds with every size in turn, 95% intervals by "
            "bootstrap; 'counted' is the same slope of counted operations at these sizes, 'limit' that of the largest term. "
            "Time grows slower than the count where small matmuls run below the machine's rate.",
        ],
    )
    result.tables.append(Table("Exponents", [_row(growth, rounds, result, 2 if quick else None) for growth in GROWTHS]))
    return result


def _row(growth: Growth, rounds: int, result: Section, count: int | None) -> Row:
    sizes = growth.sizes[:count]
    seconds = in_turn({str(size): turn(growth.call(size), warm=False) for size in sizes}, rounds)
    result.seconds[growth.name] = seconds
    taken = list(seconds.values())
    return {
        "size": growth.name,
        "values": ", ".join(map(str, sizes)),
        "milliseconds": ", ".join(f"{1e3 * np.median(each):.3g}" for each in taken),
        "exponent": str(exponent(sizes, taken)),
        "counted": slope(sizes, [growth.flops(size) for size in sizes]),
        "limit": growth.limit,
    }

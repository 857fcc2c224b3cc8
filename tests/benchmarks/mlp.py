"""P1: the kernel of an MLP over all layers and output pairs, against neural-tangents, in turn."""

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import regime
from tests.benchmarks.environment import cores
from tests.benchmarks.peer import Peer, PeerError
from tests.benchmarks.report import Row, Section, Table
from tests.benchmarks.timing import Estimate, in_turn, matmul_rate, matmul_turn, ratio, turn

ROUNDS = 15
SHARE, LARGE_SHARE = 0.75, 0.85
"""Of the matmul rate, in geometric mean, and where 512 examples or more meet a width of 1024."""
AGREEMENT = 1e-4


class Size(NamedTuple):
    n: int
    inputs: int
    width: int
    hidden: int
    outputs: int

    @property
    def dense(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every dense layer."""
        edges = [self.inputs, *[self.width] * self.hidden, self.outputs]
        return list(pairwise(edges))


CASES = [
    Size(256, 64, 512, 3, 1),
    Size(256, 64, 1024, 3, 1),
    Size(512, 64, 1024, 3, 1),
    Size(64, 64, 512, 3, 10),
    Size(1024, 64, 1024, 3, 1),
]


def network(size: Size) -> nn.Sequential:
    """The MLP: dense layers with biases, a ReLU between; the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [part for fan_in, fan_out in size.dense for part in (nn.Linear(fan_in, fan_out), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def inputs(size: Size) -> Tensor:
    return torch.randn(size.n, size.inputs, generator=torch.Generator().manual_seed(1))


def flops(size: Size, outputs: str, symmetric: bool = False) -> float:
    """Floating-point operations of matmuls that the layerwise kernel takes.

    With layers l = 1..L of i_l inputs and o_l outputs: forward 2 n sum i_l o_l; backward to the activations, C gradients an
    example, 2 n C sum over l > 1 of i_l o_l; Gram matrices of the inputs 2 n^2 sum i_l, and of the gradients, for l < L (the
    last layer's are the identity), 2 (n C)^2 sum o_l for all output pairs and 2 n^2 C sum o_l for the trace. Symmetric: half
    of the Gram matrices.
    """
    n, c = size.n, size.outputs
    forward = 2 * n * sum(i * o for i, o in size.dense)
    backward = 2 * n * c * sum(i * o for i, o in size.dense[1:])
    pairs = (n * c) ** 2 if outputs == "full" else n**2 * c
    grams = 2 * n**2 * sum(i for i, _ in size.dense) + 2 * pairs * sum(o for _, o in size.dense[:-1])
    return forward + backward + (grams / 2 if symmetric else grams)


def section(peer: Peer, rounds: int, cases: list[Size]) -> Section:
    """Time some cases against the peer.

    Raises:
        PeerError: the peer stopped, or may use other cores than this process.
    """
    result = Section(
        "P1: all-layer NTK of an MLP, fp32, all output pairs, against neural-tangents",
        [
            "Ours: empirical_ntk(outputs='full', group='total'); 'by layer' keeps every layer's kernel too (group='layer').",
            "Peer: neural-tangents, structured derivatives, jitted, no trace axes, batch axis 0; 'same weights' is the same "
            "network with the same weights and inputs, 'stax' its own layers without biases. Ratios are "
            "against the faster of the two.",
            f"{rounds} rounds; in each everyone has one turn (one untimed call, one timed). Medians; 95% intervals of ratios "
            "by bootstrap over rounds. The peer is timed in its own process.",
            "Share: counted flops / time / rate of a 2048-cubed fp32 matmul timed in the same rounds. Flops: forward + "
            "backward to the activations + Gram matrices (half of them, by symmetry; 'plain' counts them whole).",
        ],
    )
    ratios, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for size in cases:
            row, faster = _case(peer, size, rounds, Path(folder), result)
            rows.append(row)
            ratios.append(faster)
    result.tables.append(Table("Milliseconds (n, inputs, width, hidden layers, outputs)", rows))
    result.promise("never slower: the smallest ratio is at least 1", min(ratios, key=lambda each: each.value), at_least=1)
    shares = {size: float(row["share"]) for size, row in zip(cases, rows, strict=True)}
    mean = float(np.exp(np.log(list(shares.values())).mean()))
    result.promise(f"{SHARE:.0%} of the matmul rate in geometric mean", mean, at_least=SHARE)
    for size, share in shares.items():
        if size.n >= 512 and size.width >= 1024:
            result.promise(f"{LARGE_SHARE:.0%} of the matmul rate at {tuple(size)}", share, at_least=LARGE_SHARE)
    worst = max(row["error"] for row in rows)
    result.promise(f"the kernels agree: relative Frobenius error below {AGREEMENT:g}", worst, at_most=AGREEMENT)
    return result


def _case(peer: Peer, size: Size, rounds: int, folder: Path, result: Section) -> tuple[Row, Estimate]:
    """One case's row, and how many times faster it is than the faster peer; single turns go to the section."""
    net, x = network(size), inputs(size)
    answer = peer.ask(load=_export(net, x, folder / "network.npz"))
    if answer["cores"] != cores():
        raise PeerError(f"the peer may use {answer['cores']} cores and this process {cores()}: start both with the same")
    result.environment |= {"peer": answer["versions"], "peer_cores": answer["cores"]}
    ours = _kernel(net, x, "total")
    turns = {
        "peer, same weights": peer.turn("same weights"),
        "ours": turn(ours),
        "peer, stax": peer.turn("stax"),
        "ours, by layer": turn(_kernel(net, x, "layer")),
        "matmul": matmul_turn(),
    }
    seconds = in_turn(turns, rounds)
    result.seconds[str(tuple(size))] = seconds
    medians = {name: float(np.median(taken)) for name, taken in seconds.items()}
    fastest = min("peer, same weights", "peer, stax", key=medians.get)
    faster = ratio(seconds[fastest], seconds["ours"])
    rate = matmul_rate(seconds["matmul"])
    row = {"case": str(tuple(size))} | {name: 1e3 * median for name, median in medians.items()}
    row |= {
        "times faster": str(faster),
        "by layer, times faster": str(ratio(seconds[fastest], seconds["ours, by layer"])),
        "share": flops(size, "full", symmetric=True) / medians["ours"] / rate,
        "plain share": flops(size, "full") / medians["ours"] / rate,
        "peer's plain share": flops(size, "full") / medians[fastest] / rate,
        "error": _error(peer, ours(), folder / "kernel.npy"),
    }
    return row, faster


def _kernel(net: nn.Module, x: Tensor, group: str) -> Callable[[], Tensor]:
    return lambda: regime.empirical_ntk(net, x, outputs="full", group=group).total


def _export(net: nn.Sequential, x: Tensor, file: Path) -> str:
    """Weights (inputs, outputs), biases and inputs, as the peer reads them."""
    dense = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights = {f"W{i}": layer.weight.detach().T.numpy() for i, layer in enumerate(dense)}
    biases = {f"b{i}": layer.bias.detach().numpy() for i, layer in enumerate(dense)}
    np.savez(file, x=x.numpy(), **weights, **biases)
    return str(file)


def _error(peer: Peer, ours: Tensor, file: Path) -> float:
    """The relative Frobenius error of our kernel against the peer's of the same network."""
    peer.ask(save=str(file))
    theirs = np.load(file).astype(np.float64)
    return float(np.linalg.norm(ours.double().numpy() - theirs) / np.linalg.norm(theirs))

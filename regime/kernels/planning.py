"""`plan_ntk`: what a kernel will cost, layer by layer, before it is computed; and the blocks of examples that fit a memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from regime.kernels.jacobian.batch import Batch, Projected, Readout, evaluate, given_as, select, size
from regime.kernels.jacobian.blocks import WORKSPACE, spans
from regime.kernels.jacobian.capture import capture, learn_structure
from regime.kernels.jacobian.functions import EagerMode
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.structure import Structure
from regime.kernels.jacobian.trace import PROBES
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.request import Request
from regime.resources.device import free_memory, matmul_rate

SHARE = 0.5
"""Of the free memory, unless told."""
EFFICIENCY = 0.6
"""Share of the matmul rate that passes through a network, and kernels, reach (measured)."""
ALONE = 3
"""Cost of passing examples one at a time, relative to passing them together (measured)."""
LEAST = 2**16
"""Bytes of workspace, at least."""
"""Counting sets flags of the whole process, and puts back what it found: one thread at a time, or they stay set."""
OVERHEAD = 0.005
"""Seconds around every pass."""


@dataclass(frozen=True)
class LayerPlan:
    """How one layer's kernel will be taken.

    `method` is "token-gram", "per-example", "matching tokens" (embeddings), "dense", several of them where a layer has
    several parameters apart, or None where no gradient reaches the layer; `operations` are multiply-adds, `bytes` what is
    kept of the layer between passes and kernel.
    """

    method: str | None
    operations: float | int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What `empirical_ntk` will do with the same arguments: seconds, bytes at its peak, examples at a time, layers."""

    seconds: float
    bytes: int
    examples: int
    layers: dict[str, LayerPlan]


@dataclass(frozen=True)
class Blocks:
    """Rows and columns of a kernel, in blocks of examples that fit a memory."""

    n: int
    m: int
    symmetric: bool
    examples: int
    workspace: int
    bytes: int
    apart: bool = False
    """Whether outputs are taken one after another."""

    def rows(self) -> Iterator[slice]:
        """Yield the rows of each block."""
        return starmap(slice, spans(self.n, self.examples))

    def columns(self, rows: slice) -> Iterator[slice]:
        """Those to take beside some rows; of a symmetric kernel, those before them."""
        return starmap(slice, spans(rows.start if self.symmetric else self.m, self.examples))

    def passed(self) -> int:
        """Examples that go through the model, counted every time."""
        return self.n + sum(columns.stop - columns.start for rows in self.rows() for columns in self.columns(rows))


def structures(request: Request) -> tuple[Structure, Structure]:
    """What the model does with either batch."""
    structure = learn_structure(request.model, request.batch, request.readout, request.layers)
    if request.other is None:
        return structure, structure
    with given_as("other"):
        return structure, learn_structure(request.model, request.other, request.readout, request.layers)


def blocks(structure: Structure, request: Request, kernels: int) -> Blocks:
    """Return the largest blocks of examples that fit the memory.

    Args:
        structure: of the model.
        request: of the kernel.
        kernels: matrices that are summed into.

    Raises:
        ValueError: not one example fits; it says how much is needed.
    """
    n, m = request.sizes
    symmetric, m, memory = m is None, n if m is None else m, request.memory
    c, trace = structure.outputs.shape[1], request.outputs != "full"
    budget = int(SHARE * free_memory(structure.outputs.device)) if memory is None else int(memory)
    result = (kernels + len(request.groups)) * n * m * max(4, structure.outputs.element_size()) * (1 if trace else c * c)
    jacobian, check, probes = structure.bytes_of_jacobian(), structure.bytes_of_check(), PROBES[1] * structure.held_bytes
    fixed = result + probes

    def peak(held: int, passing: int, outputs: int = c, workspace: int = LEAST) -> int:
        """With the Jacobians of some examples, when gradients of others are compared, and when their kernels are taken."""
        return fixed + held * jacobian + max(check, workspace + passing * structure.bytes_of_stream(outputs))

    ways, (held, passing) = (c, 1) if symmetric and trace else (c,), (0, n) if symmetric else (n, m)
    least = min(peak(1, 1), *(peak(held, passing, outputs) for outputs in ways))
    if budget < least:
        raise ValueError(
            f"memory = {budget} bytes is too little: {least} are needed, {result} for the result, "
            f"{least - result - check} for one pair of examples and {check} for the gradients of a check"
        )
    workspace = min(WORKSPACE, LEAST + (budget - least) // 4)
    for outputs in ways:
        if (whole := peak(held, passing, outputs, workspace)) <= budget:
            return Blocks(n, m, symmetric, max(n, m), workspace, whole, apart=outputs < c)
    each = jacobian + structure.bytes_of_stream(c)
    examples = max(1, min((budget - fixed - check) // jacobian, (budget - fixed - workspace) // each))
    return Blocks(n, m, symmetric, examples, workspace, peak(examples, examples, workspace=workspace))


@torch.no_grad()
def plan(request: Request) -> Plan:
    """From counted operations, two examples passed through the model, and this machine's matmul rate."""
    model, batch, readout, method = request.model, request.batch, request.readout, request.method
    structure, _ = structures(request)
    n, m = request.sizes
    shape = blocks(structure, request, len(set(request.names.values())))
    few, c = structure.examples[: PROBES[0]], structure.outputs.shape[1]
    forward = forward_operations(model, select(batch, few), readout)
    rate = EFFICIENCY * matmul_rate(structure.outputs.device) / 2
    if method == "dense":
        whole = n + (m or 0)
        size = {path: sum(parameter.numel() for parameter in own.values()) for path, own in request.parameters.items()}
        plans = {path: LayerPlan("dense", n * (m or n) * c * c * p, 4 * whole * c * p) for path, p in size.items()}
        passes, alone = whole * c, 0.0
        kept = sum(each.bytes for each in plans.values())
        return Plan(_seconds(plans, passes * whole * 2 * forward, rate, passes), shape.bytes + kept, max(n, m or 0), plans)
    jacobians = capture(model, batch, readout, request.layers, structure, slice(0, PROBES[0]))
    plans = {path: _layer(jacobian, request, shape) for path, jacobian in jacobians.items()}
    passed, checked = shape.passed(), 2 * PROBES[1] * (c if shape.apart else 1) + sum(PROBES)
    alone, again = ALONE * passed if structure.alone else 0, passed if structure.unknown() else 0
    passes = (1 + c) * len(list(shape.rows())) * (1 + len(list(shape.columns(slice(n, n))))) + alone
    seconds = _seconds(plans, ((passed + again + alone) * (1 + c) + checked) * forward, rate, passes)
    return Plan(seconds, shape.bytes, shape.examples, plans)


class _Operations(EagerMode):
    """Counts operations; torch's own counter hooks modules, too, which those that differentiate in a pass do not take."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        output = function(*args, **(kwargs or {}))
        count = flop_registry.get(getattr(function, "_overloadpacket", None))
        self.total += 0 if count is None else count(*args, **(kwargs or {}), out_val=output)
        return output


@torch.inference_mode(False)
@torch.enable_grad()
def forward_operations(model: nn.Module, batch: Batch, readout: Readout | None) -> float:
    """Return the multiply-adds of a forward pass, for one example.

    Args:
        model, batch, readout: as in `evaluate`.
    """
    with undisturbed(model), _Operations() as operations:
        evaluate(model, batch, readout)
    return operations.total / 2 / size(batch)


def watching(model: nn.Module, batch: Batch, readout: Readout | None, chunk: int, blocks: int) -> tuple[float, int]:
    """Return the seconds of measuring a network once against its start, and the bytes at the peak, before any of it is done.

    Layers are captured with one and with two of the outputs alone: operations and bytes grow linearly from there.

    Args:
        chunk: examples that are captured at once.
        blocks: parts of the network that are also moved alone.
    """
    n, structure = size(batch), learn_structure(model, batch, readout)
    c, few = structure.outputs.shape[1], select(batch, structure.examples[: PROBES[0]])
    operations, kept = [], []
    for outputs in (1, 2):
        jacobians = [each for each in capture(model, few, Projected(readout, outputs, 0)).values() if each is not None]
        parts = [part for jacobian in jacobians for part in jacobian.parts]
        operations.append(sum(part.cost(n, None, "trace", "auto").operations for part in parts))
        kept.append(sum(n * jacobian.nbytes / jacobian.examples for jacobian in jacobians))
    layers, jacobian = (max(one, one + (c - 1) * (two - one)) for one, two in (operations, kept))
    moved = (blocks + 1) / 2  # with one block moved, what comes before it is as it was: half of the network, on average
    passes = 3 + c + moved + (1 + c) * (bool(structure.unknown()) + ALONE * bool(structure.alone))
    rate = EFFICIENCY * matmul_rate(structure.outputs.device) / 2
    seconds = (layers + passes * n * forward_operations(model, few, readout)) / rate + OVERHEAD * (3 + c + blocks)
    matrices = 2 * len(jacobians) * n * n * max(4, structure.outputs.element_size())
    copies = 3 * sum(parameter.nbytes for parameter in model.parameters())  # theta_0, and once in double precision
    joined = structure.bytes_of_jacobian() if chunk < n else 0  # of several chunks, which are there twice then
    capturing = chunk * (structure.bytes_of_stream(c) + joined)
    return seconds, int(2 * jacobian) + capturing + matrices + copies


def _layer(jacobian: LayerJacobian | None, request: Request, shape: Blocks) -> LayerPlan:
    if jacobian is None:
        return LayerPlan(None, 0, 0)
    times = jacobian.outputs if shape.apart else 1
    each = jacobian.of_outputs(lambda g: g[..., :1, :]) if shape.apart else jacobian
    costs = [part.cost(*request.sizes, request.outputs, request.method) for part in each.parts]
    kept = sum(min(examples, shape.examples) for examples in request.sizes if examples is not None)
    name = ", ".join(dict.fromkeys(cost.method for cost in costs))
    return LayerPlan(name, times * sum(cost.operations for cost in costs), each.nbytes // each.examples * kept)


def _seconds(plans: dict[str, LayerPlan], passing: float | int, rate: float, passes: float | int) -> float:
    return (passing + sum(each.operations for each in plans.values())) / rate + OVERHEAD * (1 + passes)

"""`empirical_ntk`: the neural tangent kernel of any module at its present parameters, layer by layer; `plan_ntk`: its cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from regime.kernels import planning, rules
from regime.kernels.batch import Batch, Readout, check_batch, select, size
from regime.kernels.capture import capture, explicit, learn_structure
from regime.kernels.ownership import Group, grouped, owned
from regime.kernels.reference import dense_ntk
from regime.kernels.tapes import Tape
from regime.numbers import is_integer

Outputs = Literal["trace", "full", "projection"]
Method = Literal["auto", "token-gram", "per-example", "dense"]


@dataclass(frozen=True)
class NTK:
    """A kernel as a sum over layers.

    `layers` maps the path that owns the parameters (or the block, or "total", by `group`) to its kernel (n, m), or
    (n, m, C, C) for outputs="full"; None where no gradient reaches the layer. `error` is the standard error of a total that
    was estimated by random projection, relative to it in Frobenius norm; None for an exact kernel.
    """

    layers: dict[str, Tensor | None]
    error: float | None = None

    @cached_property
    def total(self) -> Tensor:
        """The sum of the layers."""
        first, *more = (kernel for kernel in self.layers.values() if kernel is not None)
        if not more:
            return first
        total = first + more[0]
        for kernel in more[1:]:
            total += kernel
        return total


def empirical_ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None = None,
    *,
    readout: Readout | None = None,
    outputs: Outputs = "trace",
    layers: list[str] | None = None,
    group: Group = "layer",
    method: Method = "auto",
    memory: int | None = None,
    projections: int = 16,
    seed: int = 0,
) -> NTK:
    """Theta(x, x') = J(x) J(x')^T, exactly, as a sum over the layers that own trainable parameters.

    Jacot et al. 2018 (arXiv 1806.07572). A dense layer's term is sum over positions t, s of
    (a_t.a'_s + [bias]) (g_t.g'_s), with inputs a and output gradients g.

    Args:
        model: any module whose examples do not affect one another; it comes back exactly as it was.
        batch: a tensor, or a dict of keyword tensors, examples first; n of them.
        other: a second batch of m examples; the kernel is then (n, m). None: the batch against itself.
        readout: (model output, batch) -> (n, C). None where the model's output is that already.
        outputs: "trace": summed over outputs and divided by C, (n, m); "full": (n, m, C, C); "projection": the trace
            estimated from `projections` random signs of the outputs, for many outputs, such as a vocabulary's: with r of
            independent signs, E[(J^T r).(J'^T r)] is the trace (Hutchinson 1990). `NTK.error` says how far off it is.
        layers: globs on module paths to keep, by part: `encoder.layer.1.*` does not match layer 10.
        group: sum the layers' terms by "layer", "block" or "total", as they come.
        method: how a layer's sum over positions is taken; "auto" counts operations. "dense" is the slow oracle.
        memory: bytes to use beside the model; examples are taken in blocks that fit. None: half of what is free.
        projections: random outputs for "projection", at least 2; the error falls as one over the root of their number.
        seed: of the random signs.

    Raises:
        ValueError: an argument is not allowed, the output is not (n, C), nothing is trainable, no layer matches, a module is
            random or couples examples, or not one example fits the memory.
    """
    _check_arguments(model, batch, other, readout, outputs, layers, group, method, memory, projections, seed)
    memory = None if memory is None else int(memory)
    with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        if outputs == "projection":
            halves = [
                _ntk(model, batch, other, _Projected(readout, count, seed + half), "trace", layers, group, method, memory)
                for half, count in enumerate((projections - projections // 2, projections // 2))
            ]
            return _averaged(*halves)
        return NTK(_ntk(model, batch, other, readout, outputs, layers, group, method, memory))


def plan_ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None = None,
    *,
    readout: Readout | None = None,
    outputs: Outputs = "trace",
    layers: list[str] | None = None,
    group: Group = "layer",
    method: Method = "auto",
    memory: int | None = None,
    projections: int = 16,
    seed: int = 0,
) -> planning.Plan:
    """What `empirical_ntk` of the same arguments will take: seconds, bytes, and the method of each layer.

    A few examples pass through the model; nothing else is computed.

    Raises:
        ValueError: as `empirical_ntk` does.
    """
    _check_arguments(model, batch, other, readout, outputs, layers, group, method, memory, projections, seed)
    memory = None if memory is None else int(memory)
    sizes = size(batch), None if other is None else size(other)
    if outputs == "projection":
        readout, outputs = _Projected(readout, projections, seed), "trace"
    with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        return planning.plan(model, batch, sizes, readout, outputs, layers, group, method, memory)


def _check_arguments(
    model: object, batch: object, other: object, readout: object, outputs: object, layers: object, group: object,
    method: object, memory: object, projections: object, seed: object,
) -> None:  # fmt: skip
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: an nn.Module is needed, got {type(model).__name__}")
    _check("outputs", outputs, ("trace", "full", "projection"))
    _check("group", group, ("layer", "block", "total"))
    _check("method", method, ("auto", "token-gram", "per-example", "dense"))
    check_batch("batch", batch)
    if other is not None:
        check_batch("other", other)
    if readout is not None and not callable(readout):
        raise ValueError(f"readout = {readout!r:.80} is not allowed; allowed: a function of (output, batch), or None")
    if layers is not None and not (isinstance(layers, list | tuple) and all(isinstance(glob, str) for glob in layers)):
        some = layers if isinstance(layers, str) else "encoder.*"
        raise ValueError(f"layers = {layers!r:.80} is not allowed; allowed: a list of globs, such as [{some!r}]")
    for name, value, least in (("memory", memory, 1), ("projections", projections, 2), ("seed", seed, 0)):
        if not (value is None and name == "memory") and (not is_integer(value) or value < least):
            raise ValueError(f"{name} = {value!r} is not allowed; allowed: an integer of at least {least}")


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} = {value!r} is not allowed; allowed: {', '.join(map(repr, allowed))}")


def _ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None,
    readout: Readout | None,
    outputs: rules.Outputs,
    layers: list[str] | None,
    group: Group,
    method: Method,
    memory: int | None,
) -> dict[str, Tensor | None]:
    """The kernels by group."""
    if method == "dense":
        kernels = _summed(dense_ntk(model, batch, other, readout, outputs, layers), group)
    else:
        kernels = _structured(model, batch, other, readout, outputs, layers, group, method, memory)
    if all(kernel is None for kernel in kernels.values()):
        raise ValueError("model: its outputs do not depend on any trainable parameter")
    return kernels


def _summed(kernels: dict[str, Tensor | None], group: Group) -> dict[str, Tensor | None]:
    summed: dict[str, Tensor | None] = {}
    for path, kernel in kernels.items():
        before = summed.get(name := grouped(path, group))
        summed[name] = kernel if before is None else before if kernel is None else before + kernel
    return summed


def _structured(
    model: nn.Module,
    batch: Batch,
    other: Batch | None,
    readout: Readout | None,
    outputs: rules.Outputs,
    layers: list[str] | None,
    group: Group,
    method: rules.Method,
    memory: int | None,
) -> dict[str, Tensor | None]:
    """From tapes, block by block."""
    names = {path: grouped(path, group) for path in owned(model, layers)}
    kernels: dict[str, Tensor | None] = dict.fromkeys(names.values())
    structure = learn_structure(model, batch, readout, layers)
    opposite = structure if other is None else learn_structure(model, other, readout, layers)
    sizes = size(batch), None if other is None else size(other)
    shape = planning.blocks(structure, sizes, len(kernels), outputs, memory)
    with torch.no_grad():
        for rows in shape.rows():
            left = capture(model, batch, readout, layers, structure, rows)
            for columns in shape.columns(rows):
                if shape.symmetric and columns == rows:
                    right = left
                else:
                    against = batch if other is None else other
                    right = capture(model, against, readout, layers, opposite, columns)
                    left, right = _comparable(model, (batch, rows, left), (against, columns, right), readout, layers)
                for path, tape in left.items():
                    if tape is None:
                        continue
                    name = names[path]
                    if kernels[name] is None:
                        kernels[name] = tape.zeros(shape.m, outputs, shape.n)
                    block = kernels[name][rows, columns]
                    tape.kernel(right[path], outputs, method, block, shape.workspace)
        for kernel in kernels.values():
            if shape.symmetric and kernel is not None:
                rules.mirror(kernel, outputs)
    return kernels


Side = tuple[Batch, slice, Mapping[str, Tape | None]]


def _comparable(
    model: nn.Module, one: Side, two: Side, readout: Readout | None, layers: list[str] | None
) -> list[dict[str, Tape | None]]:
    """The same tapes; a layer that has another form on the other batch becomes explicit on both."""
    left, right = one[2], two[2]
    odd = [path for path in left if (left[path] and left[path].form) != (right[path] and right[path].form)]
    parameters = {path: own for path, own in owned(model, layers).items() if path in odd}
    sides = []
    for batch, index, tapes in (one, two):
        rows = explicit(model, select(batch, index), readout, parameters)
        sides.append({**tapes, **{path: Tape(parts) for path, parts in rows.items()}})
    return sides


class _Projected:
    """A readout of random signs of another's outputs: their trace kernel, in expectation, in fewer outputs."""

    def __init__(self, readout: Readout | None, count: int, seed: int) -> None:
        self.readout, self.count, self.seed = readout, count, seed

    def __call__(self, output: Any, batch: Batch) -> Tensor:
        whole = output if self.readout is None else self.readout(output, batch)
        if not isinstance(whole, Tensor) or whole.dim() != 2:
            return whole  # refused by whoever asks for (n, C)
        generator = torch.Generator().manual_seed(int(self.seed))
        signs = torch.randint(0, 2, (whole.shape[1], self.count), generator=generator) * 2 - 1
        return whole @ (signs.to(whole) / whole.shape[1] ** 0.5)


def _averaged(one: dict[str, Tensor | None], two: dict[str, Tensor | None]) -> NTK:
    """The mean of two independent estimates; half their difference is its standard error."""
    mean = NTK({name: None if kernel is None else (kernel + two[name]) / 2 for name, kernel in one.items()})
    spread = NTK({name: None if kernel is None else (kernel - two[name]) / 2 for name, kernel in one.items()})
    return NTK(mean.layers, (spread.total.norm() / mean.total.norm()).item())

"""`empirical_ntk`: the neural tangent kernel of any module at its present parameters, layer by layer; `plan_ntk`: its cost."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from regime.kernels import planning
from regime.kernels.jacobian.batch import Batch, Readout, given_as, select
from regime.kernels.jacobian.blocks import WORKSPACE, matrix, mirror
from regime.kernels.jacobian.capture import explicit, stream
from regime.kernels.jacobian.dense import jacobian
from regime.kernels.jacobian.heads import split_by_heads
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Group, elsewhere
from regime.kernels.jacobian.structure import Structure
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.projection import jackknife, left_out
from regime.kernels.request import Request
from regime.resources.device import compact_memory

LARGE = 2**30
"""Bytes of parameters above which memory is kept free of holes, rather than at hand."""
Outputs = Literal["trace", "full", "projection"]
Method = Literal["auto", "token-gram", "per-example", "dense"]


@dataclass(frozen=True)
class NTK:
    """A kernel as a sum over layers.

    `layers` maps the path that owns the parameters (or the block, the head, or "total", by `group`) to its kernel (n, m), or
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
    (a_t.a'_s + [bias]) (g_t.g'_s), with inputs a and output gradients g. It is added as the backward pass comes to the layer,
    which is then let go of: memory is that of a forward pass, without the gradients of all parameters. A model stored in half
    precision is passed in float32.

    Args:
        model: any module whose examples do not affect one another; it comes back exactly as it was.
        batch: a tensor, or a dict of keyword tensors, examples first; n of them.
        other: a second batch of m examples; the kernel is then (n, m). None: the batch against itself.
        readout: (model output, batch) -> (n, C). None where the model's output is that already.
        outputs: "trace": summed over outputs and divided by C, (n, m); "full": (n, m, C, C); "projection": the trace
            estimated from `projections` random signs of the outputs, for many outputs, such as a vocabulary's: with r of
            independent signs, E[(J^T r).(J'^T r)] is the trace (Hutchinson 1990). `NTK.error` says how far off it is.
        layers: globs on module paths to keep, by part: `encoder.layer.1.*` does not match layer 10.
        group: sum the layers' terms by "layer", "block" or "total", as they come; "head" also splits the weights of attention
            by heads (`encoder.layer.0.attention.self.query.head3`), what belongs to no head stays with its layer.
        method: how a layer's sum over positions is taken; "auto" counts operations. "dense" is the slow oracle.
        memory: bytes to use beside the model; where all do not fit, outputs are taken one after another, or examples in
            blocks. None: half of what is free.
        projections: random outputs for "projection", 2 to 4096; the error falls as one over the root of their number, and is 0
            where the outputs are no more: they are taken as they are.
        seed: of the random signs.

    Raises:
        ValueError: an argument is not allowed, the output is not (n, C), nothing is trainable, no layer matches, a module is
            random or couples examples, gradients are not finite or not linear, or not one example fits the memory.
    """
    request = Request(model, batch, other, readout, outputs, layers, group, method, memory, projections, seed)
    with _measured(model, readout):
        if outputs == "projection":
            return _projected(request)
        return NTK(_ntk(request)[0])


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
    """Return what `empirical_ntk` of the same arguments will take: seconds, bytes, and the method of each layer.

    A few examples pass through the model; nothing else is computed.

    Args:
        model: as in `empirical_ntk`, and so are all that follow.
        batch: n examples.
        other: m examples, or None.
        readout: a function of the model's output and the batch, or None.
        outputs: "trace", "full" or "projection".
        layers: globs on module paths, or None.
        group: "layer", "block", "total" or "head"; the plan is by layer.
        method: "auto", "token-gram", "per-example" or "dense".
        memory: bytes it may use, or None.
        projections: random signs of the outputs.
        seed: of the signs.

    Raises:
        ValueError: as `empirical_ntk` does.
    """
    request = Request(model, batch, other, readout, outputs, layers, group, method, memory, projections, seed)
    with _measured(model, readout):
        return planning.plan(request.projected(projections, seed) if outputs == "projection" else request)


@contextmanager
def _measured(model: nn.Module, readout: Readout | None) -> Iterator[None]:
    """A network that is left as it was; memory is kept free of holes where it is large."""
    large = sum(p.numel() * p.element_size() for p in model.parameters() if elsewhere(p) is None) > LARGE
    with undisturbed(model, readout), compact_memory() if large else nullcontext():
        yield


def _ntk(request: Request) -> tuple[dict[str, Tensor | None], list[Tensor]]:
    """The kernels by group; of random projections, the total of each group of them, too, summed over these."""
    kernels, sums = _dense(request) if request.method == "dense" else _structured(request)
    if all(kernel is None for kernel in kernels.values()):
        raise ValueError("model: its outputs do not depend on any trainable parameter")
    for path, kernel in kernels.items():
        if kernel is not None and not torch.stack(matrix(kernel, request.outputs).aminmax()).isfinite().all():
            raise ValueError(f"model: the kernel of {path} is not finite: gradients of some examples are not, or are too large")
    return kernels, sums


def _dense(r: Request) -> tuple[dict[str, Tensor | None], list[Tensor]]:
    """From explicit Jacobians."""
    left = jacobian(r.model, r.batch, r.readout, r.layers)
    with given_as("other"):
        right = left if r.other is None else jacobian(r.model, r.other, r.readout, r.layers)
    n, m = r.sizes
    sums, whole = _Sums(replace(r, method="auto"), planning.Blocks(n, m or n, m is None, n, WORKSPACE, bytes=0)), slice(None)
    for path, one in left.items():
        if one is not None and (two := right[path]) is not None:
            sums.add(path, one, two, whole, whole)
    return sums.finished(next((each.outputs for each in left.values() if each is not None), 1)), sums.groups


def _structured(r: Request) -> tuple[dict[str, Tensor | None], list[Tensor]]:
    """From Jacobians, as backward passes come to them, block by block."""
    structure, opposite = planning.structures(r)
    sums = _Sums(r, planning.blocks(structure, r, len(set(r.names.values()))))
    for rows in sums.shape.rows():
        _add_rows(sums, rows, structure, opposite)
    return sums.finished(structure.outputs.shape[1]), sums.groups


class _Sums:
    """The kernels of a request by group, and what is added to them."""

    def __init__(self, request: Request, shape: planning.Blocks) -> None:
        self.request, self.shape, self.names = request, shape, request.names
        self.kernels: dict[str, Tensor | None] = dict.fromkeys(self.names.values())
        self.parts, self.groups = request.groups, [torch.empty(0)] * len(request.groups)
        self.seen: dict[str, int] = {}

    @torch.no_grad()
    def add(self, path: str, left: LayerJacobian, right: LayerJacobian, rows: slice, columns: slice) -> None:
        """Add a layer's kernel between some rows and some columns."""
        if not self.parts:
            self._add(path, left, right, rows, columns)
            return
        first, count = self.seen.get(path, 0), left.outputs
        self.seen[path] = (first + count) % self.parts[-1].stop  # outputs come all at once, or one after another
        for k, part in enumerate(self.parts):
            some = slice(max(0, part.start - first), max(0, min(count, part.stop - first)))
            if some.start < some.stop:
                one, two = (side.of_outputs(lambda g, some=some: g[..., some, :]) for side in (left, right))
                self._add(path, one, one if right is left else two, rows, columns, k)

    def _add(
        self, path: str, left: LayerJacobian, right: LayerJacobian, rows: slice, columns: slice, group: int | None = None
    ) -> None:
        outputs, shape = self.request.outputs, self.shape
        ours = split_by_heads(path, left, self.request.heads)
        theirs = ours if right is left else split_by_heads(path, right, self.request.heads)
        for part, mine in ours.items():
            if (other := theirs.get(part)) is None:
                continue
            name = self.names[part]
            if (kernel := self.kernels[name]) is None:
                kernel = self.kernels[name] = mine.zeros(shape.m, outputs, shape.n)
            block = kernel[rows, columns]
            if group is None:
                mine.kernel(other, outputs, self.request.method, block, shape.workspace)
                continue
            if not self.groups[group].numel():
                self.groups[group] = mine.zeros(shape.m, outputs, shape.n)
            own = mine.kernel(other, outputs, self.request.method, torch.zeros_like(block), shape.workspace)
            own *= mine.outputs
            self.groups[group][rows, columns] += own
            block += own

    def finished(self, outputs: int) -> dict[str, Tensor | None]:
        """Return the kernels, of so many outputs."""
        for kernel in self.kernels.values():
            if kernel is not None and self.shape.symmetric:
                mirror(kernel, self.request.outputs)
            if kernel is not None and (self.parts or self.shape.apart):
                kernel /= outputs
        return self.kernels


def _add_rows(sums: _Sums, rows: slice, structure: Structure, opposite: Structure) -> None:
    """Add the kernel of some rows with themselves, where it is symmetric, and with the columns beside them."""
    r, shape = sums.request, sums.shape
    beside = list(shape.columns(rows))
    left: dict[str, LayerJacobian] = {}

    def take(path: str, jacobian: LayerJacobian) -> None:
        if shape.symmetric:
            sums.add(path, jacobian, jacobian, rows, rows)
        if beside:
            left[path] = jacobian

    alone = shape.symmetric and not beside and rows.stop == shape.n
    stream(r.model, r.batch, take, r.readout, r.layers, structure, rows, shape.apart, keep=not alone)
    for columns in beside:
        _add_across(sums, left, rows, columns, opposite)


def _add_across(sums: _Sums, left: dict[str, LayerJacobian], rows: slice, columns: slice, structure: Structure) -> None:
    """Add the kernel of some rows with other examples; a layer that has another form there becomes explicit on both sides."""
    r = sums.request
    other, odd = r.batch if r.other is None else r.other, set()

    def take(path: str, jacobian: LayerJacobian) -> None:
        if path in left and left[path].form == jacobian.form:
            sums.add(path, left[path], jacobian, rows, columns)
        elif path in left:
            odd.add(path)

    with given_as("batch" if r.other is None else "other"):
        stream(r.model, other, take, r.readout, r.layers, structure, columns)
    layers = {path: own for path, own in r.parameters.items() if path in odd}
    one, two = (explicit(r.model, select(*side), r.readout, layers) for side in ((r.batch, rows), (other, columns)))
    for path in layers:
        sums.add(path, LayerJacobian(one[path]), LayerJacobian(two[path]), rows, columns)


def _projected(request: Request) -> NTK:
    """The mean over random projections, and its standard error; as many projections as outputs are the outputs themselves."""
    projected = request.projected(request.projections, request.seed)
    kernels, sums = _ntk(projected)
    if not sums:
        return NTK(kernels, 0.0)
    spread = torch.stack(sums).double()
    if request.other is None:
        mirror(spread, "trace")
    means = left_out(spread, request.projections)
    return NTK(kernels, (jackknife(means).norm() / means.mean(0).norm()).item())

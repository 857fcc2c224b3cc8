"""One forward pass and C backward passes of any model, as one tape a layer.

A recording tells where each parameter, or something made of parameters alone, meets the examples; the autograd graph says
whether that is all: as many of its edges lead to each shared tensor as the recorded calls account for. Gradients of a few
examples evaluated apart must reappear in the rows where the recording expects them. What does not pass takes per-example
gradients, one evaluation of the model an example: slow, and exact for any module.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.nn import functional

from regime.kernels.batch import Batch, Readout, evaluate, select, size
from regime.kernels.local import Bias, Contribution, Explicit, Lookup, UnfitError, Weight, contribution, lookup, near, through
from regime.kernels.ownership import Layers, check_mode, owned
from regime.kernels.recording import Entry, Recording, Structure, Use, by_example, learn, mixture
from regime.kernels.rowwise import learn_rows
from regime.kernels.tapes import DensePart, Part, RowsPart, TablePart, Tape, TiedPart


@torch.inference_mode(False)
@torch.enable_grad()
def learn_structure(model: nn.Module, batch: Batch, readout: Readout | None, layers: list[str] | None = None) -> Structure:
    """How the model uses its parameters; worth keeping where several batches of one kind are captured.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do.
    """
    check_mode(model)
    parameters = [parameter for own in owned(model, layers).values() for parameter in own.values()]
    return learn_rows(model, batch, readout, parameters) or learn(model, batch, readout, parameters)


@torch.inference_mode(False)
@torch.enable_grad()
def capture(
    model: nn.Module,
    batch: Batch,
    readout: Readout | None = None,
    layers: list[str] | None = None,
    structure: Structure | None = None,
    rows: slice | None = None,
) -> dict[str, Tape | None]:
    """One tape for each layer that owns trainable parameters, in the model's order; None where no gradient reaches it.

    The model comes back as it was: its mode, gradients, hooks and dtype are untouched.

    Args:
        structure: what `learn_structure` gave for this batch, or one of its kind, and the same layers.
        rows: the examples of the batch to take, all by default.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do, and where examples affect one another.
    """
    if structure is None:
        structure = learn_structure(model, batch, readout, layers)
    parameters = owned(model, layers)
    start, stop, _ = (rows or slice(None)).indices(size(batch))
    examples = batch if stop - start == size(batch) else select(batch, slice(start, stop))
    with Recording(structure, stop - start) as recording:
        outputs = evaluate(model, examples, readout)
    witnesses = [(k, row - start) for k, row in enumerate(structure.examples) if start <= row < stop]
    _check_independence(outputs, structure.outputs, witnesses)
    graph = _Graph.under(outputs)
    _differentiate(outputs, [use for use in recording.uses if graph.count(use.edge)], graph)
    contributions = _collected(recording, graph, witnesses)
    tapes: dict[str, Tape | None] = {}
    parts: dict[str, list[Part]] = {}
    rest: Layers = {}
    for path, own in parameters.items():
        entries = {name: recording.entries[id(parameter)] for name, parameter in own.items()}
        used = {name: entry for name, entry in entries.items() if graph.count(entry.edge)}
        sound = {name: contributions[id(e)] for name, e in used.items() if contributions[id(e)] and not e.broken}
        rest[path] = {name: own[name] for name in used if name not in sound}
        parts[path] = _parts(sound, own)
        tapes[path] = None
    unsound = explicit(model, examples, readout, rest)
    for path in parameters:
        both = (*parts[path], *unsound.get(path, ()))
        if both:
            tapes[path] = Tape(both)
    return tapes


def _check_independence(outputs: Float[Tensor, "n C"], apart: Float[Tensor, "k C"], witnesses: list[tuple[int, int]]) -> None:
    """Refuse models that give an example other outputs in other company."""
    for k, row in witnesses:
        difference = (outputs[row] - apart[k]).norm()
        if difference > torch.finfo(outputs.dtype).eps ** 0.5 * (1 + outputs[row].norm() + apart[k].norm()):
            raise ValueError(
                "model: the output for one example changes with the other examples of the batch "
                f"(by {difference.item():.2g}); a tangent kernel between examples needs them to be independent"
            )


@dataclass(frozen=True)
class _Graph:
    """The autograd graph under the outputs: how many edges lead to each result of each node, and from which nodes."""

    edges: Counter[tuple[Node, int]]
    users: dict[Node, list[Node]]

    @classmethod
    def under(cls, output: Tensor) -> "_Graph":
        graph = cls(Counter(), {})
        if output.grad_fn is None:
            return graph
        graph.edges[output.grad_fn, output.output_nr] = 1
        graph.users[output.grad_fn] = [output.grad_fn]
        stack = [output.grad_fn]
        while stack:
            node = stack.pop()
            if node.name() == "CheckpointFunctionBackward":
                raise ValueError("model: reentrant gradient checkpointing hides its layers; use use_reentrant=False, or none")
            for following, position in node.next_functions:
                if following is not None:
                    graph.edges[following, position] += 1
                    if following not in graph.users:
                        graph.users[following] = []
                        stack.append(following)
                    graph.users[following].append(node)
        return graph

    def count(self, edge: GradientEdge) -> int:
        return self.edges[edge.node, edge.output_nr]

    def used_only_in(self, source: GradientEdge, results: set[Node]) -> bool:
        """Whether nothing between a tensor and the results of its calls is used by anything else.

        A derivative taken inside the model reaches a weight through the middle of its call.
        """
        stack = [] if source.node in results else list(self.users.get(source.node, ()))
        while stack:
            node = stack.pop()
            if node in results:
                continue
            users = self.users[node]
            if len(users) != 1 or users[0] is node:
                return False
            stack += users
        return True


ELEMENTARY = ("Addmm", "Mm", "T", "View", "Squeeze", "Unsqueeze", "Expand", "Mean", "Add", "Mul", "Relu", "Tanh", "Gelu", "Erf")
BATCHED = {"torch::autograd::AccumulateGrad", "SumBackward1", *(f"{name}Backward0" for name in ELEMENTARY)}
"""Nodes that differentiate several outputs at once in less time than one by one."""


def _differentiate(outputs: Float[Tensor, "n C"], uses: list[Use], graph: _Graph) -> None:
    """Give each use the gradients of every output with respect to its result."""
    if not uses:
        return
    n, c = outputs.shape
    edges, settings = [use.edge for use in uses], {"retain_graph": True, "materialize_grads": True}
    if c > 1 and all(node.name() in BATCHED for node in graph.users):
        each = torch.eye(c, dtype=outputs.dtype, device=outputs.device).unsqueeze(1).expand(c, n, c)
        found = torch.autograd.grad(outputs, edges, each, is_grads_batched=True, **settings)
    else:
        found = zip(*(torch.autograd.grad(outputs[:, k].sum(), edges, **settings) for k in range(c)), strict=True)
    for use, gradients in zip(uses, found, strict=True):
        use.gradients += [by_example(gradient, use.site.axis) for gradient in gradients]


def _collected(recording: Recording, graph: _Graph, witnesses: list[tuple[int, int]]) -> dict[int, list[Contribution]]:
    """What each shared tensor contributes, from the last made to the parameters."""
    found: dict[int, list[Contribution]] = {id(entry): [] for entry in recording.order}
    made: dict[int, list[Entry]] = {id(use): [] for entry in recording.order for use in entry.uses}
    for entry in recording.order:
        if entry.source is not None:
            made[id(entry.source[0])].append(entry)
    for entry in reversed(recording.order):
        if not graph.count(entry.edge):
            continue
        live = [use for use in entry.uses if use.gradients or any(graph.count(each.edge) for each in made[id(use)])]
        accounted = sum(tensor is entry.tensor for use in live for tensor in use.tensors)
        results = {use.edge.node for use in live} | {each.edge.node for use in live for each in made[id(use)]}
        entry.broken |= accounted != graph.count(entry.edge) or not graph.used_only_in(entry.edge, results)
        entry.broken |= any(each.broken for use in live for each in made[id(use)])
        if entry.broken:
            continue
        try:
            for use in live:
                if use.gradients:
                    _check_rows(use, witnesses)
                    found[id(entry)].append(contribution(use, entry.tensor))
                for each in made[id(use)]:
                    found[id(entry)] += _through(use, each, entry, found[id(each)])
        except UnfitError:
            entry.broken = True
    return found


def _check_rows(use: Use, witnesses: list[tuple[int, int]]) -> None:
    """Row i must belong to example i alone: a model may sort its batch inside."""
    if not witnesses or not use.site.witnesses:
        return
    apart, here = (list(index) for index in zip(*witnesses, strict=True))
    axes = zip(use.tensors, use.site.axes, strict=True)
    found = [*(by_example(t, axis)[here] for t, axis in axes if axis is not None), _mixed(use.gradients, here)]
    dtype = use.gradients[0].dtype
    for mine, (axis, theirs) in zip(found, use.site.witnesses, strict=False):  # unused results have no gradient to compare
        got, wanted = mine.to(dtype), by_example(theirs, axis)[apart].to(dtype)
        if not near(got, wanted):
            raise UnfitError


def _mixed(gradients: list[Tensor], rows: list[int]) -> Tensor:
    """The gradients of `mixture` in some rows."""
    shares = mixture(gradients[0].new_empty(1, len(gradients)))
    return sum(share * gradient[rows] for share, gradient in zip(shares, gradients, strict=True))


def _through(use: Use, made: Entry, source: Entry, contributions: list[Contribution]) -> list[Contribution]:
    """What came to a tensor made of parameters alone, as contributions of what it was made of."""
    if not contributions:
        return []
    turned = made.tensor.dim() == 2 and _is_transpose(made.tensor, source.tensor)
    if turned and all(isinstance(each, Weight) for each in contributions):
        return [Weight(each.a, each.g, each.use, not each.transposed) for each in contributions]
    shape = tuple(made.tensor.shape)
    j = sum(_explicit(each, shape) for each in contributions)
    j = j.view(*j.shape[:2], *shape)
    if use.site.function is functional.embedding and source.tensor is use.tensors[1]:
        ids = use.tensors[0].flatten().expand(len(j), -1)
        return [lookup(use, source.tensor, ids, j.flatten(2, -2).transpose(1, 2))]
    return [Explicit(through(use, source.tensor, made.source[1], j.flatten(0, 1)).unflatten(0, j.shape[:2]))]


def _is_transpose(tensor: Tensor, source: Tensor) -> bool:
    same = tensor.data_ptr() == source.data_ptr()
    return same and tensor.shape == source.shape[::-1] and tensor.stride() == source.stride()[::-1]


def _explicit(each: Contribution, shape: tuple[int, ...]) -> Float[Tensor, "n C P"]:
    if isinstance(each, Explicit):
        return each.j.reshape(*each.j.shape[:2], -1)
    return _part("", [each], shape).explicit()


def _parts(contributions: dict[str, list[Contribution]], own: dict[str, nn.Parameter]) -> list[Part]:
    """The parts of a layer; a weight and a bias of the same calls are one."""
    parts: list[Part] = []
    left = dict(contributions)
    for name, each in contributions.items():
        if not _all(each, Weight):
            continue
        same = [b for b, other in left.items() if _all(other, Bias) and [x.use for x in other] == [x.use for x in each]]
        del left[name]
        part = _part(name, each, tuple(own[name].shape))
        if same and isinstance(part, DensePart):
            part = DensePart(part.a, part.g, name, left.pop(same[0]) and same[0], part.transposed, part.shape)
        parts.append(part)
    return parts + [_part(name, each, tuple(own[name].shape)) for name, each in left.items()]


def _all(contributions: list[Contribution], kind: type) -> bool:
    return bool(contributions) and all(isinstance(each, kind) for each in contributions)


def _part(name: str, contributions: list[Contribution], shape: tuple[int, ...]) -> Part:
    """One parameter's part: calls of one kind are more positions of one layer."""
    weights = [each for each in contributions if isinstance(each, Weight)]
    lookups = [each for each in contributions if isinstance(each, Lookup)]
    alike = len({each.transposed for each in weights}) <= 1
    if len(weights) + len(lookups) == len(contributions) and alike and contributions:
        dense = weights and DensePart(*_joined([(w.a, w.g) for w in weights]), name, None, weights[0].transposed, shape)
        table = lookups and TablePart(*_joined([(each.ids, each.g) for each in lookups]), name, shape[0])
        if not (dense and table):
            return dense or table
        if not dense.transposed:
            return TiedPart(table, dense)
    if _all(contributions, Bias):
        g = sum(each.g.sum(1) for each in contributions)
        return RowsPart(g, name, shape)
    j = sum(_explicit(each, shape) for each in contributions)
    return RowsPart(_wide(j), name, shape)


def _joined(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    (first, second), *more = pairs
    if more:
        first, second = (torch.cat(each, dim=1) for each in zip(*pairs, strict=True))
    return first if not first.is_floating_point() else _wide(first), _wide(second)


def _wide(tensor: Tensor) -> Tensor:
    """Half precision holds gradients well enough, and their products badly: kernels are taken in float32."""
    return tensor.detach().float() if tensor.element_size() < 4 else tensor.detach()


@torch.inference_mode(False)
@torch.enable_grad()
def explicit(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> dict[str, tuple[RowsPart, ...]]:
    """Per-example gradients by evaluating one example at a time: exact for any module."""
    flat = [parameter for own in layers.values() for parameter in own.values()]
    if not flat:
        return {}
    rows: list[list[Tensor]] = [[] for _ in flat]
    for i in range(size(batch)):
        output = evaluate(model, select(batch, slice(i, i + 1)), readout)[0]
        each = [torch.autograd.grad(value, flat, retain_graph=True, materialize_grads=True) for value in output]
        for row, gradients in zip(rows, zip(*each, strict=True), strict=True):
            row.append(torch.stack([gradient.flatten() for gradient in gradients]))
    stacked = iter([_wide(torch.stack(row)) for row in rows])
    return {
        path: tuple(RowsPart(next(stacked), name, tuple(parameter.shape)) for name, parameter in own.items())
        for path, own in layers.items()
    }

"""One forward pass and C backward passes of any model, as one Jacobian a layer.

A recording tells where each parameter, or something made of parameters alone, meets the examples. Every layer is then checked
on a few examples (`verification`); what does not pass takes per-example gradients, one evaluation of the model an example:
slow, and exact for any module.
"""

from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regime.kernels.jacobian.batch import Batch, Readout, evaluate, select, size
from regime.kernels.jacobian.calls import contribution, lookup
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers, check_mode, owned
from regime.kernels.jacobian.part import Part, real, wide
from regime.kernels.jacobian.parts import DensePart, EmbeddingPart, RowsPart, TiedPart
from regime.kernels.jacobian.recording import Entry, Recording, Use
from regime.kernels.jacobian.replay import Bias, Contribution, Explicit, Lookup, UnfitError, Weight, through
from regime.kernels.jacobian.trace import Structure, by_example, learn
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.jacobian.verify import GradientCheck, near


@torch.inference_mode(False)
@torch.enable_grad()
def learn_structure(model: nn.Module, batch: Batch, readout: Readout | None, layers: list[str] | None = None) -> Structure:
    """Return how the model uses its parameters; worth keeping where several batches of one kind are captured.

    Args:
        model: any module.
        batch: examples, of which a few pass through the model.
        readout: a function of the model's output and the batch, or None.
        layers: globs on module paths; None: all.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do.
    """
    check_mode(model)
    parameters = [parameter for own in owned(model, layers).values() for parameter in own.values()]
    with undisturbed(model):
        return learn(model, batch, readout, parameters)


@torch.inference_mode(False)
@torch.enable_grad()
def capture(
    model: nn.Module,
    batch: Batch,
    readout: Readout | None = None,
    layers: list[str] | None = None,
    structure: Structure | None = None,
    rows: slice | None = None,
) -> dict[str, LayerJacobian | None]:
    """One Jacobian for each layer that owns trainable parameters, in the model's order; None where no gradient reaches it.

    The model comes back as it was: its mode, gradients, hooks and dtype are untouched.

    Args:
        structure: what `learn_structure` gave for this batch, or one of its kind, and the same layers.
        rows: the examples of the batch to take, all by default.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do, and where examples affect one another.
    """
    with undisturbed(model) as passes:
        if structure is None:
            structure = learn_structure(model, batch, readout, layers)
        parameters = owned(model, layers)
        start, stop, _ = (rows or slice(None)).indices(size(batch))
        examples = batch if stop - start == size(batch) else select(batch, slice(start, stop))
        with Recording(structure, stop - start) as recording:
            outputs = evaluate(model, examples, readout)
        reached = _reached(outputs)
        _differentiate(outputs, [use for use in recording.uses if use.edge.node in reached], reached)
        contributions = _collected(recording)
        parts: dict[str, list[Part]] = {}
        rest: Layers = {}
        for path, own in parameters.items():
            used = {name: e for name, p in own.items() if (e := recording.entries[id(p)]).edge.node in reached}
            sound = {name: contributions[id(e)] for name, e in used.items() if contributions[id(e)] and not e.broken}
            rest[path] = {name: own[name] for name in used if name not in sound}
            parts[path] = _parts(sound, own)
        unsound = explicit(model, examples, readout, rest)
        both = {path: (*parts[path], *unsound.get(path, ())) for path in parameters}
        jacobians = {path: LayerJacobian(each) if each else None for path, each in both.items()}
        probe = _probe(model, batch, readout, structure, slice(start, stop), passes.rounding)
        odd = {path: parameters[path] for path in probe.disagreeing(jacobians, parameters)}
        jacobians |= {path: LayerJacobian(gradients) for path, gradients in explicit(model, examples, readout, odd).items()}
        if (odd and probe.disagreeing(jacobians, odd)) or not probe.same(outputs):
            _refuse(model, batch, readout, outputs, probe)
        return jacobians


def _probe(
    model: nn.Module, batch: Batch, readout: Readout | None, structure: Structure, rows: slice, rounding: float
) -> GradientCheck:
    """The examples of the structure's probe that are among these rows; where none is, one that is passed alone."""
    pairs = [(k, row - rows.start) for k, row in enumerate(structure.examples) if rows.start <= row < rows.stop]
    if pairs:
        return GradientCheck(structure.outputs, *map(list, zip(*pairs, strict=True)), rounding)
    middle = (rows.start + rows.stop) // 2
    return GradientCheck(evaluate(model, select(batch, [middle]), readout), [0], [middle - rows.start], rounding)


def _refuse(model: nn.Module, batch: Batch, readout: Readout | None, outputs: Tensor, probe: GradientCheck) -> NoReturn:
    """Say why examples are not what they are on their own: they affect one another, or each pass is another."""
    first, second = (evaluate(model, batch, readout) for _ in range(2))
    if not near(first, second, probe.tolerance):
        raise ValueError("model: it is random: two passes of the same examples differ; call model.eval(), or fix the noise")
    difference = (outputs[probe.rows] - probe.outputs[probe.chosen]).norm().item()
    raise ValueError(
        "model: the output for one example changes with the other examples of the batch "
        f"(by {difference:.2g}, or in its gradients); a tangent kernel between examples needs them to be independent"
    )


def _reached(output: Tensor) -> set[Any]:
    """The nodes of the autograd graph under the outputs; those of scripted modules are of another class."""
    stack = [] if output.grad_fn is None else [output.grad_fn]
    found = set(stack)
    while stack:
        node = stack.pop()
        if node.name() == "CheckpointFunctionBackward":
            raise ValueError("model: reentrant gradient checkpointing hides its layers; use use_reentrant=False, or none")
        new = {following for following, _ in node.next_functions if following is not None} - found
        found |= new
        stack += new
    return found


ELEMENTARY = ("Addmm", "Mm", "T", "View", "Squeeze", "Unsqueeze", "Expand", "Mean", "Add", "Mul", "Relu", "Tanh", "Gelu", "Erf")
BATCHED = {"torch::autograd::AccumulateGrad", "SumBackward1", *(f"{name}Backward0" for name in ELEMENTARY)}
"""Nodes that differentiate several outputs at once in less time than one by one."""


def _differentiate(outputs: Float[Tensor, "n C"], uses: list[Use], graph: set[Any]) -> None:
    """Give each use the gradients of every output with respect to its result."""
    if not uses:
        return
    n, c = outputs.shape
    edges, settings = [use.edge for use in uses], {"retain_graph": True, "materialize_grads": True}
    if c > 1 and all(node.name() in BATCHED for node in graph):
        each = torch.eye(c, dtype=outputs.dtype, device=outputs.device).unsqueeze(1).expand(c, n, c)
        found = torch.autograd.grad(outputs, edges, each, is_grads_batched=True, **settings)
    else:
        found = zip(*(torch.autograd.grad(outputs[:, k].sum(), edges, **settings) for k in range(c)), strict=True)
    for use, gradients in zip(uses, found, strict=True):
        use.gradients += [by_example(gradient, use.site.axis) for gradient in gradients]


def _collected(recording: Recording) -> dict[int, list[Contribution]]:
    """What each shared tensor contributes, from the last made to the parameters."""
    found: dict[int, list[Contribution]] = {id(entry): [] for entry in recording.order}
    made: dict[int, list[Entry]] = {id(use): [] for entry in recording.order for use in entry.uses}
    for entry in recording.order:
        if entry.source is not None:
            made[id(entry.source[0])].append(entry)
    for entry in reversed(recording.order):
        entry.broken |= any(each.broken for use in entry.uses for each in made[id(use)])
        if entry.broken:
            continue
        try:
            for use in entry.uses:
                if use.gradients:
                    found[id(entry)].append(contribution(use, entry.tensor))
                for each in made[id(use)]:
                    found[id(entry)] += _through(use, each, entry, found[id(each)])
        except UnfitError:
            entry.broken = True
    return found


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
        table = lookups and EmbeddingPart(*_joined([(each.ids, each.g) for each in lookups]), name, shape[0])
        if not (dense and table):
            return dense or table
        if not dense.transposed:
            return TiedPart(table, dense)
    if _all(contributions, Bias):
        g = sum(each.g.sum(1) for each in contributions)
        return RowsPart(g, name, shape)
    j = sum(_explicit(each, shape) for each in contributions)
    return RowsPart(wide(j), name, shape)


def _joined(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    (first, second), *more = pairs
    if more:
        first, second = (torch.cat(each, dim=1) for each in zip(*pairs, strict=True))
    return first if not first.is_floating_point() else wide(first), wide(second)


@torch.inference_mode(False)
@torch.enable_grad()
def explicit(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> dict[str, tuple[RowsPart, ...]]:
    """Return per-example gradients by evaluating one example at a time: exact for any module.

    Args:
        model: any module.
        batch: n examples.
        readout: a function of the model's output and the batch, or None.
        layers: whose parameters are differentiated.
    """
    flat = [parameter for own in layers.values() for parameter in own.values()]
    if not flat:
        return {}
    rows: list[list[Tensor]] = [[] for _ in flat]
    for i in range(size(batch)):
        output = evaluate(model, select(batch, slice(i, i + 1)), readout)[0]
        each = [torch.autograd.grad(value, flat, retain_graph=True, materialize_grads=True) for value in output]
        for row, gradients in zip(rows, zip(*each, strict=True), strict=True):
            row.append(torch.stack([real(gradient).flatten() for gradient in gradients]))
    stacked = iter([wide(torch.stack(row)) for row in rows])
    return {
        path: tuple(RowsPart(next(stacked), name, tuple(p.shape), p.is_complex()) for name, p in own.items())
        for path, own in layers.items()
    }

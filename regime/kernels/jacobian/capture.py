"""One forward pass and C backward passes of any model, as one Jacobian a layer.

A recording tells where each parameter, or something made of parameters alone, meets the examples. Every layer is then checked
on a few examples (`verify`); what does not pass is recorded anew, row by row (`routed`), and what is left takes per-example
gradients, one evaluation of the model an example: slow, and exact for any module.
"""

from dataclasses import replace
from typing import NoReturn

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.assembly import recorded
from regime.kernels.jacobian.batch import Batch, Readout, evaluate, select, size
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers, check_mode, owned
from regime.kernels.jacobian.part import Part, real, wide
from regime.kernels.jacobian.parts import RowsPart
from regime.kernels.jacobian.recording import Recording
from regime.kernels.jacobian.routed import by_rows
from regime.kernels.jacobian.trace import Structure, learn
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
        structure = learn(model, batch, readout, parameters)
        unknown = set(structure.unknown())
        rest = {path: {name: p for name, p in own.items() if p in unknown} for path, own in owned(model, layers).items()}
        _, rest = by_rows(model, select(batch, structure.examples), readout, rest)
        return replace(structure, alone=tuple(parameter for own in rest.values() for parameter in own.values()))


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
        recording = Recording(structure.shared, stop - start)
        parts, rest, outputs = recorded(model, examples, readout, parameters, recording)
        unsound = _otherwise(model, examples, readout, rest)
        both = {path: (*parts[path], *unsound.get(path, ())) for path in parameters}
        jacobians = {path: LayerJacobian(each) if each else None for path, each in both.items()}
        probe = _probe(model, batch, readout, structure, slice(start, stop), passes.rounding)
        odd = probe.disagreeing(jacobians, parameters)
        for otherwise in (_otherwise, explicit):
            if odd:
                rest = {path: parameters[path] for path in odd}
                jacobians |= {p: LayerJacobian(each) for p, each in otherwise(model, examples, readout, rest).items() if each}
                odd = probe.disagreeing(jacobians, rest)
        if odd or not probe.same(outputs):
            _refuse(model, batch, readout, outputs, probe)
        return jacobians


def _otherwise(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> dict[str, tuple[Part, ...]]:
    """The parts of layers whose calls are not as the structure has them: row by row, and what is left example by example."""
    parts, rest = by_rows(model, batch, readout, layers)
    left = explicit(model, batch, readout, rest)
    return {path: (*parts[path], *left.get(path, ())) for path in layers}


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

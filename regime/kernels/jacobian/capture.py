"""One forward pass and C backward passes of any model, as one Jacobian a layer.

A recording tells where each parameter, or something made of parameters alone, meets the examples. Every layer is then checked
on a few examples (`verify`); what does not pass is recorded anew, row by row (`routed`), and what is left takes per-example
gradients, one evaluation of the model an example: slow, and exact for any module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.assembly import collected, made_by, parts_of
from regime.kernels.jacobian.attributes import memory_of
from regime.kernels.jacobian.backward import Graph, check_derivatives, differentiate, graph_under
from regime.kernels.jacobian.batch import Batch, Chosen, Readout, evaluate, select, size
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers, check_mode, owned
from regime.kernels.jacobian.part import Part, dense, real, wide
from regime.kernels.jacobian.parts import RowsPart
from regime.kernels.jacobian.recording import Entry, Recording, Use
from regime.kernels.jacobian.refusal import check_apart, coupled, refuse
from regime.kernels.jacobian.rounding import jittered, noise_of
from regime.kernels.jacobian.routed import by_rows, misplaced
from regime.kernels.jacobian.single import check_seen
from regime.kernels.jacobian.structure import Structure, learn
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.jacobian.verify import GradientCheck

Take = Callable[[str, LayerJacobian], None]
"""Told of a layer's path and of its Jacobian."""


@torch.inference_mode(False)
@torch.enable_grad()
def learn_structure(model: nn.Module, batch: Batch, readout: Readout | None, layers: list[str] | None = None) -> Structure:
    """Return how the model uses its parameters; worth keeping where several batches of one kind are captured.

    Args:
        model, batch, readout: as in `evaluate`.
        layers: globs on module paths; None: all.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate`, `size`, `graph_under` and `check_derivatives` do.
    """
    check_mode(model)
    parts = owned(model, layers)
    parameters = [parameter for own in parts.values() for parameter in own.values()]
    with undisturbed(model) as passes:
        readout = passes.watched(readout)
        writes = passes.known.writes
        structure = learn(model, batch, readout, parameters, passes)
        if passes.known.writes > writes:  # what was looked at is no longer what it was
            structure = learn(model, batch, readout, parameters, passes)
        check_seen(graph := graph_under(structure.outputs))  # or says what hides there
        check_derivatives(graph, parts)
        unknown = set(structure.unknown())
        rest = {path: {name: p for name, p in own.items() if p in unknown} for path, own in parts.items()}
        _, rest = by_rows(model, select(batch, structure.examples), readout, rest)
    return replace(structure, alone=tuple(parameter for own in rest.values() for parameter in own.values()))


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
        ValueError: as `stream` does.
    """
    found: dict[str, LayerJacobian | None] = dict.fromkeys(owned(model, layers))
    stream(model, batch, found.__setitem__, readout, layers, structure, rows)
    own = set(map(memory_of, model.parameters())) - {0}
    # a layer may be given parameters, such as queries that are learned, and training writes into these
    apart = lambda tensor: tensor.clone() if memory_of(tensor) in own else tensor  # noqa: E731
    return {path: jacobian and jacobian.each(apart) for path, jacobian in found.items()}


@torch.inference_mode(False)
@torch.enable_grad()
def stream(
    model: nn.Module,
    batch: Batch,
    take: Take,
    readout: Readout | None = None,
    layers: list[str] | None = None,
    structure: Structure | None = None,
    rows: slice | None = None,
    apart: bool = False,
    keep: bool = True,
) -> None:
    """Give `take` the Jacobian of each layer that a gradient reaches, checked, as soon as a backward pass has met its last use.

    Inputs and gradients of a layer are held no longer than that, unless `take` keeps them.

    Args:
        model, batch, readout, layers, structure, rows: as in `capture`.
        take: told of each layer once, or once for each output.
        apart: one output after another: as many Jacobians of each layer as there are outputs, each of one of them.
        keep: whether the structure is needed again; else its graph is let go of.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do, and where examples affect one another.
    """
    with undisturbed(model) as passes:
        if structure is None or passes.known.moves:
            structure, keep = learn_structure(model, batch, readout, layers), False
        readout = passes.watched(readout)
        parameters = owned(model, layers)
        start, stop, _ = (rows or slice(None)).indices(size(batch))
        examples = batch if stop - start == size(batch) else select(batch, slice(start, stop))
        probe = _probe(model, batch, readout, structure, slice(start, stop), parameters, keep)
        checks = [probe.of_output(k) for k in range(probe.outputs.shape[1])] if apart else [probe]
        for check in checks:
            _ = check.moved, check.known  # before activations take memory
        outputs = evaluate(model, examples, readout, recording := Recording(structure.shared, stop - start))
        graph = graph_under(outputs)
        if not (probe.same(outputs) and _as_apart(structure, outputs, start, probe)):
            refuse(model, examples, readout, checks)
        uses = [use for use in recording.uses if use.edge.node in graph]
        moved = misplaced(outputs, uses) if structure.doubtful else []
        for entry in recording.order if moved else ():
            entry.broken |= any(use in moved for use in entry.uses)
        if probe.jittered is not None and len(moved) < len(uses):
            check_apart(outputs, probe.rows[0], [use for use in uses if use not in moved])
        for k, check in enumerate(checks):
            last = k == len(checks) - 1
            layered = _Layers(recording, parameters, graph, check, take, last)
            differentiate(outputs[:, k : k + 1] if apart else outputs, list(layered.waiting), graph, layered.arrived, not last)
            one = Chosen(readout, k) if apart else readout
            if not layered.end(*(partial(way, model, examples, one) for way in (_otherwise, explicit))):
                refuse(model, examples, readout, checks, list(layered.odd))
        if structure.doubtful:
            order = torch.arange(stop - start - 1, -1, -1, device="cpu").chunk(2)  # in halves: one example may decide for all
            turned = torch.cat([evaluate(model, select(examples, part.tolist()), readout).detach() for part in order])
            if not probe.near(turned.flip(0), outputs.detach()):
                away = (turned.flip(0) - outputs.detach()).norm().item()  # such as where an expert takes no more tokens
                raise ValueError(coupled(f"by {away:.2g} in another order"))


class _Layers:
    """The layers of a recorded batch, as gradients come to their calls: made, checked and handed on."""

    def __init__(
        self, recording: Recording, parameters: Layers, graph: Graph, check: GradientCheck, take: Take, last: bool
    ) -> None:
        self.recording, self.parameters, self.graph, self.check, self.take = recording, parameters, graph, check, take
        self.last = last
        """Whether what the calls were given is not needed again."""
        self.waiting: dict[Use, list[str]] = {use: [] for use in recording.uses if use.edge.node in graph}
        """The layers that need each call."""
        self.entries: dict[str, list[Entry]] = {}
        """What each layer's gradients come to: its parameters, and what is made of them alone."""
        self.uses: dict[str, list[Use]] = {}
        """The calls that each layer needs."""
        self.rest: dict[str, tuple[list[Part], dict[str, nn.Parameter]]] = {}
        """Layers with parameters that need gradients of one example after another, and their other parts."""
        self.odd: Layers = {}
        """Layers that are not what the check says."""
        made = made_by(recording.order)
        for path, own in parameters.items():
            self.entries[path] = entries = self._made_of(own, made)
            self.uses[path] = list({use for entry in entries for use in entry.uses if use in self.waiting})
            for use in self.uses[path]:
                self.waiting[use].append(path)
        self.missing = {path: len(uses) for path, uses in self.uses.items()}

    def _made_of(self, own: dict[str, nn.Parameter], made: dict[int, list[Entry]]) -> list[Entry]:
        found = [self.recording.entries[id(parameter)] for parameter in own.values()]
        for entry in found:  # which grows meanwhile
            found += [each for use in entry.uses for each in made.get(id(use), ()) if each not in found]
        return sorted(found, key=self.recording.order.index) if made else found

    def arrived(self, use: Use) -> None:
        """Complete the layers that waited for this call last."""
        for path in tuple(self.waiting[use]):
            self.missing[path] -= 1
            if not self.missing[path]:
                self._complete(path)

    def end(self, *ways: Callable[[Layers], Mapping[str, Sequence[Part]]]) -> bool:
        """Complete what is left, in the first way that the check agrees with; whether it agrees with all of it."""
        for path in [path for path, uses in self.uses.items() if not uses]:
            self._complete(path)
        unsound = ways[0]({path: names for path, (_, names) in self.rest.items()})
        for path, (parts, _) in self.rest.items():
            self._hand_on(path, [*parts, *unsound[path]])
        for way in ways:
            odd, self.odd = self.odd, {}
            for path, parts in way(odd).items():
                self._hand_on(path, parts, plain=way is ways[-1])
        return not self.odd

    def _complete(self, path: str) -> None:
        """Make a layer's parts, and let go of the calls that no other layer waits for."""
        own, contributions = self.parameters[path], collected(self.entries[path])
        entries = {name: self.recording.entries[id(parameter)] for name, parameter in own.items()}
        used = {name: entry for name, entry in entries.items() if entry.edge.node in self.graph and own[name].numel()}
        sound = {name: contributions[id(e)] for name, e in used.items() if contributions[id(e)] and not e.broken}
        parts, unsound = parts_of(sound, own), {name: own[name] for name in used if name not in sound}
        if unsound:
            self.rest[path] = (parts, unsound)
        else:
            self._hand_on(path, parts)
        for use in self.uses[path]:
            self.waiting[use].remove(path)
            if not self.waiting[use]:
                use.forget(arguments=self.last)

    def _hand_on(self, path: str, parts: Sequence[Part], plain: bool = False) -> None:
        """Hand a layer on where the check agrees; `plain` gradients of single examples also where that says nothing of them."""
        jacobian = LayerJacobian(tuple(parts)) if parts else None
        if not self.check.agrees(path, jacobian) or (not plain and self.check.misses(path, jacobian)):
            self.odd[path] = self.parameters[path]
        elif jacobian is not None:
            self.take(path, jacobian)


def _otherwise(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> dict[str, tuple[Part, ...]]:
    """The parts of layers whose calls are not as the structure has them: row by row, and what is left example by example."""
    parts, rest = by_rows(model, batch, readout, layers)
    left = explicit(model, batch, readout, rest)
    return {path: (*parts[path], *left[path]) for path in layers}


def _probe(
    model: nn.Module, batch: Batch, readout: Readout | None, structure: Structure, rows: slice, layers: Layers, keep: bool
) -> GradientCheck:
    """The examples of the structure's probe that are among these rows; where none is, one that is passed alone."""
    pairs = [(k, row - rows.start) for k, row in enumerate(structure.examples) if rows.start <= row < rows.stop]
    fine = structure.jittered is None
    noise = cache(partial(noise_of, model, select(batch, structure.examples), readout)) if fine else None
    if pairs:
        chosen, inside = map(list, zip(*pairs, strict=True))
        return GradientCheck(structure.outputs, chosen, inside, layers, structure.tolerance, keep, structure.jittered, noise)
    middle = (rows.start + rows.stop) // 2
    single = select(batch, [middle])
    alone = evaluate(model, single, readout)
    other = None if fine else jittered(model, single, readout)
    return GradientCheck(alone, [0], [middle - rows.start], layers, structure.tolerance, False, other, noise)


def _as_apart(structure: Structure, outputs: Tensor, start: int, probe: GradientCheck) -> bool:
    """Whether a batch's outputs, from some row on, are those of the smaller probe, where examples are among others."""
    rows, apart = structure.others or ([], outputs)
    pairs = [(row - start, k) for k, row in enumerate(rows) if 0 <= row - start < len(outputs)]
    return not pairs or probe.near(outputs[[row for row, _ in pairs]], apart[[k for _, k in pairs]])


@torch.inference_mode(False)
@torch.enable_grad()
def explicit(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> dict[str, tuple[RowsPart, ...]]:
    """Return per-example gradients by evaluating one example at a time: exact for any module.

    Args:
        model, batch, readout: as in `evaluate`.
        layers: whose parameters are differentiated.
    """
    flat = [parameter for own in layers.values() for parameter in own.values()]
    if not flat:
        return dict.fromkeys(layers, ())
    rows: list[list[Tensor]] = [[] for _ in flat]
    for i in range(size(batch)):
        output = evaluate(model, select(batch, slice(i, i + 1)), readout)[0]
        each = [torch.autograd.grad(value, flat, retain_graph=True, materialize_grads=True) for value in output]
        for row, gradients in zip(rows, zip(*each, strict=True), strict=True):
            row.append(torch.stack([real(dense(gradient)).flatten() for gradient in gradients]))
    stacked = iter([wide(torch.stack(row)) for row in rows])
    return {
        path: tuple(RowsPart(next(stacked), name, tuple(p.shape), p.is_complex()) for name, p in own.items())
        for path, own in layers.items()
    }

"""Which functions a model applies to its parameters, and which axis of their results counts the examples.

Two probes of a model, with two and with three of the examples, are compared call by call. What is made of parameters alone
has one shape in both; where the examples come in, an axis grows from 2k to 3k. Sizes of one batch could not tell n from T.
One probe does for a model whose functions all treat rows apart, such as an MLP: by induction over its calls, rows of the batch
belong to one example each, and so do rows of any such function, whatever the other rows are.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.multiprocessing.reductions import StorageWeakRef

from regime.kernels.jacobian.backward import graph_under
from regime.kernels.jacobian.batch import Batch, Readout, evaluate, select, size
from regime.kernels.jacobian.chance import check_settled
from regime.kernels.jacobian.refusal import coupled
from regime.kernels.jacobian.rounding import SINGLE, jittered, noise_of
from regime.kernels.jacobian.trace import PROBES, Call, ExampleAxis, Log, RowLog, Shared, Site
from regime.kernels.jacobian.undisturbed import Passes
from regime.kernels.jacobian.verify import near, tolerance_of

ON_THE_WAY = 4
"""Gradients as large as the largest result that a backward pass holds at once, or a layer's kernel, at most."""


@dataclass(frozen=True)
class Structure:
    """How a model uses its parameters, as far as two small probes tell."""

    shared: dict[nn.Parameter, Shared]
    examples: list[int]
    """The rows of the batch in the larger probe."""
    outputs: Tensor
    """Of the larger probe, with their graph."""
    doubtful: bool
    """Whether rows may come in an order that the examples' numbers decide."""
    others: tuple[list[int], Tensor] | None
    """The rows and the outputs of the smaller probe, of other examples where there are any; None where one probe does."""
    held_bytes: int
    """Of what a forward pass keeps for its backward pass, for one example."""
    argument_bytes: int
    """Of what is given to calls that parameters take part in."""
    result_bytes: int
    """Of these calls' results."""
    largest_bytes: int
    """Of the largest result of any call."""
    tolerance: float
    """The relative error that rounding may make, but for that of numbers coarser than float32."""
    jittered: Tensor | None = None
    """The outputs with another rounding, with their graph, where numbers are coarser than float32."""
    alone: tuple[nn.Parameter, ...] = ()
    """Parameters that take an evaluation of the model for each example."""

    def unknown(self) -> list[nn.Parameter]:
        """Parameters of which the two probes told different stories, or none, so that the batch itself has to tell."""
        odd = {p: shared.sites for p, shared in self.shared.items() if not shared.sites}
        graph = graph_under(self.outputs) if odd else {}
        return [p for p, sites in odd.items() if sites is None or get_gradient_edge(p).node in graph]

    def _bytes_alone(self, outputs: int) -> int:
        """What gradients take, for one example, of parameters that take an evaluation for each."""
        return max(4, self.outputs.element_size()) * outputs * sum(p.numel() for p in self.alone)

    @property
    def _widening(self) -> int:
        """How many times as long gradients are as the numbers of the passes: float32 at least."""
        return max(1, 4 // self.outputs.element_size())

    def bytes_of_stream(self, outputs: int) -> int:
        """Return what `capture.stream` holds for one example: the graph, gradients on their way, and those of several outputs.

        Args:
            outputs: C, or 1 where they are taken apart.
        """
        several = outputs * self.result_bytes if outputs > 1 else 0
        passing = self._widening * (several + ON_THE_WAY * outputs * self.largest_bytes)
        return self.held_bytes + passing + self._bytes_alone(outputs)

    def bytes_of_jacobian(self) -> int:
        """Return what the Jacobians of all layers hold for one example."""
        c = self.outputs.shape[1]
        return self._widening * (self.argument_bytes + c * self.result_bytes) + self._bytes_alone(c)

    def bytes_of_check(self) -> int:
        """Return what the gradients take that layers are checked against: one at a time, and two while a second use adds."""
        uses = {p: 2 if each.sites is None else min(2, len(each.sites)) for p, each in self.shared.items()}
        return max(max(4, p.element_size()) * p.numel() * count for p, count in uses.items())


def learn(
    model: nn.Module, batch: Batch, readout: Readout | None, parameters: Iterable[nn.Parameter], passes: Passes
) -> Structure:
    """Return the structure of the model, from a few of the examples, the last first.

    Args:
        model, batch, readout: as in `evaluate`.
        parameters: whose use is learned.
        passes: the model's, which tell what the graph holds.

    Raises:
        ValueError: as `evaluate`, `size` and `check_settled` do.
    """
    few, more = PROBES
    rows = _rows(batch)
    examples = (rows * more)[:more]
    probe = select(batch, examples)
    with _noting(passes) as held:
        outputs = evaluate(model, probe, readout, log := RowLog(probe))
    passes.drew |= passes.found.drew()
    if passes.drew:
        generators = [generator for generator, _ in passes.found.generators]
        check_settled(lambda: evaluate(model, probe, readout), outputs, tolerance_of(passes.rounding), generators)
    others, doubtful = None, False
    if id(outputs) in log.known:
        shared, met = _by_rows(parameters, log.calls)
    else:
        rows = [*rows[more:], *examples][:few]
        smaller = select(batch, rows)
        passed = evaluate(model, smaller, readout, log2 := Log(smaller))
        if passed.shape[1] != outputs.shape[1]:
            raise ValueError(coupled(f"{passed.shape[1]} outputs among {few} examples, {outputs.shape[1]} among {more}"))
        others = rows, passed.detach()
        shared, met = _matched(parameters, log2.calls, log.calls)
        asked = log.reordered.asked, log2.reordered.asked
        doubtful = log.reordered.doubtful or log2.reordered.doubtful or len(set(asked)) > 1
        doubtful |= log.reordered.along != log2.reordered.along
        if any(asked) and passes.rounding <= SINGLE:
            _check_alone(model, batch, readout, examples[:few], outputs, tolerance_of(passes.rounding))
        del log2
    arguments = {id(t): _bytes(t) for call in met for t in call.tensors if not isinstance(t, nn.Parameter)}
    results = sum(_bytes(output) for call in met for output in call.outputs)
    largest = max((_bytes(output) for call in log.calls for output in call.outputs), default=0)
    opened = log.opened
    del log, met  # what is still there then, the graph holds
    sizes = (held(), sum(arguments.values()), results, largest)
    if opened:
        outputs = evaluate(model, probe, readout)  # what is checked against is computed by torch's own functions
    tolerance = tolerance_of(passes.rounding)
    found = Structure(shared, examples, outputs, doubtful, others, *(nbytes // more for nbytes in sizes), tolerance)
    return replace(found, jittered=jittered(model, probe, readout)) if passes.rounding > SINGLE else found


@contextmanager
def _noting(passes: Passes) -> Iterator[Callable[[], int]]:
    """Note the memory that operations of passes give; the function that is given says how much of it something holds yet."""
    own = {StorageWeakRef(tensors[0].untyped_storage()) for tensors in passes.storages.values()}
    made: dict[StorageWeakRef, int] = {}

    def note(tensor: Tensor) -> None:
        if torch._C._has_storage(tensor):
            storage = tensor.untyped_storage()
            made[StorageWeakRef(storage)] = storage.nbytes()

    passes.note = note
    try:
        yield lambda: sum(nbytes for place, nbytes in made.items() if place not in own and not place.expired())
    finally:
        passes.note = None


def _rows(batch: Batch) -> list[int]:
    """Examples to look at, at least five where there are so many: the fullest and the emptiest, and others by chance.

    Padding is empty; and no order that a model puts its examples in has a place that is always looked at.
    """
    n = size(batch)
    tensors = [batch] if isinstance(batch, Tensor) else [value for value in batch.values() if isinstance(value, Tensor)]
    filled = sum(tensor.reshape(n, -1).ne(0).sum(1).cpu() for tensor in tensors)
    ends = torch.stack([filled.argmax(), filled.argmin()]).tolist()
    return list(dict.fromkeys([*ends, *random.Random(n).sample(range(n), min(n, 5))]))


def _check_alone(
    model: nn.Module, batch: Batch, readout: Readout | None, rows: list[int], outputs: Tensor, tolerance: float
) -> None:
    """Refuse examples that take another way among others, such as where any is padded: `outputs` are first those of `rows`."""
    noise = cache(partial(noise_of, model, select(batch, rows), readout))
    for row, among in zip(rows, outputs.detach(), strict=False):
        try:
            alone = evaluate(model, select(batch, [row]), readout).detach()
        except ValueError:
            continue  # a network that takes no single example
        if not near(alone, among[None], tolerance, noise):
            raise ValueError(coupled(f"by {(alone - among).norm().item():.2g}"))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()  # sparse ones have no nbytes


def _by_rows(parameters: Iterable[nn.Parameter], calls: list[Call]) -> tuple[dict[nn.Parameter, Shared], list[Call]]:
    """How a model that treats rows apart uses its parameters, and the calls at which it does."""
    users, row = consumers(calls), ExampleAxis(0, 1)
    sites = {
        id(call): Site(call.function, row, tuple(None if isinstance(t, nn.Parameter) else row for t in call.tensors), [])
        for call in calls
    }
    met = {parameter: users.get(id(parameter), []) for parameter in parameters}
    shared = {parameter: Shared([sites[id(call)] for call in each]) for parameter, each in met.items()}
    return shared, list({id(call): call for each in met.values() for call in each}.values())


def _matched(
    parameters: Iterable[nn.Parameter], calls: list[Call], calls2: list[Call]
) -> tuple[dict[nn.Parameter, Shared], list[Call]]:
    """What the two probes have in common, from the parameters on, and the calls of the second that parameters take part in."""
    users, users2 = consumers(calls), consumers(calls2)
    shared = {parameter: Shared() for parameter in parameters}
    work = [(parameter, parameter, entry) for parameter, entry in shared.items()]
    sites: dict[int, tuple[Site, Call]] = {}
    while work:
        one, two, entry = work.pop()
        met, met2 = users.get(id(one), []), users2.get(id(two), [])
        pairs = list(zip(met, met2, strict=False))
        if len(met) != len(met2) or not all(_alike(*pair) for pair in pairs):
            continue
        entry.sites = []
        for call, call2 in pairs:
            site, known = sites.get(id(call), (None, call2))
            if known is not call2:
                entry.sites = None
                break
            if site is None:
                site = _site(call, call2)
                sites[id(call)] = (site, call2)
                work += zip(call.outputs, call2.outputs, site.outputs, strict=False)
            entry.sites.append(site)
    met = [call2 for site, call2 in sites.values() if site.axis is not None]
    met += [call2 for parameter, entry in shared.items() if entry.sites is None for call2 in users2.get(id(parameter), [])]
    return shared, list({id(call2): call2 for call2 in met}.values())


def consumers(calls: list[Call]) -> dict[int, list[Call]]:
    """The calls that take each tensor, by its id."""
    found: dict[int, list[Call]] = {}
    for call in calls:
        for tensor in {id(tensor): tensor for tensor in call.tensors if tensor.requires_grad}.values():
            found.setdefault(id(tensor), []).append(call)
    return found


def _alike(call: Call, call2: Call) -> bool:
    return (
        call.function == call2.function
        and len(call.outputs) == len(call2.outputs)
        and len(call.tensors) == len(call2.tensors)
        and all(one.dim() == two.dim() for one, two in zip(call.tensors, call2.tensors, strict=True))
    )


def _site(call: Call, call2: Call) -> Site:
    axes = tuple(_axis(one, two) for one, two in zip(call.tensors, call2.tensors, strict=True))
    results = [_axis(one, two) for one, two in zip(call.outputs, call2.outputs, strict=True)]
    if all(result is None for result in results) and all(
        o.shape == p.shape for o, p in zip(call.outputs, call2.outputs, strict=True)
    ):
        return Site(call.function, None, axes, [Shared() for _ in results])
    return Site(call.function, results[0] if len(results) == 1 else None, axes, [])


def _axis(one: Tensor, two: Tensor) -> ExampleAxis | None:
    """The one axis that grows with the number of examples, if that is all that differs."""
    few, more = PROBES
    if one.dim() != two.dim():
        return None
    grown = [position for position, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b]
    if len(grown) != 1 or one.shape[grown[0]] * more != two.shape[grown[0]] * few:
        return None
    return ExampleAxis(grown[0], one.shape[grown[0]] // few)

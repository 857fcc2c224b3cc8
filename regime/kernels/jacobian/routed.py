"""Calls whose rows belong to examples by data: tokens that a router sends to experts, packed sequences, other orders of axes.

Which example a row belongs to is read from gradients: where example e's outputs are scaled by 2**e, so are the gradients of its
rows, exactly. No size tells examples apart.
"""

from collections.abc import Callable, Container, Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from regime.kernels.jacobian.assembly import collected, parts_of
from regime.kernels.jacobian.backward import differentiate, gradients_at, graph_under
from regime.kernels.jacobian.batch import Batch, Readout, evaluate, size
from regime.kernels.jacobian.calls import ROWWISE
from regime.kernels.jacobian.parameters import Layers
from regime.kernels.jacobian.part import Part
from regime.kernels.jacobian.recording import Entry, Recording, Use
from regime.kernels.jacobian.trace import ExampleAxis, Shared, Site, by_example

WHOLE = ExampleAxis(0, 1)
"""Of a call's results before their rows are known."""
SHARED = 1e-3
"""How far off an integer the power of two is by which a row's gradient was scaled, where it is of several examples."""


class Routed(Recording):
    """Keeps the calls at which parameters take part, as they come: those that treat rows apart, and what parameters make."""

    def __init__(self, parameters: Iterable[nn.Parameter], n: int) -> None:
        super().__init__({parameter: Shared() for parameter in parameters}, n)

    def site(self, met: dict[int, Entry], function: Callable, tensors: list[Tensor], outputs: list[Tensor]) -> Site | None:
        """Return what is believed of a call; None where it cannot be taken apart."""
        others = [tensor for tensor in tensors if id(tensor) not in met]
        axes = max(entry.tensor.dim() for entry in met.values())
        if axes <= ROWWISE.get(function, 0) and len(outputs) == 1 and any(_has_rows(each, outputs[0]) for each in others):
            return Site(function, WHOLE, (), [])
        if any(tensor.requires_grad for tensor in others):
            return None
        return Site(function, None, (None,) * len(tensors), [Shared() for _ in outputs])

    def settle(self, outputs: Float[Tensor, "n C"], uses: list[Use]) -> None:
        """Put the rows of each call in order of examples."""
        if not uses:
            return
        examples = torch.arange(self.n + 1, device=outputs.device)
        rows = [owner.sort(stable=True) for owner in _owners(outputs, uses)]
        starts = [torch.searchsorted(owner, examples) for owner, _ in rows]
        known = [torch.stack([start.diff().max(), start[0]]) for start in starts]
        for use, (owner, order), start, (count, several) in zip(uses, rows, starts, torch.stack(known).tolist(), strict=True):
            if several:  # rows that are more than one example's
                for entry in self.entries.values():
                    entry.broken |= use in entry.uses
                continue
            each = max(1, count)
            place = owner * each + torch.arange(len(owner), device=owner.device) - start[owner]
            _arrange(use, order, place.clamp(max=self.n * each), (self.n, each), self.entries)


def _has_rows(tensor: Tensor, result: Tensor) -> bool:
    """Whether a tensor has a row, or a token, for each row of a result."""
    return result.dim() > 1 and result.shape[:-1] in (tensor.shape[:-1], tensor.shape)


def misplaced(outputs: Float[Tensor, "n C"], uses: Sequence[Use]) -> list[Use]:
    """Return the calls whose rows are not of the examples that their places say.

    Args:
        outputs: of n examples, whose graph is kept.
        uses: calls that outputs depend on.
    """
    if not uses:
        return []
    examples, owned = torch.arange(len(outputs), device=outputs.device), _owners(outputs, uses)
    places = [examples.repeat_interleave(use.site.axis.each) for use in uses]
    odd = [(owner != place) & (owner < len(outputs)) for owner, place in zip(owned, places, strict=True)]
    told = torch.stack([each.any() for each in odd]).tolist()
    return [use for use, moved in zip(uses, told, strict=True) if moved]


def _owners(outputs: Float[Tensor, "n C"], uses: Sequence[Use]) -> list[Int[Tensor, " R"]]:
    """The example of each row of each call's result; n where no output depends on it, -1 where those of several do.

    The rows of a call are places along the axis of examples, or all but the last axis where it is not known.
    """
    n, examples = len(outputs), torch.arange(len(outputs), device=outputs.device)
    digits = 6 if torch.finfo(outputs.dtype).max > 2.0**100 else 3  # bits of e there may be in 2**e, which must not overflow
    unlike = 1 + torch.arange(outputs.shape[1], dtype=outputs.dtype, device=outputs.device).cos() / 2
    mixed = outputs @ unlike  # depends on whatever any output of an example depends on

    def rows(values: Tensor) -> list[Tensor]:
        """Gradients of a sum of values."""
        found = gradients_at(values.sum(), uses, retain_graph=True)
        known = [use.site.axis is not WHOLE for use in uses]
        return [
            by_example(each, use.site.axis).flatten(0, 1).flatten(1) if placed else each.flatten(0, -2)
            for each, use, placed in zip(found, uses, known, strict=True)
        ]

    largest = [(at := each.abs().argmax(-1, keepdim=True), each.gather(1, at)[:, 0]) for each in rows(mixed)]
    owners = [torch.zeros_like(at[:, 0]) for at, _ in largest]
    for shift in range(0, (n - 1).bit_length(), digits):
        exponents = (examples >> shift) % 2**digits - 2 ** (digits - 1)
        scaled = rows(mixed * torch.ldexp(torch.ones_like(mixed), exponents))
        for owner, each, (at, value) in zip(owners, scaled, largest, strict=True):
            power = (each.gather(1, at)[:, 0] / value).abs().log2()
            owner += (power.round() + 2 ** (digits - 1)).nan_to_num().long() << shift
            owner[(power - power.round()).abs() > SHARED] = -(2**62)  # what several examples scale is scaled by no power of two
    for owner, (_, value) in zip(owners, largest, strict=True):
        owner[(value == 0) | (owner >= n)] = n
    return [owner.clamp(min=-1) for owner in owners]


def _arrange(
    use: Use, order: Int[Tensor, " R"], place: Int[Tensor, " R"], shape: tuple[int, int], shared: Container[int]
) -> None:
    """Give a call as many rows for each example, in order; those that are filled in have no gradient.

    Args:
        use: the call.
        order: its rows by example, at last those that no output depends on.
        place: where each of them goes; past the end those that go nowhere.
        shape: examples, and rows for each.
        shared: tensors that have no rows, by their ids.
    """
    last = shape[0] * shape[1]
    index, filled = (order.new_zeros(last + 1).index_put_((place,), row)[:last] for row in (order, torch.ones_like(order)))
    result, axis = use.gradients[0].squeeze(1), ExampleAxis(0, shape[1])

    def arranged(tensor: Tensor) -> Tensor:
        rows = tensor.flatten(0, result.dim() - 2)
        return (rows if len(rows) else rows.new_zeros(1, *rows.shape[1:]))[index]  # an expert may get no token at all

    use.gradients = [(arranged(g.squeeze(1)) * filled.to(g)[:, None]).unflatten(0, shape) for g in use.gradients]
    moved = {id(t): arranged(t) for t in use.tensors if id(t) not in shared and _has_rows(t, result)}
    use.args, use.kwargs = tree_map(lambda v: moved.get(id(v), v) if isinstance(v, Tensor) else v, (use.args, use.kwargs))
    use.site = Site(use.site.function, axis, tuple(axis if id(t) in moved else None for t in use.tensors), [])
    use.tensors = [moved.get(id(t), t) for t in use.tensors]


def by_rows(model: nn.Module, batch: Batch, readout: Readout | None, layers: Layers) -> tuple[dict[str, list[Part]], Layers]:
    """Return the parts of each layer whose calls treat rows apart, and the parameters that are left.

    Args:
        model, batch, readout: as in `evaluate`.
        layers: whose parameters are differentiated.
    """
    if not any(layers.values()):
        return {path: [] for path in layers}, layers
    parameters = [parameter for own in layers.values() for parameter in own.values()]
    outputs = evaluate(model, batch, readout, recording := Routed(parameters, size(batch)))
    graph = graph_under(outputs)
    uses = [use for use in recording.uses if use.edge.node in graph]
    differentiate(outputs, uses, graph, lambda _: None, keep=True)
    recording.settle(outputs, uses)
    contributions = collected(recording.order)
    parts, rest = {}, {}
    for path, own in layers.items():
        used = {name: e for name, p in own.items() if (e := recording.entries[id(p)]).edge.node in graph}
        sound = {name: contributions[id(e)] for name, e in used.items() if contributions[id(e)] and not e.broken}
        rest[path] = {name: own[name] for name in used if name not in sound}
        parts[path] = parts_of(sound, own)
    return parts, rest

"""Which functions a model applies to its parameters, and which axis of their results counts the examples.

Two probes of a model, with two and with three of the examples, are compared call by call. What is made of parameters alone
has one shape in both; where the examples come in, an axis grows from 2k to 3k. Sizes of one batch could not tell n from T.
A recording of the whole batch then keeps every call at which a parameter, or something made of parameters alone, meets the
examples. All of a model's functions pass here, whichever modules they are called from.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Inexact
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode

from regime.kernels.batch import Batch, Readout, evaluate, select, size

PROBES = (2, 3)
"""Examples in the two probes; one would do for a first, but models often treat a single example apart."""


@dataclass(frozen=True)
class Axis:
    """The axis of a tensor that counts examples, `each` entries for every one of them."""

    position: int
    each: int


@dataclass(eq=False)
class Call:
    """One call of a torch function whose result needs gradients."""

    function: Callable[..., Any]
    args: tuple
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    outputs: list[Tensor]
    edges: list[GradientEdge]


@dataclass(eq=False)
class Site:
    """What the probes showed of a call that meets something shared: its result is shared, or has examples on an axis."""

    function: Callable[..., Any]
    axis: Axis | None
    axes: tuple[Axis | None, ...]
    """Of the tensor arguments, in order; None for one without examples."""
    outputs: "list[Shared]"
    """Where the result is shared."""
    witnesses: list[tuple[Axis, Tensor]] = field(default_factory=list)
    """In the larger probe: every argument that has examples, and last the gradient of the result, summed over outputs."""


@dataclass(eq=False)
class Shared:
    """A parameter, or a tensor made of parameters alone, and the calls that meet it; None where the probes disagree."""

    sites: list[Site] | None = None


@dataclass(frozen=True)
class Structure:
    """How a model uses its parameters, as far as two small probes tell."""

    shared: dict[nn.Parameter, Shared]
    examples: list[int]
    """The rows of the batch in the larger probe."""
    outputs: Tensor
    result_bytes: int
    """Of all results in a forward pass that need gradients, for one example."""

    def unknown(self) -> list[nn.Parameter]:
        """Parameters of which the two probes told different stories, so that one example is taken after another."""
        return [parameter for parameter, shared in self.shared.items() if shared.sites is None]

    def bytes_per_example(self) -> int:
        """What a capture holds: results and their gradients (in float32 at least), and the unknown parameters' gradients."""
        c, wide = self.outputs.shape[1], max(1, 4 // self.outputs.element_size())
        return self.result_bytes * (1 + wide * (1 + c)) + 4 * wide * c * sum(p.numel() for p in self.unknown())


class Log(TorchFunctionMode):
    """Keeps every call whose result needs gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        outputs = _differentiable(output)
        if outputs:
            tensors = list(tensors_in((args, kwargs)))
            if not _returns_its_argument(function, tensors, outputs):
                edges = [get_gradient_edge(each) for each in outputs]
                self.calls.append(Call(function, args, kwargs, tensors, outputs, edges))
        return output


def tensors_in(values: Any) -> Iterable[Tensor]:
    """The tensors of nested arguments, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, Mapping):
        yield from tensors_in(tuple(values.values()))


def _differentiable(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.requires_grad else []
    if isinstance(output, list | tuple):
        return [each for each in output if isinstance(each, Tensor) and each.requires_grad]
    return []


def _changes_in_place(function: Callable) -> bool:
    name = function.__name__
    return (name.endswith("_") and not name.endswith("__")) or (
        name.startswith("__i") and name not in ("__invert__", "__index__")
    )


def _returns_its_argument(function: Callable, tensors: list[Tensor], outputs: list[Tensor]) -> bool:
    """x.to(x.dtype), x.contiguous() and the like may give x itself: nothing happened."""
    return not _changes_in_place(function) and any(output is tensor for output in outputs for tensor in tensors)


def learn(model: nn.Module, batch: Batch, readout: Readout | None, parameters: Iterable[nn.Parameter]) -> Structure:
    """The structure of the model, from a few of the examples, the last first.

    Raises:
        ValueError: as `evaluate` and `size` do.
    """
    n = size(batch)
    few, more = PROBES
    examples = [n // 3, n - 1, 0]  # in no order that a model which sorts or reverses its batch would keep
    logs, outputs = [], []
    for count in (few, more):
        with Log() as log:
            outputs.append(evaluate(model, select(batch, examples[:count]), readout))
        logs.append(log.calls)
    shared, found = _matched(parameters, *logs)
    _bear_witness(outputs[1], found)
    result_bytes = sum(output.nbytes for call in logs[1] for output in call.outputs) // more
    return Structure(shared, examples, outputs[1].detach(), result_bytes)


def _matched(
    parameters: Iterable[nn.Parameter], calls: list[Call], calls2: list[Call]
) -> tuple[dict[nn.Parameter, Shared], list[tuple[Site, Call]]]:
    """What the two probes have in common, from the parameters on: each site with its call in the second probe."""
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
    return shared, list(sites.values())


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


def _axis(one: Tensor, two: Tensor) -> Axis | None:
    """The one axis that grows with the number of examples, if that is all that differs."""
    few, more = PROBES
    if one.dim() != two.dim():
        return None
    grown = [position for position, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b]
    if len(grown) != 1 or one.shape[grown[0]] * more != two.shape[grown[0]] * few:
        return None
    return Axis(grown[0], one.shape[grown[0]] // few)


def by_example(gradient: Tensor, axis: Axis) -> Tensor:
    """(n, each, ...): the axis of examples first, then what each example has of it."""
    return gradient.movedim(axis.position, 0).unflatten(0, (-1, axis.each))


def mixture(outputs: Inexact[Tensor, "n C"]) -> Inexact[Tensor, "C"]:
    """One combination of all outputs, to compare gradients by; not their sum, which may be constant, as of centered logits."""
    return 1 + torch.cos(torch.arange(outputs.shape[1], device=outputs.device) ** 2.0).to(outputs) / 2


def _bear_witness(outputs: Tensor, found: list[tuple[Site, Call]]) -> None:
    meetings = [(site, call) for site, call in found if site.axis is not None]
    if not meetings or not outputs.requires_grad:
        return
    edges = [call.edges[0] for _, call in meetings]
    gradients = torch.autograd.grad(outputs @ mixture(outputs), edges, [torch.ones_like(outputs[:, 0])], allow_unused=True)
    for (site, call), gradient in zip(meetings, gradients, strict=True):
        pairs = zip(site.axes, call.tensors, strict=True)
        site.witnesses = [(axis, tensor.detach()) for axis, tensor in pairs if axis is not None]
        if gradient is not None:
            site.witnesses.append((site.axis, gradient))


@dataclass(eq=False)
class Entry:
    """A shared tensor in a recording."""

    tensor: Tensor
    shared: Shared
    uses: "list[Use]" = field(default_factory=list)
    source: "tuple[Use, int] | None" = None
    """The call that made it, and which of its outputs it is; None for a parameter."""
    broken: bool = False
    """Something happened that the probes did not show."""
    edge: GradientEdge = field(init=False)
    version: int = field(init=False)

    def __post_init__(self) -> None:
        self.edge, self.version = get_gradient_edge(self.tensor), self.tensor._version

    def next_site(self) -> Site | None:
        sites = self.shared.sites
        return sites[len(self.uses)] if sites is not None and len(self.uses) < len(sites) else None


@dataclass(eq=False)
class Use:
    """A call that met shared tensors."""

    site: Site
    args: tuple
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    versions: list[int]
    edge: GradientEdge
    gradients: list[Tensor] = field(default_factory=list)
    """Of each model output with respect to this call's, by example; none where no output depends on it."""

    @cached_property
    def position_gradients(self) -> Float[Tensor, "n T C o"]:
        """The same, of every position of the result: weight and bias share them."""
        flat = [gradient.flatten(1, -2) for gradient in self.gradients]
        return flat[0].unsqueeze(-2) if len(flat) == 1 else torch.stack(flat, dim=-2)

    def stale(self) -> bool:
        """An argument was changed in place after the call."""
        return any(tensor._version != version for tensor, version in zip(self.tensors, self.versions, strict=True))


class Recording(TorchFunctionMode):
    """Keeps the calls at which something shared takes part, as a structure foresees them."""

    def __init__(self, structure: Structure, n: int) -> None:
        super().__init__()
        self.n = n
        self.entries = {id(p): Entry(p, shared) for p, shared in structure.shared.items()}
        self.order: list[Entry] = list(self.entries.values())
        self.uses: list[Use] = []
        """Those whose result has examples."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        tensors = list(tensors_in((args, kwargs)))
        met = {id(t): self.entries[id(t)] for t in tensors if id(t) in self.entries}
        if not met:
            return function(*args, **kwargs)
        if _changes_in_place(function) and args and isinstance(args[0], Tensor) and id(args[0]) not in met:
            before = args[0].detach().clone()
            kept = (before, *args[1:])
        else:
            kept = args
        output = function(*args, **kwargs)
        outputs = _differentiable(output)
        if not outputs or _returns_its_argument(function, tensors, outputs):
            return output
        sites = {id(site): site for site in (entry.next_site() for entry in met.values())}
        site = next(iter(sites.values()))
        changed = any(entry.tensor._version != entry.version for entry in met.values())
        if len(sites) > 1 or changed or not self._fits(site, function, tensors, outputs):
            for entry in met.values():
                entry.broken = True
            return output
        tensors = list(tensors_in((kept, kwargs)))
        use = Use(site, kept, kwargs, tensors, [t._version for t in tensors], get_gradient_edge(outputs[0]))
        for entry in met.values():
            entry.uses.append(use)
        if site.axis is None:
            for position, (tensor, shared) in enumerate(zip(outputs, site.outputs, strict=True)):
                entry = Entry(tensor, shared, source=(use, position))
                self.entries[id(tensor)] = entry
                self.order.append(entry)
        else:
            self.uses.append(use)
        return output

    def _fits(self, site: Site | None, function: Callable, tensors: list[Tensor], outputs: list[Tensor]) -> bool:
        """Whether a call is what the probes foresaw."""
        if site is None or site.function != function or len(tensors) != len(site.axes):
            return False
        if _changes_in_place(function) and outputs[0]._is_view():
            return False  # what follows may use the whole, and not this part of it
        pairs = [*zip(tensors, site.axes, strict=True), *((output, site.axis) for output in outputs)]
        if any(
            axis is not None and tensor.shape[axis.position : axis.position + 1] != (self.n * axis.each,)
            for tensor, axis in pairs
        ):
            return False
        return site.axis is not None or len(site.outputs) == len(outputs)

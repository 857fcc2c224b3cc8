"""Where the modules of any network give a representation of each example: found by dataflow, never by names, order or rank.

Two passes, of two and of three examples, tell the axis of examples: it is the one that grows. The features lie along the axes
that the parameters of a module act on: there, and nowhere else, one slice of the result owes its gradient to one slice of a
parameter; of torch's recurrent layers they are the last, by definition. Over all other axes, such as positions or pixels, a
representation is averaged. What the outputs are computed from with further parameters is hidden; what becomes the outputs
without any gives outputs, not features.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from regime.kernels.jacobian.batch import Batch, Readout, select
from regime.kernels.jacobian.functions import named, tensors_in
from regime.kernels.jacobian.part import dense
from regime.kernels.jacobian.trace import PROBES
from regime.observe.derivative import is_estimated
from regime.observe.pooling import mean_pool

MASK = "attention_mask"
"""The part of a batch that says which positions are padding."""
SCALING = {getattr(Tensor, f"__{side}{name}__") for name in ("mul", "add", "sub", "truediv") for side in ("", "r", "i")}
SCALING |= named("mul", "mul_", "multiply", "add", "add_", "sub", "sub_", "div", "div_", "divide", "addcmul")
"""Functions of entries in the same place."""
SLICES = 4
"""Slices of an axis that are looked at: some may be dead, as behind a rectifier."""


@dataclass(frozen=True)
class RepresentationSite:
    """The axis of examples in what a module gives; with it first, the axes of features: none where they cannot be told."""

    examples: int
    features: tuple[int, ...]

    def rows(self, hidden: Tensor, mask: Tensor | None) -> Float[Tensor, "n d"]:
        """One row an example: the mean over positions that are not padding, or all entries where features cannot be told."""
        hidden = hidden.movedim(self.examples, 0)
        positions = [axis for axis in range(1, hidden.dim()) if axis not in self.features]
        if not self.features or not positions:
            return hidden.flatten(1)
        if len(positions) == 1 and mask is not None and mask.shape == (len(hidden), hidden.shape[positions[0]]):
            return mean_pool(hidden.movedim(positions[0], 1).flatten(2), mask)
        return hidden.mean(positions).flatten(1)


@dataclass(frozen=True)
class Places:
    """Modules that give something for each example, in the order in which they are done, by name."""

    places: dict[str, RepresentationSite]
    outputs: list[str]
    """Modules that give the outputs, or what becomes them without parameters."""
    hidden: list[str]
    """Those that stand before the outputs, the best candidates for the last hidden layer alone."""
    estimated: bool
    """Whether gradients may be others than derivatives somewhere on the way."""


@torch.inference_mode(False)
@torch.enable_grad()
def find(
    model: nn.Module, modules: Mapping[str, nn.Module], batch: Batch, readout: Readout | None, trained: set[nn.Parameter]
) -> Places:
    """Where the modules give representations.

    Args:
        model: all its parameters require gradients, frozen ones too.
        trained: the parameters that are trained: what depends on none of them, such as a frozen copy, is a last resort.
    """
    shapes: list[dict[str, list[torch.Size]]] = []
    for count in PROBES:
        seen: dict[str, list[Tensor]] = {}

        def see(name: str, hidden: Tensor, seen: dict[str, list[Tensor]] = seen) -> None:
            seen[name] = [*seen.pop(name, []), hidden]  # in the order of the last call

        part = select(batch, slice(0, count))
        with hooked(modules, see), _Flow() as flow:
            result = model(part) if isinstance(part, Tensor) else model(**part)
            outputs = result if readout is None else readout(result, part)
        shapes.append({name: [hidden.shape for hidden in each] for name, each in seen.items()})
    axes = {name: _grown(shapes[0].get(name, []), found) for name, found in shapes[1].items()}
    known = {name: seen[name][0] for name, axis in axes.items() if axis is not None}
    ways = _Ways(flow, part, outputs, set(model.parameters()), trained)
    final = [outputs, getattr(result, "logits", result)]
    estimated = any(is_estimated(*call) for call in flow.calls)
    width = outputs.numel() // len(outputs)
    gives = [
        name
        for name, hidden in known.items()
        if (not ways.weighted(hidden) and any(hidden is each for each in final))
        or (not ways.mixed(hidden) and hidden.numel() == width * PROBES[1])
    ]
    places = {
        name: RepresentationSite(axes[name], _features(hidden, axes[name], _last_layer(modules, name, seen)))
        for name, hidden in known.items()
    }
    before = [name for name in known if name not in gives]
    before = [name for name in before if ways.joined(known[name])] or before
    for fits in (lambda name: ways.weighted(known[name]) and ways.moves(known[name]), lambda name: ways.weighted(known[name])):
        if best := [name for name in before if fits(name)]:
            return Places(places, gives, best, estimated)
    return Places(places, gives, before, estimated)


def _grown(few: list[torch.Size], more: list[torch.Size]) -> int | None:
    """The axis of examples of a module that is called once, if it gives more than a number for each."""
    if len(few) != 1 or len(more) != 1 or len(few[0]) != len(more[0]) or len(more[0]) < 2:
        return None
    grown = [axis for axis, sizes in enumerate(zip(few[0], more[0], strict=True)) if sizes[0] != sizes[1]]
    return grown[0] if len(grown) == 1 and (few[0][grown[0]], more[0][grown[0]]) == PROBES else None


def _last_layer(modules: Mapping[str, nn.Module], name: str, seen: Mapping[str, Any]) -> nn.Module:
    """The layer that had its say last in what a module gives: one inside it, or itself."""
    inside = set(modules[name].modules())
    layers = [modules[other] for other in seen if modules[other] in inside and modules[other]._parameters]
    return layers[-1] if layers else modules[name]


def _features(hidden: Tensor, examples: int, layer: nn.Module) -> tuple[int, ...]:
    """The axes along which the parameters of the last layer act."""
    hidden = hidden.movedim(examples, 0)
    if hidden.dim() == 2:
        return (1,)
    if isinstance(layer, nn.RNNBase):
        return (hidden.dim() - 1,)  # by its definition: all features of earlier positions act on each
    parameters = [p for p in layer.parameters() if p.is_floating_point() and p.dim()]
    if not hidden.requires_grad or not parameters:
        return ()
    found = {axis: _acting(hidden, axis, parameters) for axis in range(1, hidden.dim()) if hidden.shape[axis] > 1}
    # a table of positions acts on positions, where all else in its module is shared: the axis that everything acts on is meant
    full = [axis for axis, (acting, reached) in found.items() if acting and acting == reached]
    return tuple(full or [axis for axis, (acting, _) in found.items() if acting])


def _acting(hidden: Tensor, axis: int, parameters: list[nn.Parameter]) -> tuple[set[int], set[int]]:
    """The parameters that act along an axis, and all that reach the result.

    One acts where each slice of the result depends on the same slice of it, and on no other.
    """
    size = hidden.shape[axis]
    fits = {(k, b) for k, p in enumerate(parameters) for b in range(p.dim()) if p.shape[b] == size}
    reached: set[int] = set()
    for index in range(0, size, max(1, size // SLICES)):
        if not fits:
            break
        chosen = hidden.select(axis, index)
        weights = torch.cos(torch.arange(chosen.numel(), device=chosen.device) ** 2.0).to(chosen).view_as(chosen)
        settings = {"retain_graph": True, "materialize_grads": True}
        gradients = [*map(dense, torch.autograd.grad((chosen * weights).sum(), parameters, **settings))]
        places = sorted(fits)
        beyond = torch.stack([_touched(gradients[k], b) for k, b in places])
        beyond[:, index] = False
        alive = torch.stack([gradient.any() for gradient in gradients])
        known = torch.cat([alive, beyond.any(1)]).tolist()  # a GPU is waited for once
        reached |= {k for k in range(len(gradients)) if known[k]}
        fits -= {place for place, other in zip(places, known[len(gradients) :], strict=True) if other}
    return {k for k, _ in fits} & reached, reached


def _touched(gradient: Tensor, axis: int) -> Bool[Tensor, "_"]:
    """Which slices are not zero."""
    return gradient.movedim(axis, 0).reshape(gradient.shape[axis], -1).any(1)


class _Flow(TorchFunctionMode):
    """Keeps what every function takes and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable, list[Tensor], list[Tensor]]] = []

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        output = function(*args, **(kwargs or {}))
        gives = args[:1] if function is Tensor.__setitem__ else output
        if given := tensors_in(gives):
            self.calls.append((function, tensors_in((args, kwargs or {})), given))
        return output


class _Ways:
    """From the calls of a pass: what the outputs are computed from, and where parameters still come in on the way."""

    def __init__(
        self, flow: _Flow, batch: Batch, outputs: Tensor, parameters: set[nn.Parameter], trained: set[nn.Parameter]
    ) -> None:
        examples = {_key(tensor) for tensor in tensors_in(batch)}
        shared = {_key(parameter) for parameter in parameters}
        self._moving = {_key(parameter) for parameter in trained}
        calls = [({_key(t) for t in takes}, {_key(t) for t in gives}) for _, takes, gives in flow.calls]
        meetings, made, begun = [], {}, 0
        for at, (taken, given) in enumerate(calls):
            meetings.append(bool(taken & examples) and bool(taken & shared - examples))
            if taken & examples:
                examples |= given
            elif taken & shared:
                shared |= given
            if taken & self._moving:
                self._moving |= given
            if meetings[-1] or taken & made.keys():
                made |= {each: made.get(each, at) for each in given}
        needed, self._weighted, self._mixed, last = {_key(outputs)}, set(), set(), {_key(outputs): len(calls)}
        for at, ((taken, given), meets) in reversed([*enumerate(zip(calls, meetings, strict=True))]):
            if given & needed:
                needed |= taken
                last |= dict.fromkeys(taken - last.keys(), at)
                begun = begun or at * (meets and not taken & made.keys())
                if meets or given & self._weighted:
                    self._weighted |= taken
                if (meets and flow.calls[at][0] not in SCALING) or given & self._mixed:
                    self._mixed |= taken
        self._made, self._joined, alive = made, -1, set()
        for at, (taken, given) in enumerate(calls):
            alive |= given & made.keys() & needed
            alive -= {each for each in taken if last.get(each) == at}
            if at >= begun and len(alive) == 1 and alive <= self._weighted:
                self._joined = at

    def weighted(self, hidden: Tensor) -> bool:
        """Whether the outputs are computed from it with further parameters."""
        return _key(hidden) in self._weighted

    def mixed(self, hidden: Tensor) -> bool:
        """Whether these parameters do more than to scale and shift its entries, as a temperature of the outputs does."""
        return _key(hidden) in self._mixed

    def joined(self, hidden: Tensor) -> bool:
        """Whether it is done when all that the outputs owe to parameters was last in one tensor: no adapter of outputs is."""
        return self._made.get(_key(hidden), inf) <= self._joined

    def moves(self, hidden: Tensor) -> bool:
        """Whether it depends on parameters that are trained."""
        return _key(hidden) in self._moving


def _key(tensor: Tensor) -> int:
    """Views are what they are views of: what is written into one is in the other."""
    return id(tensor if tensor._base is None else tensor._base)


@contextmanager
def hooked(modules: Mapping[str, nn.Module], see: Callable[[str, Tensor], Any]) -> Iterator[None]:
    """Call `see(name, tensor)` with what modules give, before anybody else's hook changes it."""

    def hook(name: str) -> Callable[..., None]:
        def look(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
            if (hidden := _tensor(output)) is not None:
                see(name, hidden)

        return look

    handles = [module.register_forward_hook(hook(name), prepend=True) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensor(output: Any) -> Tensor | None:
    """The first tensor of numbers in what a module gives."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        output = next(iter(output), None)
    return output if isinstance(output, Tensor) and output.is_floating_point() else None

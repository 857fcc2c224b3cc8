"""A recording of a batch: every call at which a parameter, or something made of parameters alone, meets the examples.

All of a model's functions pass here, whichever modules they are called from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from regime.kernels.jacobian.composed import Composed
from regime.kernels.jacobian.functions import changes_in_place, hides_an_axis, tensors_in
from regime.kernels.jacobian.trace import Shared, Site, differentiable, returns_its_argument


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

    def __post_init__(self) -> None:
        self.edge = get_gradient_edge(self.tensor)

    def next_site(self) -> Site | None:
        """Return the call that the probes saw next; None where there was none."""
        sites = self.shared.sites
        return sites[len(self.uses)] if sites is not None and len(self.uses) < len(sites) else None


@dataclass(eq=False)
class Use:
    """A call that met shared tensors."""

    site: Site
    args: tuple
    kwargs: dict[str, Any]
    tensors: list[Tensor]
    edge: GradientEdge
    gradients: list[Tensor] = field(default_factory=list)
    """Of each model output with respect to this call's, by example; none where no output depends on it."""

    @cached_property
    def position_gradients(self) -> Float[Tensor, "n T C o"]:
        """The same, of every position of the result: weight and bias share them."""
        flat = [gradient.flatten(1, -2) for gradient in self.gradients]
        return flat[0].unsqueeze(-2) if len(flat) == 1 else torch.stack(flat, dim=-2)

    def forget(self, arguments: bool) -> None:
        """Let go of the gradients, and of the arguments where they are not needed again."""
        self.gradients = []
        vars(self).pop("position_gradients", None)
        if arguments:
            self.args, self.kwargs, self.tensors = (), {}, []


def _as_given(values: Any) -> Any:
    """Arguments as they are now: a list that a call is given may grow after it."""
    if isinstance(values, dict):
        return {name: _as_given(value) for name, value in values.items()}
    if type(values) in (list, tuple):
        return type(values)(_as_given(value) for value in values)
    return values


class Recording(Composed):
    """Keeps the calls at which something shared takes part, as a structure foresees them."""

    def __init__(self, known: Mapping[nn.Parameter, Shared], n: int) -> None:
        super().__init__()
        self.n = n
        self.entries = {id(p): Entry(p, shared) for p, shared in known.items()}
        self.order: list[Entry] = list(self.entries.values())
        self.uses: list[Use] = []
        """Those whose result has examples."""

    def _called(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        tensors = tensors_in((args, kwargs))
        met = {id(t): self.entries[id(t)] for t in tensors if id(t) in self.entries}
        if not met:
            return function(*args, **kwargs)
        kept, by_name = _as_given(args), _as_given(kwargs)
        if changes_in_place(function) and args and isinstance(args[0], Tensor) and id(args[0]) not in met:
            kept = (args[0].detach().clone(), *kept[1:])
        output = function(*args, **kwargs)
        outputs = differentiable(output)
        if not outputs or returns_its_argument(function, tensors, outputs):
            return output
        site = None if hides_an_axis() else self.site(met, function, tensors, outputs)
        if site is None:
            for entry in met.values():
                entry.broken = True
            return output
        use = Use(site, kept, by_name, tensors_in((kept, by_name)), get_gradient_edge(outputs[0]))
        for entry in met.values():
            entry.uses.append(use)
        if site.axis is None:
            for position, (tensor, shared) in enumerate(zip(outputs, site.outputs, strict=True)):
                entry = Entry(tensor, shared, source=(use, position))
                self.entries[id(tensor)] = entry
                self.order.append(entry)
        elif outputs[0].numel():  # on an empty result no output depends
            self.uses.append(use)
        return output

    def site(self, met: dict[int, Entry], function: Callable, tensors: list[Tensor], outputs: list[Tensor]) -> Site | None:
        """Return what the structure foresees of a call; None where the call is another.

        Args:
            met: shared tensors among the arguments, by their ids.
            function: that was called.
            tensors: its arguments.
            outputs: its results.
        """
        site, *others = {id(site): site for site in (entry.next_site() for entry in met.values())}.values()
        if others or site is None or site.function != function or len(tensors) != len(site.axes):
            return None
        pairs = [*zip(tensors, site.axes, strict=True), *((output, site.axis) for output in outputs)]
        if any(
            axis is not None and tensor.shape[axis.position : axis.position + 1] != (self.n * axis.each,)
            for tensor, axis in pairs
        ):
            return None
        return None if site.axis is None and len(site.outputs) != len(outputs) else site

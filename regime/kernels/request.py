"""What kernel is asked for: the arguments of `empirical_ntk` and `plan_ntk`, checked once and handed on whole."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from torch import Tensor, nn

from regime.errors import SEEDS, check_integer, show
from regime.kernels.jacobian.batch import Batch, Projected, Readout, check_batch, fixed, size
from regime.kernels.jacobian.heads import Heads, find_heads, head_names
from regime.kernels.jacobian.parameters import ROOT, TOTAL, Group, Layers, blocks_of, owned
from regime.kernels.projection import PROJECTIONS, groups

ALLOWED = {
    "outputs": ("trace", "full", "projection"),
    "group": ("layer", "block", "total", "head"),
    "method": ("auto", "token-gram", "per-example", "dense"),
}
LIMITS = {"memory": (1, None), "projections": (2, PROJECTIONS)}


@dataclass(frozen=True)
class Request:
    """The kernel of a model between two batches; `empirical_ntk` documents each field.

    Raises:
        ValueError: an argument is not allowed; it names the field, the value and what is allowed.
    """

    model: nn.Module
    batch: Batch
    other: Batch | None
    readout: Readout | None
    outputs: Literal["trace", "full", "projection"]
    layers: list[str] | None
    group: Group
    method: Literal["auto", "token-gram", "per-example", "dense"]
    memory: int | None
    projections: int
    seed: int

    def __post_init__(self) -> None:
        for name, allowed in ALLOWED.items():
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} = {value!r} is not allowed; allowed: {', '.join(map(repr, allowed))}")
        check_calls(self.model, self.batch, self.readout)
        object.__setattr__(self, "batch", fixed(self.batch))
        if self.other is not None:
            check_calls(self.model, self.other, None, "other")
            object.__setattr__(self, "other", fixed(self.other))
        check_layers(self.layers)
        for name, limits in LIMITS.items():
            if not (name == "memory" and self.memory is None):
                check_integer(name, getattr(self, name), *limits)
        check_integer("seed", self.seed, *SEEDS)

    @cached_property
    def sizes(self) -> tuple[int, int | None]:
        """Examples n, and m of the other batch; None for a symmetric kernel."""
        return size(self.batch), None if self.other is None else size(self.other)

    @cached_property
    def parameters(self) -> Layers:
        """Those that the kernel is of."""
        return owned(self.model, self.layers)

    @cached_property
    def names(self) -> dict[str, str]:
        """The name under which the kernel of each layer, or of each of its heads, is summed."""
        parts = [name for path, own in self.parameters.items() for name in head_names(path, own, self.heads)]
        if self.group == "block":
            blocks = blocks_of(name.rpartition(".")[0] or ROOT for name, _ in self.model.named_parameters())
            return {part: blocks[part] for part in parts}
        return {part: TOTAL if self.group == "total" else part for part in parts}

    @cached_property
    def heads(self) -> Heads:
        """Parameters that are split by heads."""
        return find_heads(self.model, self.parameters, self.batch) if self.group == "head" else {}

    @property
    def groups(self) -> list[slice]:
        """Random projections of the outputs, in groups; none where they are not drawn, or are the outputs themselves."""
        drawn = isinstance(self.readout, Projected) and not self.readout.exact
        return groups(self.readout.count) if drawn else []

    def projected(self, count: int, seed: int) -> "Request":
        """The trace of so many random signs of the outputs."""
        return replace(self, readout=Projected(self.readout, int(count), int(seed)), outputs="trace")


def check_layers(layers: object) -> None:
    """Refuse what is no list of globs, and no None; raises ValueError. A text's letters would be globs of their own."""
    if layers is not None and not (isinstance(layers, list | tuple) and all(isinstance(glob, str) for glob in layers)):
        some = layers if isinstance(layers, str) else "encoder.*"
        raise ValueError(f"layers = {show(layers)} is not allowed; allowed: a list of globs, such as [{show(some)}]")


def check_calls(model: nn.Module, batch: Batch, readout: Readout | None, name: str = "batch") -> None:
    """Refuse what is no model, no batch that its forward can be called with, or no readout of two arguments.

    Args:
        model: the module.
        batch: examples.
        readout: a function of (output, batch), or None.
        name: of the batch, for the message.

    Raises:
        ValueError: a type or a signature says so; where a function has none, or others stand before it, nothing is said.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: an nn.Module is needed, got {type(model).__name__}")
    check_batch(name, batch)
    arguments = ((batch,), {}) if isinstance(batch, Tensor) else ((), batch)
    hooked = model._forward_pre_hooks or type(model).__call__ is not nn.Module.__call__
    if not hooked and (why := _unfit(model, *arguments)):
        given = "one tensor" if isinstance(batch, Tensor) else f"keywords {', '.join(map(repr, batch))}"
        raise ValueError(f"{name}: {type(model).__name__}.forward cannot be called with {given:.200}: {why}")
    if readout is not None and not callable(readout):
        raise ValueError(f"readout = {readout!r:.80} is not allowed; allowed: a function of (output, batch), or None")
    if readout is not None and (why := _unfit(readout, (None, batch), {})):
        raise ValueError(f"readout: it cannot be called with (output, batch): {why}")


def _unfit(function: Callable, given: tuple, named: Mapping[str, Any]) -> str | None:
    """What of some arguments a function's own signature does not take; a decorator's is asked, not that of what is in it."""
    try:
        signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        return f"{error}; allowed: {signature!s:.200}"
    return None

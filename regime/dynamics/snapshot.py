"""What producers hand to measures: the state of a training run at one step, as tensors with seeds first."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

Value = TypeVar("Value")
TWIN_GAP = "linearization_gap"
"""The gap to a twin that is trained; the other one, `taylor_gap`, needs none."""
AT_THE_END = "taken when the run ends"
"""Why a snapshot before the last one lacks what needs kernel regression."""
DIVERGED = 1e4
"""A training loss this many times the initial one, or not finite, has diverged."""
SMALL = 0.1
"""A smaller initial loss, as after fitting the head, counts as this much: a fifth of the loss of outputs 0 on targets 1."""


def diverged(loss: Float[Tensor, "S"], start: Float[Tensor, "S"]) -> bool:
    """Whether any seed's training has diverged."""
    return not bool(((loss - start).isfinite() & (loss <= DIVERGED * start.clamp(min=SMALL))).all())


@dataclass(frozen=True)
class Pause:
    """A point between measurements at which a producer gives control back; `fraction` of the run is done."""

    step: int
    fraction: float


class GapSnapshot(NamedTuple):
    """The cheap part of a snapshot, from which the twin's gap is measured between whole snapshots."""

    step: int
    fraction: float
    outputs: Float[Tensor, "S P C"]
    linear: Float[Tensor, "S P C"]
    """The twin's outputs."""
    cell: int = 0

    def rows(self, chosen: slice, cell: int) -> "GapSnapshot":
        """Return the snapshot of some of the seeds, as of another cell."""
        return self._replace(outputs=self.outputs[chosen], linear=self.linear[chosen], cell=cell)


def joined(one: Value, other: Value) -> Value:
    """Return two batches of seeds as one: tensors, seeds first, side by side, in dicts, tuples and dataclasses too.

    Whatever is no tensor is taken from the first; a dict has the entries that both have, and strings of either.
    """
    if isinstance(one, Tensor):
        return torch.cat([one, other])
    if isinstance(one, dict):
        words = {name: text for part in (other, one) for name, text in part.items() if isinstance(text, str)}
        return words | {name: joined(part, other[name]) for name, part in one.items() if name in other and name not in words}
    if is_dataclass(one):
        return replace(one, **{f.name: joined(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)})
    if isinstance(one, tuple):
        return type(one)(*(joined(*pair) for pair in zip(one, other, strict=True)))
    return one


def on_cpu(value: Value) -> Value:
    """Return the same with all tensors on the CPU: a GPU is waited for once, not at every number.

    Tensors are looked for in dicts, tuples and dataclasses.
    """
    found: list[Tensor] = []
    changed(value, lambda tensor: found.append(tensor) or tensor)
    elsewhere = [tensor for tensor in found if tensor.device.type != "cpu"]
    if not elsewhere:
        return value
    moved: dict[int, Tensor] = {}
    for dtype in {tensor.dtype for tensor in elsewhere}:
        alike = [tensor for tensor in elsewhere if tensor.dtype == dtype]
        parts = torch.cat([tensor.flatten() for tensor in alike]).cpu().split([tensor.numel() for tensor in alike])
        moved |= {id(tensor): part.view(tensor.shape) for tensor, part in zip(alike, parts, strict=True)}
    return changed(value, lambda tensor: moved.get(id(tensor), tensor))


def changed(value: Value, change: Callable[[Tensor], Tensor]) -> Value:
    """Return the same with each tensor changed, in dicts, tuples and dataclasses too."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: changed(part, change) for name, part in value.items()}
    if is_dataclass(value):
        return replace(value, **{f.name: changed(getattr(value, f.name), change) for f in fields(value)})
    if isinstance(value, tuple):
        return type(value)(*(changed(part, change) for part in value))
    return value


class Moved(NamedTuple):
    """Outputs with one layer's parameters moved and the others as at the start, and their linear prediction."""

    outputs: Float[Tensor, "S P C"]
    linear: Float[Tensor, "S P C"]


class Restart(NamedTuple):
    """The start with all but trained parameters, such as buffers, as they are now."""

    outputs: Float[Tensor, "S P C"]
    kernels: dict[str, Float[Tensor, "S P P"]]
    representations: dict[str, Float[Tensor, "S P _"]]
    left_out: Float[Tensor, "S G P P"] | None


class Targets(NamedTuple):
    """What the training points' kernel and features are aligned with."""

    kernel: Float[Tensor, "S N N"]
    features: Float[Tensor, "S N d"]
    targets: Float[Tensor, "N C"]


@dataclass(frozen=True)
class Snapshot:
    """A run at one step, on the probe set. S seeds, P probe points, C outputs; layers run from input to output.

    A layer without an entry is undefined there, and `undefined` says why under "layer/field".
    """

    step: float
    fraction: float
    time: float
    losses: dict[str, Float[Tensor, "S"]]
    """Losses and errors, on training and held-out points; nan where `undefined` says why."""
    outputs: Float[Tensor, "S P C"]
    linear: dict[str, Float[Tensor, "S P C"]]
    """Linear predictions of `outputs`, under the name of the gap that compares them (`linearization_gap`, `taylor_gap`)."""
    kernels: dict[str, Float[Tensor, "S P P"]]
    """Theta^(l), traced over outputs and divided by C."""
    representations: dict[str, Float[Tensor, "S P _"]]
    displacement: dict[str, Float[Tensor, "S"]]
    """Squared norm of theta_t - theta_0 by layer."""
    magnitude: dict[str, Float[Tensor, "S"]]
    """Squared norm of theta_0 by layer."""
    blocks: dict[str, str]
    """The block of each layer."""
    last_hidden: str
    """The layer or block whose representation stands for the model."""
    rounding: float
    """Unit of rounding of the numbers here, relative to their size."""
    size: Float[Tensor, "S"]
    """Norm over the probe points of what `outputs` is computed from: alpha f where that is alpha (f - f0)."""
    moved: dict[str, Moved] = field(default_factory=dict)
    """By layer, what its parameters' movement does alone."""
    left_out: Float[Tensor, "S G P P"] | None = None
    """Theta without each group of the outputs, where these are random projections of more."""
    start: Restart | None = None
    """What to compare with, where that is not the first snapshot: buffers moved, or other parameters are trained."""
    restarts: int = 0
    """How often buffers had moved, or other parameters were trained, than at the snapshot before."""
    unmoved: Float[Tensor, "S P P"] | None = None
    """Theta of the start with buffers as they were then, where there are any."""
    train: Targets | None = None
    scalars: dict[str, Float[Tensor, "S"]] = field(default_factory=dict)
    """Measures only the producer can take, such as `stability`."""
    floors: dict[str, Float[Tensor, "S"]] = field(default_factory=dict)
    """What rounding leaves open of `losses`, where the producer alone can tell."""
    undefined: dict[str, str] = field(default_factory=dict)
    view: dict[str, object] = field(default_factory=dict)
    """Plain lists of numbers that only the page draws."""
    diverged: bool = False
    cell: int = 0
    """Which of the configurations it is of, where several are trained as one batch."""

    def rows(self, chosen: slice) -> "Snapshot":
        """Return the snapshot of some of the seeds; what is the same for all stays."""
        tensors = ("losses", "linear", "kernels", "representations", "displacement", "magnitude", "scalars", "floors")
        parts: dict[str, Any] = {name: {key: value[chosen] for key, value in getattr(self, name).items()} for name in tensors}
        moved = {layer: Moved(*(part[chosen] for part in pair)) for layer, pair in self.moved.items()}
        train = self.train and Targets(self.train.kernel[chosen], self.train.features[chosen], self.train.targets)
        return replace(self, **parts, moved=moved, train=train, outputs=self.outputs[chosen], size=self.size[chosen], view={})

    def lost(self, step: int, fraction: float, time: float, losses: dict[str, Float[Tensor, "S"]]) -> "Snapshot":
        """Return the snapshot of a run that diverged after this one: its losses, and nan for what they make meaningless.

        Args:
            step: at which it diverged.
            fraction: how much of the run was done then.
            time: of training then.
            losses: of each seed then.
        """
        gone: dict[str, Any] = {
            name: {key: torch.full_like(value, torch.nan) for key, value in getattr(self, name).items()}
            for name in ("linear", "kernels", "representations", "displacement")
        }
        outputs, size = torch.full_like(self.outputs, torch.nan), torch.full_like(self.size, torch.nan)
        head = {"step": step, "fraction": fraction, "time": time, "losses": losses, "diverged": True}
        return replace(self, **head, **gone, outputs=outputs, size=size, moved={})

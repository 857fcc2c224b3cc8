"""Somebody's network, passed as measurement wants it: its parameters of now or of the start, and all else as it is.

It is passed in eval mode, without autocast, in the precision of its parameters or float32, whichever is finer: half precision
is widened, except where the network insists on it. It comes back as it was.
"""

from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.dynamics.pieces import Tick, idle
from regime.kernels.jacobian.batch import Batch, FailedError, Readout, called, cloned, mapped, select, size, widened
from regime.kernels.jacobian.capture import capture, explicit, learn_structure
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import ROOT, blocks_of, check_mode, owned
from regime.kernels.jacobian.placed import placed
from regime.kernels.jacobian.rounding import largest_row
from regime.kernels.jacobian.single import halves, promoting, widen
from regime.kernels.jacobian.undisturbed import Passes, undisturbed
from regime.kernels.planning import watching
from regime.observe.state import same_value, state_of

Look = Callable[[Batch], AbstractContextManager[Readout | None]]
"""What sees the pass of some examples: the readout to use meanwhile."""
NUDGE = 2**-10
"""Share of themselves by which parameters are moved to tell how their network rounds, and whether it has these gradients."""


@dataclass
class Watched:
    """A network, its probe batch, and its parameters at the start.

    Args:
        model: any module whose examples do not affect one another in eval mode; parameters that do not require gradients count
            as frozen, and are trained from when they do.
        batch, readout: as in `regime.empirical_ntk`.
        chunk: examples to pass at once; None: all.
        rename: a module's path -> the name to report it under.
        tick: called between two pieces of work.

    Raises:
        ValueError: as `regime.empirical_ntk` does.
    """

    model: nn.Module
    batch: Batch
    readout: Readout | None = None
    chunk: int | None = None
    rename: Callable[[str], str] = str
    tick: Tick = idle
    initial: dict[str, Tensor] = field(init=False)
    """theta_0 by the parameters' full names, and the frozen ones beside it."""
    names: dict[str, str] = field(init=False)
    """What the layers that own parameters are called, by path."""
    blocks: dict[str, str] = field(init=False)
    """The block of every such layer, by name."""
    trained: dict[str, dict[str, str]] = field(init=False)
    """Parameters that were trained at any time: their full names, by path and own name."""
    rounding: float = field(init=False, default=0.0)
    """Unit of rounding of the coarsest numbers in a pass."""

    @torch.inference_mode(False)
    def __post_init__(self) -> None:
        """Learn what there is to watch; nothing of it takes long."""
        self.size = size(self.batch)
        self.batch = cloned(self.batch)
        with _settled(self.model):
            check_mode(self.model)
        self.initial = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        owners = dict.fromkeys(name.rpartition(".")[0] or ROOT for name in self.initial)
        self.names = {path: self.rename(path) for path in owners}
        self.blocks = blocks_of(self.names.values())
        self.trained = {}
        self._meet()

    def cost(self) -> tuple[float, int]:
        """Return the seconds of observing once, and the bytes at the peak."""
        with self._as(self._theta()):
            blocks = len(set(self.blocks.values()))
            return watching(self.model, self.batch, self.readout, min(self.size, self.chunk or self.size), blocks)

    def evaluate(self, batch: Batch, chunk: int | None = None) -> Float[Tensor, "n C"]:
        """The outputs on any batch, finite or not, so many examples at once; None: as of the probe batch."""
        return self._evaluate(batch, self._theta(), chunk)

    def noise_of(self, outputs: Float[Tensor, "P C"]) -> float:
        """Return what rounding may make of these outputs for one probe example; 0 where it cannot be told."""
        exact = self.exact({})
        return 0.0 if exact is None else 8 * largest_row(outputs.to(exact) - exact)

    def capture(self, batch: Batch) -> dict[str, LayerJacobian]:
        """The Jacobians of all layers that the function depends on, by path, at the parameters of now."""
        jacobians = self._capture(batch, self._theta())
        return {path: jacobian for path, jacobian in jacobians.items() if jacobian is not None}

    def by_layer(self) -> dict[str, dict[str, Tensor]]:
        """The trained parameters by path and name."""
        now = dict(self.model.named_parameters())
        return {path: {own: now[name].detach() for own, name in names.items()} for path, names in self.trained.items()}

    def _names(self) -> set[str]:
        """The full names of trained parameters."""
        return {name for own in self.trained.values() for name in own.values()}

    def _meet(self) -> bool:
        """Count what is trainable now as trained from the start on; whether any of it is new."""
        known = self._names()
        trained = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad} | known
        self.trained = {}
        for name in self.initial:
            if name in trained:
                path, _, own = name.rpartition(".")
                self.trained.setdefault(path or ROOT, {})[own] = name
        return trained != known

    def _check_same(self) -> None:
        now = {name: parameter.shape for name, parameter in self.model.named_parameters()}
        odd = [name for name in {**self.initial, **now} if name not in now or name not in self.initial]
        odd += [name for name in now if name not in odd and now[name] != self.initial[name].shape]
        if odd:
            raise ValueError(
                f"model: parameters appeared, vanished or changed their shape since the start: {', '.join(odd[:3])}; "
                "begin again with the network as it is now"
            )
        moved = [n for n, parameter in self.model.named_parameters() if parameter.device != self.initial[n].device]
        if moved:
            raise ValueError(f"model: since the start, {moved[0]} went to another device; begin again where the network is now")

    def _check_reached(
        self, jacobians: dict[str, LayerJacobian | None], displaced: dict[str, dict[str, Tensor]], origin: dict[str, Any]
    ) -> None:
        """Refuse a network that evaluates with something else in the place of trained parameters: no gradient reaches them.

        It may have kept what it computed of them, or merged an adapter into a frozen weight.
        """
        buffers, modules = dict(self.model.named_buffers()), dict(self.model.named_modules())
        owners = {
            name: max((path for path in modules if name.startswith(f"{path}.")), key=len, default="")
            for name, value in state_of(self.model, self._names()).items()
            if isinstance(value, Tensor | bool) and name not in buffers and not same_value(value, origin.get(name))
        }
        for path, moved in displaced.items() if owners else ():
            jacobian, place = jacobians[path], "" if path == ROOT else path
            reached = {name for part in jacobian.parts for name in part.names} if jacobian else set()
            lost = [self.trained[path][name] for name, d in moved.items() if name not in reached and bool((d != 0).any())]
            instead = [name for name, owner in owners.items() if owner in (place, place.rpartition(".")[0])]
            if lost and instead:
                raise ValueError(
                    f"model: {lost[0]} was trained, but no gradient reaches it, and {instead[0]} is not what it was at the "
                    "start: what evaluation keeps or merges stands in its place; call model.train(), and pass a batch, before "
                    "measuring"
                )

    @torch.inference_mode(False)
    def _theta(self, at_start: Set[str] = frozenset(), trained: Set[str] | None = None) -> dict[str, Tensor]:
        """What to put in the place of the network's own tensors: some parameters as they were, and all that was trained so."""
        trained = self._names() if trained is None else trained
        theta: dict[str, Tensor] = {}
        for name, own in self.model.named_parameters():
            value = self.initial[name] if name in at_start else own.detach()
            if name in at_start or own.requires_grad != (name in trained):
                theta[name] = nn.Parameter(value, requires_grad=name in trained)
        return theta | widen(halves(self.model, theta))

    @contextmanager
    def _as(self, theta: dict[str, Tensor]) -> Iterator[Passes]:
        """The network with these parameters, in eval mode, undisturbed; not to be left open at a tick."""
        own = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        with (
            _settled(self.model),
            promoting(own, theta),
            placed(self.model, theta),
            undisturbed(self.model, self.readout) as passes,
        ):
            yield passes

    def _capture(self, batch: Batch, theta: dict[str, Tensor], look: Look | None = None) -> dict[str, LayerJacobian | None]:
        """The Jacobians of all layers; `look` sees each chunk's pass."""
        with self._as(theta):
            structure = learn_structure(self.model, batch, self.readout)
        self.tick()
        parts = []
        chunks = list(self._chunks(size(batch)))
        for rows in chunks:
            seen = nullcontext(self.readout) if look is None else look(select(batch, rows))
            with seen as readout, self._as(theta) as passes:
                parts.append(capture(self.model, batch, readout, structure=structure, rows=rows))
                self.rounding = max(self.rounding, passes.rounding)
            self.tick()
        forms = {path: {part[path] and part[path].form for part in parts} for path in parts[0]}
        odd = [path for path in forms if len(forms[path]) > 1]
        for part, rows in zip(parts, chunks, strict=True) if odd else ():
            with self._as(theta):
                layers = {path: own for path, own in owned(self.model).items() if path in odd}
                gradients = explicit(self.model, select(batch, rows), self.readout, layers)
            part.update({path: LayerJacobian(rows) for path, rows in gradients.items()})
            self.tick()
        return {path: jacobian and LayerJacobian.join([part[path] for part in parts]) for path, jacobian in parts[0].items()}

    def _chunks(self, n: int, chunk: int | None = None) -> Iterator[slice]:
        chunk = chunk or self.chunk or n
        return (slice(first, min(n, first + chunk)) for first in range(0, n, chunk))

    def _evaluate(self, batch: Batch, theta: dict[str, Tensor], chunk: int | None = None) -> Float[Tensor, "n C"]:
        outputs = []
        for rows in self._chunks(size(batch), chunk):
            outputs.append(self._forward(select(batch, rows), theta))
            self.tick()
        return torch.cat(outputs)

    def _forward(self, batch: Batch, theta: dict[str, Tensor]) -> Float[Tensor, "n C"]:
        with self._as(theta) as passes:
            output = widened(self._passed(batch, passes))
            self.rounding = max(self.rounding, passes.rounding or torch.finfo(output.dtype).eps)
        return output

    def _glimpse(self) -> Float[Tensor, "k C"]:
        """The outputs for a few examples at the start, by the same pass each time."""
        return self._forward(select(self.batch, [self.size - 1, self.size // 3, 0]), self._theta(self._names()))

    def _passed(self, batch: Batch, passes: Passes) -> Float[Tensor, "n C"]:
        """What the network gives, without a graph, where it differentiates nothing on its way."""
        readout = passes.watched(self.readout)
        try:
            return torch.no_grad()(called)(self.model, batch, readout).detach()
        except FailedError:
            return torch.enable_grad()(called)(self.model, batch, readout).detach()

    @torch.no_grad()
    def nudges(self) -> dict[str, Tensor]:
        """Return a small step of each trained parameter, of random signs; one that is zero moves by a share of a usual size."""
        own = {name: widened(parameter) for name, parameter in self.model.named_parameters() if name in self._names()}
        chance = torch.Generator("cpu").manual_seed(0)
        sizes = {name: value if value.any() else torch.full_like(value, _usual(value)) for name, value in own.items()}
        return {name: (own[name] + NUDGE * size * _signs(size, chance)) - own[name] for name, size in sizes.items()}

    @torch.no_grad()
    def nudged(self, nudges: dict[str, Tensor]) -> Float[Tensor, "P C"]:
        """Return the outputs where some parameters have moved."""
        own = dict(self.model.named_parameters())
        return self._evaluate(self.batch, self._theta() | {name: widened(own[name]) + nudge for name, nudge in nudges.items()})

    @torch.no_grad()
    def exact(self, nudges: dict[str, Tensor], share: float = 1.0) -> Float[Tensor, "P C"] | None:
        """Return the outputs in double precision, with parameters moved; None: it casts by itself, or there is none."""
        own = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        theta = {name: _double(widened(tensor)) for name, tensor in own.items() if tensor.is_floating_point()}
        for name in nudges.keys() & theta.keys():  # one by one, or all are there twice
            theta[name] = theta[name] + share * _double(nudges[name])
        exact = []
        try:
            for rows in self._chunks(self.size):
                with self._as(theta) as passes:
                    exact.append(self._passed(mapped(_double, select(self.batch, rows)), passes))
                self.tick()
        except (FailedError, RuntimeError, TypeError):
            return None
        return torch.cat(exact)

    @torch.no_grad()
    def _displaced(self) -> dict[str, dict[str, Tensor]]:
        """theta_t - theta_0 of what is trained, by layer and name."""
        now = dict(self.model.named_parameters())
        return {
            path: {own: widened(now[name]) - widened(self.initial[name]) for own, name in names.items()}
            for path, names in self.trained.items()
        }


@contextmanager
def _settled(model: nn.Module) -> Iterator[None]:
    """All modules in eval mode, and back."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _usual(value: Tensor) -> float:
    """The size that entries of a layer's weight have, by its inputs."""
    return (len(value) / value.numel()) ** 0.5 if value.dim() > 1 and value.numel() else 1.0


def _signs(like: Tensor, chance: torch.Generator) -> Tensor:
    return (torch.randint(2, like.shape, generator=chance, device="cpu", dtype=torch.int8) * 2 - 1).to(like.device)


def _double(tensor: Tensor) -> Tensor:
    return tensor.detach().double() if tensor.is_floating_point() else tensor

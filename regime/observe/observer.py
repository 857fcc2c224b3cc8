"""One network of anybody's, watched from a start on: what training moved in it since, on a batch of probe examples.

It is a function of trained parameters theta and of everything else, s: buffers, frozen parameters, what modules keep beside.
Where s moved, the start is taken again at (theta_0, s_t), and measures compare (theta_t, s_t) with that: what training did.
Between pieces of work it ticks, so that whoever runs it can stop it there. The network comes back as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, Projected, Readout, select
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.packed import PackedJacobian, packed
from regime.kernels.jacobian.parameters import ROOT, owned
from regime.kernels.jacobian.part import real
from regime.kernels.jacobian.single import halves, widen
from regime.kernels.jacobian.verify import PRECISION, near, tolerance_of
from regime.kernels.projection import groups, left_out
from regime.observe.derivative import derives
from regime.observe.kept import Kept
from regime.observe.network import Watched
from regime.observe.reasons import CUT, FROZEN, OF_FEATURES, OF_KERNEL, OUTPUTS
from regime.observe.representations import find
from regime.observe.seen import Seen
from regime.observe.sight import First, Sight
from regime.observe.state import copied, same, same_value, state_of


@dataclass
class Observer(Watched):
    """A network that is watched, and what it was when this was made; arguments and errors as of `Watched`."""

    first: First = field(init=False)
    origin: First = field(init=False)
    """The first of all."""
    unmoved: dict[str, Float[Tensor, "P P"]] = field(init=False)
    """The kernels of what is trained, with everything as it was then."""
    jacobians: dict[str, PackedJacobian | None] = field(init=False)
    """J_0, by path."""
    kept: Kept = field(init=False)
    """What blocks gave at the start."""
    magnitude: dict[str, Float[Tensor, ""]] = field(init=False)
    undefined: dict[str, str] = field(init=False)
    cut: dict[str, str] = field(init=False, default_factory=dict)
    """What of that is so since gradients are not the derivatives of the outputs."""
    met: bool = field(init=False, default=False)
    """Whether parameters are trained that J_0 does not know of yet: an observation may be interrupted."""
    restarts: int = field(init=False, default=0)
    estimated: bool = field(init=False)
    """Whether there is cause to doubt that gradients are derivatives."""
    last_hidden: str = field(init=False)
    noise: float = field(init=False, default=0.0)
    """Norm over the examples of what rounding makes of the outputs; 0 where it cannot be told."""

    @property
    def start(self) -> Float[Tensor, "P C"]:
        """f_0."""
        return self.first.outputs

    def __post_init__(self) -> None:
        super().__post_init__()
        owned(self.model)
        self.tick()
        self._look()
        self.tick()
        self.first = self.origin = self._refer(dict(self.initial))
        self.unmoved = self.first.kernels
        nudges = self.nudges()
        nudged, exact = self.nudged(nudges), self.exact(nudges)  # outputs may be small differences of large numbers
        self.noise = 0.0 if exact is None else (nudged - exact).norm().item()
        if not derives(self, nudged - self.start, nudges):
            self.cut = dict.fromkeys(("taylor_gap", *(f"{name}/taylor_gap" for name in self.blocks)), CUT)
            self.undefined |= self.cut

    def observe(self) -> Sight:
        """What the network is now, and how far each part of it moved.

        Raises:
            ValueError: parameters appeared, vanished or changed their shape since the start; the message names them.
        """
        self._check_same()
        self.met |= self._meet()
        before = self.first
        if self.met or not (same(before.state, state_of(self.model, self._names())) and self._begins_as(before)):
            first = self._refer(self.initial | before.state)
            other = not same(before.kernels | {"": before.outputs}, first.kernels | {"": first.outputs})
            if self.met:
                self.unmoved = self._kernels(self._capture(self.batch, self._as_begun()))
            self.first, self.restarts, self.met = first, self.restarts + (self.met or other), False
        first, displaced = self.first, self._displaced()
        outputs, kernels, representations, without = first.outputs, first.kernels, first.representations, first.left_out
        if any(bool((d != 0).any()) for own in displaced.values() for d in own.values()):
            seen = self._seen()
            jacobians = self._capture(self.batch, self._theta(), seen.look)
            self._check_reached(jacobians, displaced, self.origin.state)
            outputs, representations = seen.outputs, seen.representations
            kernels = self._kernels(jacobians)
            without = self._left_out(jacobians)
            del jacobians
        parts = {path: torch.full_like(first.outputs, torch.nan if self.cut else 0.0) for path in self.trained}
        for path, jacobian in self.jacobians.items():
            if jacobian is not None and not self.cut:
                parts[path] = _product(jacobian, displaced[path])
                self.tick()
        moved = self._moved(parts, outputs)
        lengths = {path: _squared(own.values()) for path, own in displaced.items()}
        none = torch.zeros((), dtype=torch.float64, device=outputs.device)
        return Sight(
            outputs=outputs,
            expansion=sum(parts.values(), first.outputs.clone()),
            kernels=kernels,
            representations=representations,
            left_out=without,
            moved=moved,
            displacement={name: lengths.get(path, none) for path, name in self.names.items()},
            magnitude=self.magnitude,
            first=first,
            restarts=self.restarts,
        )

    def _refer(self, known: dict[str, Any]) -> First:
        """The start, with everything but trained parameters as it is now; what is `known` of that is not copied."""
        state = {
            name: known[name] if name in known and same_value(known[name], v) else copied(v)
            for name, v in state_of(self.model, self._names()).items()
        }
        start, seen = self._theta(self._names()), self._seen()
        self.kept = Kept(self.model, {name: self._modules()[name] for name in self.blocks.values() if name in self._modules()})

        @contextmanager
        def look(batch: Batch) -> Iterator[Readout]:
            with self.kept.keep() as end, seen.look(batch, end) as readout:
                yield readout

        jacobians = self._capture(self.batch, start, look)
        self._explain({path for path, jacobian in jacobians.items() if jacobian is None})
        kernels, without = self._kernels(jacobians), self._left_out(jacobians)
        self.jacobians = packed(jacobians)
        self.magnitude = self._magnitude()
        glimpse = self._glimpse()  # other examples, so that what modules left outside is not what it was
        if not self._replays(start, seen.outputs):
            self.kept.chunks.clear()
        representations = {name: rows for name, rows in seen.representations.items() if name in self.places}
        return First(state, seen.outputs, kernels, representations, without, glimpse)

    def _begins_as(self, first: First) -> bool:
        """Whether the start still gives what it gave: modules may be others, or read what nothing of the network keeps."""
        return near(self._glimpse(), first.glimpse, tolerance_of(self.rounding))

    def _replays(self, start: dict[str, Tensor], outputs: Float[Tensor, "P C"]) -> bool:
        """Whether what blocks gave can stand for them: others may need what they do beside."""
        try:
            return near(self._replayed(start, set()), outputs, PRECISION)
        except Exception:  # whatever misses what a block would have left
            return False

    def _explain(self, unreached: set[str]) -> None:
        """Say what is frozen and what gives outputs; what no gradient reaches gives no features of the function."""
        members: dict[str, list[str]] = {}
        for path, name in self.names.items():
            members.setdefault(self.blocks[name], []).append(path)
        frozen = {name for path, name in self.names.items() if path not in self.trained}
        for block, paths in members.items():
            trained = [path for path in paths if path in self.trained]
            if not trained:
                frozen.add(block)
            elif unreached.issuperset(trained):
                for name in (block, *(self.names[path] for path in trained)):
                    self.places.pop(name, None)
        self.undefined = {f"{name}/{measure}": FROZEN for name in frozen for measure in OF_KERNEL}
        self.undefined |= {f"{name}/{measure}": OUTPUTS for name in self.gives for measure in OF_FEATURES} | self.cut
        hidden = [name for name in self.hidden if name in self.places] or list(self.places)
        repeated = [name for name in hidden if name.rpartition(".")[2].isdigit() and name not in self.blocks]
        self.last_hidden = (repeated or hidden or [""])[-1]

    def _look(self) -> None:
        """Find where modules give representations."""
        every = {name for name, value in self.initial.items() if value.is_floating_point() or value.is_complex()}
        theta = self._theta(trained=every)
        readout = self.readout.readout if isinstance(self.readout, Projected) else self.readout
        with self._as(theta):
            own = dict(self.model.named_parameters())
            trained = {own[name] for name in self._names()}
            found = find(self.model, self._modules(), self.batch, readout, trained)
        self.gives, self.hidden, self.estimated = found.outputs, found.hidden, found.estimated
        self.places = {name: place for name, place in found.places.items() if name not in found.outputs}

    def _as_begun(self) -> dict[str, Tensor]:
        """What to put in the place of the network's own tensors to have it as it was at the start, all of it."""
        own, trained = dict(self.model.named_parameters()) | dict(self.model.named_buffers()), self._names()
        theta = self._theta(trained)
        for name, value in self.origin.state.items():
            if name in own and name not in trained and isinstance(value, Tensor):
                theta[name] = value
        return theta | widen(halves(self.model, theta))

    def _kernels(self, jacobians: dict[str, LayerJacobian | None]) -> dict[str, Float[Tensor, "P P"]]:
        kernels = {}
        for path, jacobian in jacobians.items():
            if jacobian is not None:
                kernels[self.names[path]] = _kernel(jacobian)
                self.tick()
        if not kernels:
            raise ValueError("model: its outputs do not depend on any trainable parameter")
        return kernels

    def _left_out(self, jacobians: dict[str, LayerJacobian | None]) -> Float[Tensor, "G P P"] | None:
        """The kernel without each group of the outputs, where these are random projections: how these differ is its error."""
        if not isinstance(self.readout, Projected) or self.readout.exact:
            return None
        sums = []
        for some in groups(self.readout.count):
            total = 0
            for jacobian in jacobians.values():
                if jacobian is not None:
                    total = total + _kernel(jacobian.of_outputs(lambda g, some=some: g[..., some, :]))
                    self.tick()
            sums.append(total * (some.stop - some.start))
        return left_out(torch.stack(sums), self.readout.count)

    def _moved(self, parts: dict[str, Tensor], outputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Each block moved alone; where there is but one, that is the model."""
        members: dict[str, list[str]] = {}
        for path in parts:
            members.setdefault(self.blocks[self.names[path]], []).append(path)
        now = {name: parameter.detach() for name, parameter in self.model.named_parameters()}
        moved = {}
        for block, paths in members.items():
            linear = sum((parts[path] for path in paths), self.start.clone())
            changed = {name for path in paths for name in self.trained[path].values()}
            if all(torch.equal(now[name], self.initial[name]) for name in changed):
                moved[block] = self.start, linear
            elif len(members) == 1:
                moved[block] = outputs, linear
            else:
                moved[block] = self._replayed(self._theta(self._names() - changed), changed), linear
        return moved

    def _magnitude(self) -> dict[str, Tensor]:
        """Squared norm of theta_0 by layer; of a trained layer's trained parameters."""
        owners: dict[str, list[Tensor]] = {}
        for name, tensor in self.initial.items():
            path, _, own = name.rpartition(".")
            trained = self.trained.get(path or ROOT)
            if trained is None or own in trained:
                owners.setdefault(path or ROOT, []).append(tensor)
        return {self.names[path]: _squared(tensors) for path, tensors in owners.items()}

    def _modules(self) -> dict[str, nn.Module]:
        """The layers that own parameters, and the blocks around them, by name; what scripted ones give cannot be seen."""
        known = {self.rename(path): module for path, module in self.model.named_modules() if path}
        wanted = dict.fromkeys([*self.names.values(), *self.blocks.values()])
        scripted = torch.jit.RecursiveScriptModule
        return {name: module for name, module in known.items() if name in wanted and not isinstance(module, scripted)}

    def _seen(self) -> Seen:
        """What is to be seen of the next capture."""
        return Seen({n: module for n, module in self._modules().items() if n in self.places}, self.places, self.readout)

    def _replayed(self, theta: dict[str, Tensor], changed: set[str]) -> Float[Tensor, "P C"]:
        """The outputs where some parameters are not as at the start; what comes before them is not computed again."""
        outputs = []
        for k, rows in enumerate(self._chunks(self.size)):
            with self.kept.use(k, changed):
                outputs.append(self._forward(select(self.batch, rows), theta))
            self.tick()
        return torch.cat(outputs)


@torch.no_grad()
def _product(jacobian: PackedJacobian, direction: dict[str, Tensor]) -> Float[Tensor, "P C"]:
    return jacobian.product(direction)


@torch.no_grad()
def _kernel(jacobian: LayerJacobian) -> Float[Tensor, "P P"]:
    return jacobian.kernel(jacobian, "trace")


def _squared(tensors: Any) -> Tensor:
    floats = (tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.double() for tensor in tensors)
    return sum(torch.linalg.vector_norm(real(tensor), dtype=torch.float64).square() for tensor in floats)

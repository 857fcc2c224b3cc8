"""One network of anybody's, watched from a start on: what moved in it since, on a batch of probe examples.

Watching takes turns: its generators yield between pieces of work, so that whoever drives them can stop, and what they return
is whole. The network comes back as it was.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from regime.kernels.batch import Batch, Readout, select, size
from regime.kernels.capture import capture, explicit, learn_structure
from regime.kernels.ownership import ROOT, block_of, owned
from regime.kernels.tapes import Tape
from regime.snapshots import Moved, Snapshot

Value = TypeVar("Value")
Turns = Generator[None, None, Value]
"""Work in pieces, and what it comes to."""

MASK = "attention_mask"
"""The part of a batch that says which positions are padding."""
FROZEN = "this layer is not trained"
OUTPUTS = "the readout gives outputs, not features"
OF_FEATURES = ("representation_change", "feature_movement")
OF_KERNEL = ("kernel_change", "kernel_distance", "kernel_distance_centered", "kernel_share", "taylor_gap")


@dataclass(frozen=True)
class Sight:
    """A network at one time, on P examples with C outputs; layers by name, from input to output."""

    outputs: Float[Tensor, "P C"]
    expansion: Float[Tensor, "P C"]
    """f_0 + J_0 (theta_t - theta_0)."""
    kernels: dict[str, Float[Tensor, "P P"]]
    representations: dict[str, Float[Tensor, "P _"]]
    moved: dict[str, tuple[Float[Tensor, "P C"], Float[Tensor, "P C"]]]
    """By block: f with that block alone moved, and its linear prediction f_0 + J_0 D_b."""
    displacement: dict[str, Float[Tensor, ""]]
    magnitude: dict[str, Float[Tensor, ""]]


@dataclass
class Observer:
    """A network, its probe batch, and what it was when `begin` was called.

    Args:
        model: any module in eval mode whose examples do not affect one another; parameters that do not require gradients count
            as frozen.
        batch, readout: as in `regime.empirical_ntk`.
        chunk: examples to pass at once; None: all.
        rename: a module's path -> the name to report it under.
    """

    model: nn.Module
    batch: Batch
    readout: Readout | None = None
    chunk: int | None = None
    rename: Callable[[str], str] = str
    start: Float[Tensor, "P C"] = field(init=False)
    tapes: dict[str, Tape | None] = field(init=False)
    initial: dict[str, Tensor] = field(init=False)
    """theta_0 by the parameters' full names."""
    blocks: dict[str, str] = field(init=False)
    """The block of every layer that owns parameters."""
    undefined: dict[str, str] = field(init=False)
    last_hidden: str = field(init=False)

    def begin(self) -> Turns[None]:
        """Take the network as it is now for the start.

        Raises:
            ValueError: as `regime.empirical_ntk` does, and where no module gives a representation of the examples.
        """
        self.size = size(self.batch)
        owners = dict.fromkeys(name.rpartition(".")[0] or ROOT for name, _ in self.model.named_parameters())
        self.trained = {path: {own: _full(path, own) for own in parameters} for path, parameters in owned(self.model).items()}
        self.names = {path: self.rename(path) for path in owners}
        self.blocks = {name: block_of(name) for name in self.names.values()}
        self.initial = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        self.buffers = {name: buffer.detach().clone() for name, buffer in self.model.named_buffers()}
        yield
        self.visible, outputs = self._look()
        frozen = [name for path, name in self.names.items() if path not in self.trained]
        self.undefined = {f"{name}/{measure}": FROZEN for name in frozen for measure in OF_KERNEL}
        self.undefined |= {f"{name}/{measure}": OUTPUTS for name in outputs for measure in OF_FEATURES}
        self.visible -= set(outputs)
        yield
        self.tapes = yield from self._capture(self.batch)
        self._forget()
        self.last_hidden = self._last_hidden()
        self.start = yield from self.evaluate(self.batch)

    def _forget(self) -> None:
        """Blocks that are frozen as a whole say so; what no gradient reaches gives no features of the function."""
        members: dict[str, list[str]] = {}
        for path, name in self.names.items():
            members.setdefault(self.blocks[name], []).append(path)
        for block, paths in members.items():
            trained = [path for path in paths if path in self.trained]
            if not trained:
                self.undefined |= {f"{block}/{measure}": FROZEN for measure in OF_KERNEL}
            elif all(self.tapes[path] is None for path in paths if path in self.trained):
                self.visible -= {block, *(self.names[path] for path in trained)}

    def evaluate(self, batch: Batch) -> Turns[Float[Tensor, "n C"]]:
        """The outputs on any batch, finite or not."""
        outputs = []
        for rows in self._chunks(size(batch)):
            outputs.append(self._forward(select(batch, rows)))
            yield
        return torch.cat(outputs)

    def observe(self) -> Turns[Sight]:
        """What the network is now, and how far each part of it moved."""
        outputs = yield from self.evaluate(self.batch)
        representations = yield from self._representations()
        displaced = self._displaced()
        parts = {}
        for path, tape in self.tapes.items():
            if tape is not None:
                parts[path] = _product(tape, displaced[path])
                yield
        moved = yield from self._moved(parts, outputs)
        begun = all(bool((d == 0).all()) for own in displaced.values() for d in own.values())
        tapes = self.tapes if begun else (yield from self._capture(self.batch))
        kernels = {}
        for path, tape in tapes.items():
            if tape is not None:
                kernels[self.names[path]] = _kernel(tape)
                yield
        lengths = {path: _squared(own.values()) for path, own in displaced.items()}
        none = torch.zeros((), dtype=torch.float64, device=outputs.device)
        return Sight(
            outputs=outputs,
            expansion=sum(parts.values(), self.start.clone()),
            kernels=kernels,
            representations=representations,
            moved=moved,
            displacement={name: lengths.get(path, none) for path, name in self.names.items()},
            magnitude=self._magnitude(),
        )

    def capture(self, batch: Batch) -> Turns[dict[str, Tape]]:
        """The tapes of all layers that the function depends on, by path, at the parameters of now."""
        tapes = yield from self._capture(batch)
        return {path: tape for path, tape in tapes.items() if tape is not None}

    def by_layer(self) -> dict[str, dict[str, Tensor]]:
        """The trained parameters by path and name."""
        now = dict(self.model.named_parameters())
        return {path: {own: now[name].detach() for own, name in names.items()} for path, names in self.trained.items()}

    def _capture(self, batch: Batch) -> Turns[dict[str, Tape | None]]:
        structure = learn_structure(self.model, batch, self.readout)
        yield
        parts = []
        # a capture also takes some examples alone, and goes forward and back: half as many at once
        chunks = list(self._chunks(size(batch), share=2))
        for rows in chunks:
            parts.append(capture(self.model, batch, self.readout, structure=structure, rows=rows))
            yield
        forms = {path: {part[path] and part[path].form for part in parts} for path in parts[0]}
        if odd := {path: own for path, own in owned(self.model).items() if len(forms[path]) > 1}:
            for part, rows in zip(parts, chunks, strict=True):
                gradients = explicit(self.model, select(batch, rows), self.readout, odd)
                part.update({path: Tape(rows) for path, rows in gradients.items()})
                yield
        return {path: tape and Tape.join([part[path] for part in parts]) for path, tape in parts[0].items()}

    def _chunks(self, n: int, share: int = 1) -> Iterator[slice]:
        chunk = max(1, (self.chunk or n) // share)
        return (slice(first, min(n, first + chunk)) for first in range(0, n, chunk))

    @torch.no_grad()
    def _forward(self, batch: Batch, parameters: Mapping[str, Tensor] | None = None) -> Float[Tensor, "n C"]:
        called = self.model if parameters is None else _Replaced(self.model, {**self.buffers, **parameters})
        output = called(batch) if isinstance(batch, Tensor) else called(**batch)
        return output if self.readout is None else self.readout(output, batch)

    def _moved(self, parts: dict[str, Tensor], outputs: Tensor) -> Turns[dict[str, tuple[Tensor, Tensor]]]:
        """Each block moved alone; where there is but one, that is the model."""
        members: dict[str, list[str]] = {}
        for path in parts:
            members.setdefault(self.blocks[self.names[path]], []).append(path)
        now = {name: parameter.detach() for name, parameter in self.model.named_parameters()}
        moved = {}
        for block, paths in members.items():
            linear = sum((parts[path] for path in paths), self.start.clone())
            changed = [name for path in paths for name in self.trained[path].values()]
            if len(members) == 1:
                moved[block] = outputs, linear
            elif all(torch.equal(now[name], self.initial[name]) for name in changed):
                moved[block] = self.start, linear
            else:
                parameters = self.initial | {name: now[name] for name in changed}
                found = []
                for rows in self._chunks(self.size):
                    found.append(self._forward(select(self.batch, rows), parameters))
                    yield
                moved[block] = torch.cat(found), linear
        return moved

    @torch.no_grad()
    def _displaced(self) -> dict[str, dict[str, Tensor]]:
        """theta_t - theta_0 of what is trained, by layer and name."""
        now = dict(self.model.named_parameters())
        return {
            path: {own: now[name] - self.initial[name] for own, name in names.items()} for path, names in self.trained.items()
        }

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
        """The layers that own parameters, and the blocks around them, by name."""
        known = {self.rename(path): module for path, module in self.model.named_modules() if path}
        wanted = dict.fromkeys([*self.names.values(), *self.blocks.values()])
        return {name: module for name, module in known.items() if name in wanted}

    def _look(self) -> tuple[set[str], list[str]]:
        """The modules that give something for each example, and those that give the model's very outputs.

        The example axis is told by passing two examples and then three, never by its size: a position table has none.
        """
        lengths: dict[str, list[int]] = {}
        outputs: list[str] = []
        for count in (2, 3):
            seen: dict[str, Tensor] = {}
            batch = select(self.batch, slice(0, count))
            with hooked(self._modules(), seen.__setitem__), torch.no_grad():
                result = self.model(batch) if isinstance(batch, Tensor) else self.model(**batch)
            final = getattr(result, "logits", result)
            for name, hidden in seen.items():
                lengths.setdefault(name, []).append(hidden.shape[0] if hidden.dim() > 1 else 0)
            outputs = [name for name, hidden in seen.items() if hidden is final]
        return {name for name, found in lengths.items() if found == [2, 3]}, outputs

    def _last_hidden(self) -> str:
        """The last of the repeated blocks, or where there are none, the last module before the outputs."""
        hidden = [name for name in self._modules() if name in self.visible]
        repeated = [name for name in hidden if name.rpartition(".")[2].isdigit() and name not in self.blocks]
        if not hidden:
            raise ValueError("model: none of its modules gives a representation of each example, outputs aside")
        return (repeated or hidden)[-1]

    def _representations(self) -> Turns[dict[str, Float[Tensor, "P _"]]]:
        """What layers and blocks give for each example, averaged over its positions."""
        modules = {name: module for name, module in self._modules().items() if name in self.visible}
        parts: dict[str, list[Tensor]] = {name: [] for name in modules}
        for rows in self._chunks(self.size):
            batch = select(self.batch, rows)
            mask = None if isinstance(batch, Tensor) else batch.get(MASK)

            def see(name: str, hidden: Tensor, mask: Tensor | None = mask) -> None:
                parts[name].append(pooled(hidden, mask))

            with hooked(modules, see):
                self._forward(batch)
            yield
        joined = {name: torch.cat(part) for name, part in parts.items()}
        # a module called several times has no one representation
        return {name: rows for name, rows in joined.items() if len(rows) == self.size}


class _Replaced:
    """A module called with other parameters than its own."""

    def __init__(self, module: nn.Module, tensors: dict[str, Tensor]) -> None:
        self.module, self.tensors = module, tensors

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return functional_call(self.module, self.tensors, args, kwargs)


def snapshot(
    observers: Sequence[Observer],
    sights: Sequence[Sight],
    *,
    step: int,
    fraction: float,
    time: float,
    losses: dict[str, Float[Tensor, "S"]],
    linear: dict[str, Float[Tensor, "S P C"]] | None = None,
    undefined: dict[str, str] | None = None,
    view: dict[str, object] | None = None,
) -> Snapshot:
    """Networks of one architecture at one time, one a seed, as a snapshot.

    Args:
        linear: other linear predictions of the outputs, under the names of their gaps.
    """
    first, outputs = observers[0], torch.stack([sight.outputs for sight in sights])
    pairs = [sight.moved for sight in sights]
    return Snapshot(
        step=step,
        fraction=fraction,
        time=time,
        losses=losses,
        outputs=outputs,
        linear={"taylor_gap": torch.stack([sight.expansion for sight in sights]), **(linear or {})},
        kernels=_stacked([sight.kernels for sight in sights]),
        representations=_stacked([sight.representations for sight in sights]),
        displacement=_stacked([sight.displacement for sight in sights]),
        magnitude=_stacked([sight.magnitude for sight in sights]),
        moved={block: Moved(*map(torch.stack, zip(*(pair[block] for pair in pairs), strict=True))) for block in pairs[0]},
        blocks=first.blocks,
        last_hidden=first.last_hidden,
        rounding=torch.finfo(outputs.dtype).eps,
        size=outputs.flatten(1).norm(dim=1),
        undefined=first.undefined | (undefined or {}),
        view=view or {},
    )


def overwrite(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load another model's tensors.

    Raises:
        ValueError: it has other ones, or of other shapes; the message names the first.
    """
    own = model.state_dict()
    odd = sorted(own.keys() ^ state.keys()) or [name for name in own if own[name].shape != state[name].shape]
    if odd:
        raise ValueError(f"another architecture: the two differ in {', '.join(odd[:3])}")
    model.load_state_dict(state)


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


def pooled(hidden: Float[Tensor, "n *_ d"], mask: Tensor | None) -> Float[Tensor, "n d"]:
    """One row an example: the mean over positions that are not padding; of images (n, c, h, w), over the pixels."""
    if hidden.dim() == 3 and mask is not None and mask.shape == hidden.shape[:2]:
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1)
    return hidden.mean(1) if hidden.dim() == 3 else hidden.flatten(2).mean(2) if hidden.dim() > 3 else hidden


def _tensor(output: Any) -> Tensor | None:
    """The first tensor of numbers in what a module gives."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        output = next(iter(output), None)
    return output if isinstance(output, Tensor) and output.is_floating_point() else None


def _full(path: str, own: str) -> str:
    return own if path == ROOT else f"{path}.{own}"


@torch.no_grad()
def _product(tape: Tape, direction: dict[str, Tensor]) -> Float[Tensor, "P C"]:
    return tape.product(direction)


@torch.no_grad()
def _kernel(tape: Tape) -> Float[Tensor, "P P"]:
    return tape.kernel(tape, "trace")


def _squared(tensors: Any) -> Tensor:
    return sum(torch.linalg.vector_norm(tensor, dtype=torch.float64).square() for tensor in tensors)


def _stacked(seeds: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([seed[name] for seed in seeds]) for name in seeds[0]}

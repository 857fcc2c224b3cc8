"""A probe: a pretrained encoder fine-tuned from a linear readout, and snapshots of its kernels layer by layer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.config import ProbeConfig
from regime.events import Estimate, Reference
from regime.kernels.capture import capture, learn_structure
from regime.kernels.ownership import block_of, owned
from regime.kernels.tapes import Tape
from regime.machine import matmul_rate, pick_device
from regime.models import loading, texts
from regime.models.readout import MeanPooled, mean_pool
from regime.snapshots import Pause, Snapshot, diverged

CHUNK_TOKENS = 512
"""Tokens that go through the model at once: some tenths of a second on two cores, so that a stop is never far."""
CAPTURE_TOKENS = CHUNK_TOKENS // 2
"""The same for a capture, which also takes each sentence alone for the position table's gradients."""
EFFICIENCY = 0.6
"""Share of the matmul rate that a transformer pass reaches."""

ALONE = 3
"""Cost of passing sentences one at a time, relative to passing them together (measured)."""

Inputs = dict[str, Tensor]
HEAD = "head"


@dataclass
class _Learner:
    """One seed: a model, its optimizer, and what it was at step 0."""

    model: MeanPooled
    optimizer: torch.optim.Optimizer
    initial: dict[str, Tensor]
    start_outputs: Float[Tensor, "P 1"]
    tapes: dict[str, Tape | None]


class ProbeRun:
    """Everything at step 0; `snapshots` fine-tunes. Every seed has its own readout, and its own copy of the encoder."""

    linear = "taylor_gap"

    def __init__(self, config: ProbeConfig) -> None:
        self.config = config
        self.device = pick_device(config.device)
        self.learning_rate = config.step_size
        pretrained = loading.load(config.model)
        self.encoder = pretrained.encoder
        self.source = f"weights from {pretrained.source}; sentences from assets/reviews.csv"
        rows = texts.split(config.task, [config.samples, config.held_out, config.probe_samples])
        self.labels = [row.labels.to(self.device) for row in rows]
        limits = {"truncation": True, "max_length": config.max_tokens, "padding": True, "return_tensors": "pt"}
        tokens = [pretrained.tokenizer(row.texts, **limits) for row in rows]
        self.train, self.test, self.probe = (
            {name: part[name].to(self.device) for name in ("input_ids", "attention_mask")} for part in tokens
        )
        self.parameters = sum(p.numel() for p in self.encoder.parameters()) + self.encoder.config.hidden_size + 1

    def _flops(self) -> tuple[float, float]:
        """Operations of one training step and of one measurement, one seed."""
        dense = sum(p.numel() for m in self.encoder.modules() if isinstance(m, nn.Linear) for p in m.parameters())
        train, test, probe = (float(part["input_ids"].numel()) for part in (self.train, self.test, self.probe))
        step = 6 * dense * train * self.config.batch / self.config.samples
        forward = 2 * dense * (train + test + 2 * probe)
        capture = 6 * dense * probe * (1 + ALONE)
        hidden = self.encoder.config.hidden_size
        kernels = 2 * dense / hidden * probe**2 * 2
        return step, forward + capture + kernels

    def estimate(self) -> Estimate:
        """From counted operations and this machine's matmul rate."""
        config, rate = self.config, EFFICIENCY * matmul_rate(self.device)
        step, measure = self._flops()
        measurements = -(-config.steps // config.measure_every) + 1
        seconds = config.seeds * (config.steps * step + measurements * measure) / rate + 1
        copies = 5 if config.optimizer == "adamw" else 3
        hidden = self.encoder.config.hidden_size * self.encoder.config.num_hidden_layers * 20
        tapes = 2 * hidden * self.probe["input_ids"].numel()
        return Estimate(seconds=seconds, bytes=4 * (config.seeds * (copies * self.parameters + tapes) + 2**26))

    def references(self) -> list[Reference]:
        return []

    def independent(self) -> None:
        """No other initialization: the encoder is a pretrained one."""
        return

    def view(self) -> dict[str, object]:
        return {}

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """Measured steps as snapshots; pauses between chunks of tokens, and between layers."""
        config = self.config
        clock = _Clock(config, *self._flops())
        learners = []
        for k in range(config.seeds):
            learners.append((yield from self._begin(k, clock)))
        for step in range(config.steps + 1):
            last = step == config.steps
            if last or step % config.measure_every == 0:
                snapshot = yield from self._snapshot(learners, step, clock)
                yield snapshot
                start_loss = snapshot.losses["train_loss"] if step == 0 else start_loss
                if last or diverged(snapshot.losses["train_loss"], start_loss):
                    return
            batch = self._batch(step)
            for learner in learners:
                yield from self._train(learner, batch, step, clock)

    def _begin(self, k: int, clock: "_Clock") -> Iterator[Pause]:
        model = MeanPooled(self.encoder, self.config.seed + k).to(self.device)
        kinds = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        optimizer = kinds[self.config.optimizer](model.parameters(), lr=self.learning_rate, weight_decay=0.0)
        yield clock.pause(0)
        tapes = yield from self._tapes(model, 0, clock)
        outputs = yield from self._evaluate(model, self.probe, 0, clock)
        initial = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        return _Learner(model, optimizer, initial, outputs, tapes)

    def _batch(self, step: int) -> list[int]:
        """The rows of one training batch; the same for every seed."""
        if self.config.batch == self.config.samples:
            return list(range(self.config.samples))
        generator = torch.Generator().manual_seed(step)
        return torch.randperm(self.config.samples, generator=generator)[: self.config.batch].tolist()

    def _train(self, learner: _Learner, batch: list[int], step: int, clock: "_Clock") -> Iterator[Pause]:
        """One optimizer step, its gradient summed over chunks."""
        learner.optimizer.zero_grad()
        for chunk in _chunks(self.train, batch):
            _accumulate(learner.model, _rows(self.train, chunk), self.labels[0][chunk], len(batch))
            clock.trained(len(chunk) / len(batch))
            yield clock.pause(step)
        learner.optimizer.step()

    def _evaluate(self, model: nn.Module, inputs: Inputs, step: int, clock: "_Clock") -> Iterator[Pause]:
        outputs = []
        for chunk in _chunks(inputs):
            outputs.append(_forward(model, _rows(inputs, chunk)))
            yield clock.pause(step)
        return torch.cat(outputs)

    def _tapes(self, model: nn.Module, step: int, clock: "_Clock") -> Iterator[Pause]:
        """The tapes of all layers on the probe sentences."""
        structure = learn_structure(model, self.probe, None)
        yield clock.pause(step)
        parts = []
        for chunk in _chunks(self.probe, tokens=CAPTURE_TOKENS):
            rows = slice(chunk[0], chunk[-1] + 1)
            parts.append(capture(model, self.probe, structure=structure, rows=rows))
            yield clock.pause(step)
        return {path: tape and Tape.join([part[path] for part in parts]) for path, tape in parts[0].items()}

    def _snapshot(self, learners: list[_Learner], step: int, clock: "_Clock") -> Iterator[Pause]:
        losses: dict[str, list[Tensor]] = {"train_loss": [], "test_loss": []}
        outputs, linear, kernels, representations, moved, magnitude = [], [], [], [], [], []
        for learner in learners:
            for name, inputs, labels in zip(losses, (self.train, self.test), self.labels, strict=False):
                predicted = yield from self._evaluate(learner.model, inputs, step, clock)
                losses[name].append((predicted - labels).square().sum() / (2 * len(labels)))
            outputs.append((yield from self._evaluate(learner.model, self.probe, step, clock)))
            representations.append((yield from self._representations(learner.model, step, clock)))
            displaced = _displacement(learner)
            linear.append(_expand(learner, displaced))
            yield clock.pause(step)
            moved.append({path: _squared(parts) for path, parts in displaced.items()})
            magnitude.append({path: _squared(parts) for path, parts in _by_layer(learner.model, learner.initial).items()})
            yield clock.pause(step)
            tapes = learner.tapes if step == 0 else (yield from self._tapes(learner.model, step, clock))
            kernels.append((yield from self._kernels(tapes, step, clock)))
            clock.measured()
        layers = list(learners[0].tapes)
        return Snapshot(
            step=step,
            fraction=clock.fraction,
            time=step * self.learning_rate,
            losses={name: torch.stack(values) for name, values in losses.items()},
            outputs=torch.stack(outputs),
            linear={self.linear: torch.stack(linear)},
            kernels=_stack(kernels),
            representations=_stack(representations),
            displacement=_stack(moved),
            magnitude=_stack(magnitude),
            blocks={path: block_of(path) for path in layers},
            rounding=torch.finfo(torch.float32).eps,
            size=torch.stack(outputs).flatten(1).norm(dim=1),
            last_hidden=[block_of(path) for path in layers if path in kernels[0] and path != HEAD][-1],
            undefined={
                f"{HEAD}/{measure}": "the readout gives outputs, not features"
                for measure in ("representation_change", "feature_movement")
            },
        )

    def _kernels(self, tapes: dict[str, Tape | None], step: int, clock: "_Clock") -> Iterator[Pause]:
        kernels = {}
        for path, tape in tapes.items():
            if tape is not None:
                kernels[path] = _kernel(tape)
                yield clock.pause(step)
        return kernels

    def _representations(self, model: nn.Module, step: int, clock: "_Clock") -> Iterator[Pause]:
        """What every layer and block gives for each probe sentence, averaged over its tokens.

        A position table looks like one sentence where a chunk has just one; it is told by giving fewer rows than there are.
        """
        paths = [path for path in owned(model) if path != HEAD]
        modules = {path: model.get_submodule(path) for path in dict.fromkeys([*paths, *map(block_of, paths)])}
        parts: dict[str, list[Tensor]] = {path: [] for path in modules}
        for chunk in _chunks(self.probe):
            inputs = _rows(self.probe, chunk)
            mask = inputs["attention_mask"]

            def see(path: str, output: object, mask: Tensor = mask) -> None:
                hidden = output[0] if isinstance(output, tuple) else output
                if isinstance(hidden, Tensor) and hidden.dim() == 3 and hidden.shape[:2] == mask.shape:
                    parts[path].append(mean_pool(hidden, mask))

            with _hooked(modules, see):
                _forward(model, inputs)
            yield clock.pause(step)
        joined = {path: torch.cat(part) for path, part in parts.items() if part}
        return {path: rows for path, rows in joined.items() if len(rows) == self.config.probe_samples}


class _Clock:
    """How much of the run is done, by counted operations."""

    def __init__(self, config: ProbeConfig, step: float, measure: float) -> None:
        self.step, self.measure = step, measure
        measurements = -(-config.steps // config.measure_every) + 1
        self.total = config.seeds * (config.steps * step + measurements * measure)
        self.done = 0.0

    @property
    def fraction(self) -> float:
        return min(1.0, self.done / self.total)

    def trained(self, share: float) -> None:
        self.done += share * self.step

    def measured(self) -> None:
        self.done += self.measure

    def pause(self, step: int) -> Pause:
        return Pause(step, self.fraction)


def _chunks(inputs: Inputs, rows: list[int] | None = None, tokens: int = CHUNK_TOKENS) -> list[list[int]]:
    """Row numbers in groups of about so many tokens."""
    n, length = inputs["input_ids"].shape
    rows = list(range(n)) if rows is None else rows
    size = max(1, tokens // length)
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _rows(inputs: Inputs, rows: list[int]) -> Inputs:
    return {name: tensor[rows] for name, tensor in inputs.items()}


@torch.enable_grad()
def _accumulate(model: nn.Module, inputs: Inputs, labels: Float[Tensor, "n 1"], batch: int) -> None:
    """Add a chunk's part of the loss's gradient."""
    ((model(**inputs) - labels).square().sum() / (2 * batch)).backward()


@torch.no_grad()
def _forward(model: nn.Module, inputs: Inputs) -> Tensor:
    return model(**inputs)


@contextmanager
def _hooked(modules: Mapping[str, nn.Module], see: Callable[[str, object], None]) -> Iterator[None]:
    """Call `see(path, output)` on every call of the modules, before anybody else's hook changes the output."""

    def hook(path: str) -> Callable[..., None]:
        return lambda module, args, output: see(path, output)  # noqa: ARG005

    handles = [module.register_forward_hook(hook(path), prepend=True) for path, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _kernel(tape: Tape) -> Tensor:
    return tape.kernel(tape, "trace")


def _by_layer(model: nn.Module, values: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors named like parameters, by layer and then by their name in it."""
    return {path: {name: values[f"{path}.{name}"] for name in own} for path, own in owned(model).items()}


@torch.no_grad()
def _displacement(learner: _Learner) -> dict[str, dict[str, Tensor]]:
    """theta_t - theta_0, by layer."""
    moved = {name: parameter - learner.initial[name] for name, parameter in learner.model.named_parameters()}
    return _by_layer(learner.model, moved)


@torch.no_grad()
def _expand(learner: _Learner, displaced: dict[str, dict[str, Tensor]]) -> Float[Tensor, "P 1"]:
    """f_0 + J_0 (theta_t - theta_0), a matmul a layer."""
    return learner.start_outputs + sum(
        tape.product(displaced[path]) for path, tape in learner.tapes.items() if tape is not None
    )


def _squared(parts: dict[str, Tensor]) -> Tensor:
    return sum(torch.linalg.vector_norm(part, dtype=torch.float64).square() for part in parts.values())


def _stack(seeds: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([seed[name] for seed in seeds]) for name in seeds[0]}

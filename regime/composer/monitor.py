"""Anybody's network in anybody's training loop, and two checkpoints of one: the same report as of a run."""

import os
import time
from collections.abc import Sequence
from math import inf
from typing import Literal, get_args

import torch
from torch import nn

from regime.config import MonitorConfig
from regime.errors import SEEDS, check_integer, is_finite, is_integer, show
from regime.kernels.jacobian.batch import Batch, Projected, Readout, modules_of
from regime.kernels.jacobian.parameters import unwrapped
from regime.kernels.jacobian.turns import in_turn
from regime.kernels.projection import PROJECTIONS
from regime.kernels.request import check_calls
from regime.measures.own import OwnMeasure, checked
from regime.observe.network import Watched
from regime.observe.observer import Observer
from regime.observe.snapshots import snapshot
from regime.record.events import Estimate, Measured
from regime.record.kernels import save_kernels
from regime.record.recorder import Recorder
from regime.record.report import Report
from regime.resources.device import SHARE, free_memory
from regime.resources.process import full_precision

LEAST = 8
"""Examples below which representations and intervals mean little."""
Outputs = Literal["trace", "projection"]


class Monitor:
    """Measures a network against what it is now, while somebody else trains it.

        monitor = regime.Monitor(model, batch)
        for step in range(1, 101):
            ...                                  # a training step of your own
            if step % 10 == 0:
                monitor.measure(step, loss=loss.item())
        monitor.report().verdict

    Every measurement passes the batch through the network in eval mode, without dropout and autocast, eagerly, in float32 at
    least, and gives it back bit for bit as it was. One costs about a forward pass for every block of layers and a few forward
    and backward passes; `estimate` tells beforehand. Where buffers moved since the start, such as running statistics, or what
    modules keep in attributes, or layers were unfrozen, the start is taken again with them as they are: changes are those of
    training. What buffers and attributes did alone is `buffer_change`.

    Args:
        model: any module whose examples do not affect one another in eval mode, also as wrapped for data parallel training, by
            a compiler or as an average of weights. Parameters that do not require gradients count as frozen.
        batch: at least 8 held-out examples: a tensor, or a dict of keyword tensors, examples first.
        readout: (model output, batch) -> (n, C); None where the model's output is that already.
        loss: the training loss before the first step; without it, a verdict does not know whether anything was learned.
        chunk: examples to pass at once; None: all.
        outputs: "trace": all outputs; "projection": `projections` random signs of them, for many, such as a vocabulary's, as in
            `regime.empirical_ntk`. `projection_error` and the floors say how far off that is.
        projections, seed: random outputs, 4 to 4096, and what they are drawn from.
        measures: of your own, beside those that there are; see `regime.OwnMeasure`.

    Raises:
        ValueError: an argument is not allowed, the output is not (n, C) or not finite, nothing is trainable, a module couples
            examples, parameters are not in memory (offloaded, sharded), or there is no memory for measuring.
    """

    @torch.inference_mode(False)
    @full_precision()
    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        readout: Readout | None = None,
        *,
        loss: float | None = None,
        chunk: int | None = None,
        outputs: Outputs = "trace",
        projections: int = 16,
        seed: int = 0,
        measures: Sequence[OwnMeasure] = (),
    ) -> None:
        own = checked(measures)
        loss = None if loss is None else _number(loss)
        self.learning_rate = 0.0
        self.source = "a network of your own"
        if outputs == "projection":
            self.source += f"; {projections} random projections of its outputs"
        self._began = time.perf_counter()
        check_calls(model, batch, readout)
        with in_turn(unwrapped(model), *modules_of(readout)):
            watched = _watched(model, batch, readout, chunk, outputs, projections, seed)
            self.estimate = _estimate(watched)
            _check_memory(self.estimate, watched)
            self.observer = Observer(watched.model, batch, watched.readout, watched.chunk)
        examples, count = self.observer.start.shape
        self.device = self.observer.start.device
        self.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        config = MonitorConfig(model=type(self.observer.model).__name__, examples=examples, outputs=count)
        self._recorder = Recorder(config, self.learning_rate, [], None, own)
        self.measure(0, loss=loss)

    @staticmethod
    @torch.inference_mode(False)
    @full_precision()
    def plan(
        model: nn.Module,
        batch: Batch,
        readout: Readout | None = None,
        *,
        chunk: int | None = None,
        outputs: Outputs = "trace",
        projections: int = 16,
        seed: int = 0,
    ) -> Estimate:
        """Return the seconds of one measurement and the bytes at its peak, beside the network, without measuring.

        The start takes about as long again. A few examples pass through the network; nothing else is computed.

        Args:
            model: the network.
            batch: the probe examples.
            readout: as for a Monitor, and so are all that follow.
            chunk: examples that pass at once.
            outputs: "trace", or "projection" of many outputs on random signs.
            projections: how many signs.
            seed: of the signs.

        Raises:
            ValueError: as for a Monitor of the same arguments, except where there is no memory for it.
        """
        check_calls(model, batch, readout)
        with in_turn(unwrapped(model), *modules_of(readout)):
            return _estimate(_watched(model, batch, readout, chunk, outputs, projections, seed))

    def view(self) -> dict[str, object]:
        """Return nothing: no picture is drawn of a network of somebody's own."""
        return {}

    @torch.inference_mode(False)
    @full_precision()
    def measure(self, step: float, *, loss: float | None = None) -> Measured:
        """Measure the network as it is now, and return the event: measures by name, of the whole, of layers and of blocks.

        Args:
            step: a number that grows: steps, epochs (also half ones), tokens; `kernel_velocity` is per unit of it.
            loss: the training loss now; one that is not finite has diverged, and so has the run from then on.

        Raises:
            ValueError: the step is not beyond the last one, a loss is given at some measurements alone, the network's outputs
                are not finite, or parameters appeared, vanished or changed their shape.
        """
        history = self._recorder.history
        after = history[-1].step if history else -inf
        if not is_finite(step) or not after < step:
            raise ValueError(f"step = {show(step)} is not allowed; allowed: a finite number above {after}")
        step = int(step) if is_integer(step) else float(step)
        losses = {} if loss is None else {"train_loss": torch.tensor([_number(loss)], dtype=torch.float64, device="cpu")}
        if history and ("train_loss" in history[0].measures) != bool(losses):
            raise ValueError("loss: pass it at the start and at every measurement, or never")
        with in_turn(self.observer.model, *modules_of(self.observer.readout)):
            sight = self.observer.observe()
        now = snapshot([self.observer], [sight], step=step, fraction=1.0, time=float(step), losses=losses)
        return self._recorder.record(now, time.perf_counter() - self._began, 0.0)

    def save_kernels(self, path: str | os.PathLike[str]) -> None:
        """Write each layer's tangent kernel at the first measurement and the last, as `Session.save_kernels` does."""
        save_kernels(self._recorder, path)

    def report(self) -> Report:
        """The report so far."""
        return self._recorder.report(self, time.perf_counter() - self._began)


def _watched(
    model: nn.Module,
    batch: Batch,
    readout: Readout | None,
    chunk: int | None,
    outputs: Outputs,
    projections: int,
    seed: int,
) -> Watched:
    """A network to watch, of arguments that are checked."""
    if outputs not in get_args(Outputs):
        raise ValueError(f"outputs = {outputs!r} is not allowed; allowed: {', '.join(map(repr, get_args(Outputs)))}")
    if chunk is not None:
        check_integer("chunk", chunk, 1)
    check_integer("projections", projections, 4, PROJECTIONS)
    check_integer("seed", seed, *SEEDS)
    readout = Projected(readout, int(projections), int(seed)) if outputs == "projection" else readout
    watched = Watched(unwrapped(model), batch, readout, None if chunk is None else int(chunk))
    if watched.size < LEAST:
        raise ValueError(f"batch: {watched.size} examples are not allowed; allowed: at least {LEAST}")
    return watched


def _number(loss: object) -> float:
    """A training loss; one that is not finite says that training diverged."""
    try:
        return float(loss)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(f"loss = {show(loss)} is not allowed; allowed: a number, or None") from None


def _estimate(watched: Watched) -> Estimate:
    seconds, size = watched.cost()
    return Estimate(seconds=seconds, bytes=size)


def _check_memory(estimate: Estimate, watched: Watched) -> None:
    free = free_memory(next(watched.model.parameters()).device)
    if estimate.bytes > SHARE * free:
        raise ValueError(
            f"batch: measuring this network on {watched.size} examples takes about {estimate.bytes / 2**30:.2g} GiB, and "
            f"{free / 2**30:.2g} are free; pass fewer examples, or of many outputs outputs='projection'"
        )

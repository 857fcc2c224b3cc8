"""Anybody's network in anybody's training loop, and two checkpoints of one: the same report as of a run."""

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from regime.config import MonitorConfig
from regime.events import Measured
from regime.kernels.batch import Batch, Readout, check_batch
from regime.numbers import is_integer
from regime.observer import Observer, overwrite, snapshot
from regime.recorder import Recorder, save_kernels
from regime.report import Report
from regime.snapshots import finish

LEAST = 8
"""Examples below which representations and intervals mean little."""


class Monitor:
    """Measures a network against what it is now, while somebody else trains it.

        monitor = regime.Monitor(model, batch)
        for step in range(1, 101):
            ...                                  # a training step of your own
            if step % 10 == 0:
                monitor.measure(step, loss=loss.item())
        monitor.report().verdict

    Every measurement passes the batch through the network in eval mode, without dropout, and gives it back as it was. One
    costs about a forward pass for every block of layers and a few forward and backward passes.

    Args:
        model: any module whose examples do not affect one another in eval mode. Parameters that do not require gradients
            count as frozen.
        batch: at least 8 held-out examples: a tensor, or a dict of keyword tensors, examples first.
        readout: (model output, batch) -> (n, C); None where the model's output is that already.
        loss: the training loss before the first step; without it, a verdict does not know whether anything was learned.
        chunk: examples to pass at once; None: all.

    Raises:
        ValueError: an argument is not allowed, the output is not (n, C) or not finite, nothing is trainable, a module couples
            examples, or no module gives a representation of them.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        readout: Readout | None = None,
        *,
        loss: float | None = None,
        chunk: int | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ValueError(f"model: an nn.Module is needed, got {type(model).__name__}")
        check_batch("batch", batch)
        if chunk is not None and (not is_integer(chunk) or chunk < 1):
            raise ValueError(f"chunk = {chunk!r} is not allowed; allowed: an integer of at least 1, or None")
        self.learning_rate = 0.0
        self.source = "a network of your own"
        self._observer = Observer(model, batch, readout, chunk)
        self._began = time.perf_counter()
        with _settled(model):
            finish(self._observer.begin())
        examples, outputs = self._observer.start.shape
        if examples < LEAST:
            raise ValueError(f"batch: {examples} examples are not allowed; allowed: at least {LEAST}")
        self.device = self._observer.start.device
        self.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        config = MonitorConfig(model=type(model).__name__, examples=examples, outputs=outputs)
        self._recorder = Recorder(config, self.learning_rate, [], None)
        self.measure(0, loss=loss)

    def view(self) -> dict[str, object]:
        return {}

    def measure(self, step: int, *, loss: float | None = None) -> Measured:
        """Measure the network as it is now.

        Args:
            step: a number that grows: steps, epochs, tokens; `kernel_velocity` is per unit of it.
            loss: the training loss now; one that is not finite has diverged, and so has the run from then on.

        Raises:
            ValueError: the step is not beyond the last one, a loss is given at some measurements alone, or the network's
                outputs are not finite.
        """
        history = self._recorder.history
        if type(step) is not int or (history and step <= history[-1].step):
            after = f" above {history[-1].step}" if history else ""
            raise ValueError(f"step = {step!r:.80} is not allowed; allowed: an integer{after}")
        losses = {} if loss is None else {"train_loss": torch.tensor([float(loss)], dtype=torch.float64)}
        if history and ("train_loss" in history[0].measures) != bool(losses):
            raise ValueError("loss: pass it at the start and at every measurement, or never")
        with _settled(self._observer.model):
            sight = finish(self._observer.observe())
        now = snapshot([self._observer], [sight], step=step, fraction=1.0, time=float(step), losses=losses)
        return self._recorder.record(now, time.perf_counter() - self._began, 0.0)

    def save_kernels(self, path: str | os.PathLike[str]) -> None:
        """Write each layer's tangent kernel at the first measurement and the last, as `Session.save_kernels` does."""
        save_kernels(self._recorder, path)

    def report(self) -> Report:
        """The report so far."""
        return self._recorder.report(self, time.perf_counter() - self._began)


def compare(
    before: nn.Module,
    after: nn.Module,
    batch: Batch,
    *,
    readout: Readout | None = None,
    losses: tuple[float, float] | None = None,
    chunk: int | None = None,
) -> Report:
    """Two checkpoints of one architecture: what `Monitor` reports of a network that went from one to the other in one step.

    Args:
        before, after: modules with the same parameters and buffers; neither is changed.
        batch, readout, chunk: as for `Monitor`.
        losses: the training loss before and after, where known.

    Raises:
        ValueError: as `Monitor` does, and where the two have other parameters or shapes.
    """
    for name, model in (("before", before), ("after", after)):
        if not isinstance(model, nn.Module):
            raise ValueError(f"{name}: an nn.Module is needed, got {type(model).__name__}")
    model = copy.deepcopy(before)
    start, end = losses if losses is not None else (None, None)
    monitor = Monitor(model, batch, readout, loss=start, chunk=chunk)
    overwrite(model, after.state_dict())
    monitor.measure(1, loss=end)
    return monitor.report()


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

"""A toy run: a batch of networks and their twins trained side by side, as a stream of snapshots."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.snapshot import GapSnapshot, Pause, Snapshot, diverged
from regime.kernels.spectrum import top_eigenvalue
from regime.record.events import Estimate, Reference
from regime.resources.device import matmul_rate
from regime.toy import cost, directions
from regime.toy.experiment import Experiment
from regime.toy.network import concatenated, first_network
from regime.toy.snapshots import record_gap, take_snapshot
from regime.toy.start import GRID, ToyStart


class ToyRun(ToyStart):
    """Everything at step 0; `snapshots` trains.

    Several configurations that differ in nothing but VARIES are trained as one batch, seeds and all: `cells` are theirs.
    Snapshots hold F = alpha (f - f0) of the network and of the twin on the probe points; the function's picture is that of
    the first seed.
    """

    source = "scikit-learn's load_digits and load_breast_cancer, or own rows; the other tasks are drawn here"

    def estimate(self) -> Estimate:
        """Return seconds, by counted operations, and bytes of the run with all the seeds that `max_seeds` may add."""
        config = self.config
        seconds = cost.run_seconds(config, len(self.cells) * sum(config.rounds), matmul_rate(self.device))
        return Estimate(seconds=seconds, bytes=sum(cell.bytes_of(self.dtype.itemsize) for cell in self.cells))

    def references(self) -> list[Reference]:
        """Return the values of `stability` at which descent with this optimizer and loss becomes unstable."""
        config = self.config
        if config.loss != "mse" or config.optimizer not in ("gd", "momentum"):
            return []
        edge = 2 * (1 + self.descent.momentum)
        known = [Reference(measure="stability", value=edge, meaning="stable below, for a constant kernel")]
        if config.optimizer == "gd":
            known.append(Reference(measure="stability", value=4.0, meaning="catapult below, divergence above, at large width"))
        return known

    def independent(self) -> tuple[Snapshot, Snapshot]:
        """Return kernels and representations on the probe points of every seed's initialization, and of the next seed's."""
        shifted = concatenated([self.draw(cell.seed + 1) for cell in self.cells])
        one, other = (self.bare(self.network.jacobian(parameters, self.data.probe.x)) for parameters in (self.initial, shifted))
        return one, other

    def top_eigenvalue(self) -> float | None:
        """Return n^-c lambda_max(Theta_0 / N) of the stiffest seed, or None for Adam, whose steps do not depend on it."""
        if self.kernel is None:
            return None
        return self.network.step * top_eigenvalue(self.kernel).max().item() / self.config.samples

    def view(self) -> dict[str, object]:
        """Return what the page draws once: scales, kernel, and by the number of inputs points and units, or targets."""
        scaled = [asdict(s) | {"weight_speed": s.weight_speed, "bias_speed": s.bias_speed} for s in self.network.scales]
        view: dict[str, object] = {"scales": scaled}
        x, y = self.data.train
        if len(self.cells) == 1:
            shown = self.data.probe.y[self.pictured_points]
            classes = shown.argmax(1) if shown.shape[1] > 1 else shown[:, 0]
            first = self.network.jacobian(first_network(self.initial), self.data.probe.x)
            view["kernel"] = self.kernel_picture(self.network.kernels(first, first)) | {"targets": classes.double().tolist()}
            view |= directions.shape(self.config.task, x) if self.units is None else self.units.start
            view |= {} if self.pictured else directions.targets(self.data.test)
        if self.pictured:
            view |= {"points": torch.cat([x, y], 1).tolist(), "extent": self.extent(), "size": GRID[x.shape[1]]}
        return view

    def snapshots(self, state: dict[str, Any] | None = None) -> Iterator[Pause | Snapshot]:
        """Train, and yield measured steps as snapshots and the others as pauses.

        Training that diverges ends early, after a last snapshot. The snapshots of several cells come one after another, `cell`
        telling whose they are; a cell that diverges is left out from then on.

        With a `state` that this run's `state` returned, training goes on from there, bit for bit as it would have. The first
        snapshot is that of step 0 again, since measures compare with it.
        """
        self.experiment = experiment = yield from Experiment.begun(self)
        yield from experiment.foresee()
        snapshot = yield from take_snapshot(experiment)
        start_loss = snapshot.losses["train_loss"]
        alive = range(len(self.cells))
        for cell in alive:
            yield self._of_cell(snapshot, cell)
        if state is not None:
            experiment.restore(state)
        while experiment.stepped or experiment.step < self.config.steps:
            if not experiment.stepped:
                experiment.advance()
            yield experiment.pause
            gone = self._diverged(alive, experiment.loss, start_loss)
            beat = experiment.step == self.config.steps or experiment.step % self.config.measure_every == 0
            if beat or gone:
                snapshot = yield from take_snapshot(experiment)
                gone |= self._diverged(alive, snapshot.losses["train_loss"], start_loss)
            experiment.stepped = False
            for cell in alive:
                if beat or cell in gone:
                    yield replace(self._of_cell(snapshot, cell), diverged=cell in gone)
            alive = [cell for cell in alive if cell not in gone]
            if not alive:
                return

    def endpoints(self, at_loss: float | None = None, *, learners: bool = True) -> Iterator[Pause | GapSnapshot | Snapshot]:
        """Train, and yield snapshots of each cell's start and end alone, and its twin's gap at the measured steps between.

        A cell ends with the last step; where it diverges; or, with `at_loss`, with the first step before which the training
        loss, on all points and averaged over seeds, was at most that share of the initial one. Without `learners` the
        infinite width and kernel regression, which no verdict needs, are left out.
        """
        self.experiment = experiment = yield from Experiment.begun(self, learners=learners)
        snapshot = yield from take_snapshot(experiment)
        alive, start_loss = list(range(len(self.cells))), snapshot.losses["train_loss"]
        for cell in alive:
            yield self._of_cell(snapshot, cell)
        if not self.config.steps:
            yield from (self._of_cell(snapshot, cell) for cell in alive)
        while alive and experiment.step < self.config.steps:
            whole = experiment.train_loss() if at_loss is not None and self.config.batch < self.config.samples else None
            loss = experiment.advance()
            yield experiment.pause
            gone, ended = self._diverged(alive, loss, start_loss), set[int]()
            if at_loss is not None:
                known = loss if whole is None else whole
                ended = {cell for cell in alive if self._reached(cell, known, at_loss * start_loss)}
            if experiment.step == self.config.steps:
                ended = set(alive)
            if gone:
                snapshot = yield from take_snapshot(experiment, ended=False)
                yield from (replace(self._of_cell(snapshot, cell), diverged=True) for cell in sorted(gone))
                alive = [cell for cell in alive if cell not in gone]
            if ended := ended - gone:
                snapshot = yield from take_snapshot(experiment, ended=learners)
                lost = self._diverged(ended, snapshot.losses["train_loss"], start_loss)
                yield from (replace(self._of_cell(snapshot, cell), diverged=cell in lost) for cell in sorted(ended))
                alive = [cell for cell in alive if cell not in ended]
            if alive and experiment.step % self.config.measure_every == 0:
                glance = record_gap(experiment)
                yield from (glance.rows(self.rows(cell), cell) for cell in alive)

    def _reached(self, cell: int, loss: Float[Tensor, "S"], target: Float[Tensor, "S"]) -> bool:
        rows = self.rows(cell)
        return bool(loss[rows].mean() <= target[rows].mean())

    def _diverged(self, cells: Collection[int], loss: Float[Tensor, "S"], start: Float[Tensor, "S"]) -> set[int]:
        """Which of the cells have a seed that diverged."""
        if not diverged(loss, start):
            return set()
        return {cell for cell in cells if diverged(loss[self.rows(cell)], start[self.rows(cell)])}

    def _of_cell(self, snapshot: Snapshot, cell: int) -> Snapshot:
        """The snapshot of one cell's seeds."""
        if len(self.cells) == 1:
            return snapshot
        return replace(snapshot.rows(self.rows(cell)), cell=cell, time=snapshot.step * self.learning_rates[cell])

    def state(self) -> dict[str, Any]:
        """Return where the run stands between two items of `snapshots`: tensors and numbers."""
        return self.experiment.state()

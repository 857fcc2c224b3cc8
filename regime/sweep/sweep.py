"""A sweep: its cells from the store or from an engine, as a stream of events that ends in a report."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from regime.config import ConfigError, SweepConfig
from regime.events import Estimate, Finished, Progress
from regime.limits import limits
from regime.machine import SHARE, free_memory, pick_device
from regime.recorder import versions
from regime.session import HEARTBEAT
from regime.sweep import grid, local
from regime.sweep.cell import Cell
from regime.sweep.cluster import Cluster
from regime.sweep.curves import descents, scaling_laws
from regime.sweep.events import CellMeasured, SweepEvent, SweepStarted
from regime.sweep.findings import contours, power_laws
from regime.sweep.grid import Batch, Place
from regime.sweep.report import SweepProvenance, SweepReport
from regime.sweep.store import Store


class Sweep:
    """A sweep that can be held: what is finished stays, in this object and in the store.

    Raises:
        ConfigError: more cells than are allowed, a device that is not there, or a store that cannot be used.
    """

    def __init__(self, config: SweepConfig, store: Store | None = None) -> None:
        self.config, self.finished = config, False
        if config.engine == "local":
            pick_device(config.base.device)
        self.places = grid.places(config)
        self.store = store or (Store(config.store) if config.store is not None else None)
        self.cells: dict[int, Cell] = {}
        self._seconds = 0.0
        self._found = 0

    def stream(self, measurements: int | None = None) -> Iterator[SweepEvent]:
        """The events, from the start; or until there are so many cells more. Cells that are there already come at once, also
        where no more are asked for.

        Closing the iterator stops everything that runs; the next call goes on with the cells that are left.

        Raises:
            ConfigError: there is no such scheduler, or not enough memory.
        """
        began = time.perf_counter() - self._seconds
        with self._engine() as (engine, workers):
            self._look_up()
            batches = grid.batches(self._left(), workers)
            cost = _cost(batches, workers)
            if self.config.engine == "local":
                _check_memory(cost.bytes, self.config.base.device)
            yield SweepStarted(
                config=self.config.to_dict(),
                estimate=cost,
                cells=len(self.places),
                found=len(self.cells),
                batches=len(batches),
                workers=workers,
                kept=self.store.kept.name if self.store and self.store.kept else None,
            )
            for count, cell in enumerate(list(self.cells.values()), 1):
                yield self._measured(cell, count, time.perf_counter() - began, cost.seconds)
            if measurements == 0 and self._left():
                return
            try:
                with closing(self._run(engine, batches, cost.seconds, began)) as events:
                    for event in events:
                        yield event
                        if isinstance(event, CellMeasured) and measurements is not None:
                            measurements -= 1
                            if not measurements and self._left():
                                return
            finally:
                self._seconds = time.perf_counter() - began
        self.finished = True
        yield Finished(report=self.report(workers).to_dict())

    def _run(self, engine: Any, batches: list[Batch], estimated: float, began: float) -> Iterator[SweepEvent]:
        """Progress and cells, until all are there."""
        total = sum(batch.seconds for batch in batches)
        done = dict.fromkeys(range(len(batches)), 0.0)
        started = spoke = time.perf_counter()
        with closing(engine(batches, self.config.at_loss)) as items:
            for item in items:
                now = time.perf_counter()
                if item is not None:
                    number, said = item
                    done[number] = said if isinstance(said, float) else 1.0
                share = sum(batch.seconds * done[number] for number, batch in enumerate(batches)) / total
                left = (now - started) * (1 - share) / share if share > 0.02 else max(0.0, estimated - (now - started))
                if item is not None and not isinstance(said, float):
                    known = len(self.cells)
                    for count, cell in enumerate(self._take(batches[number], said), known + 1):
                        yield self._measured(cell, count, now - began, left)
                    spoke = now
                elif now - spoke > HEARTBEAT:
                    spoke = now
                    yield Progress(step=len(self.cells), steps=len(self.places), seconds=now - began, seconds_left=left)

    def _take(self, batch: Batch, results: list[dict[str, Any]]) -> list[Cell]:
        """A batch's results as cells; durable before anybody hears of them. What failed is tried again another time."""
        pairs = list(zip(batch.places, results, strict=True))
        if self.store is not None:
            sound = {place.key: (place.config.to_dict(), result) for place, result in pairs if result["status"] != "failed"}
            self.store.put(sound)
        cells = [_cell(place, result) for place, result in pairs]
        self.cells |= {cell.index: cell for cell in cells}
        return cells

    def _look_up(self) -> None:
        """What the store has of the cells that are left; cells that failed before are left again."""
        self.cells = {index: cell for index, cell in self.cells.items() if cell.status != "failed"}
        if self.store is None:
            return
        left = {place.key: place for place in self._left()}
        found = self.store.get(left)
        self._found += len(found)
        self.cells |= {left[key].index: _cell(left[key], result) for key, result in found.items()}

    def _left(self) -> list[Place]:
        return [place for place in self.places if place.index not in self.cells]

    def _measured(self, cell: Cell, count: int, seconds: float, left: float) -> CellMeasured:
        return CellMeasured(step=count, steps=len(self.places), seconds=seconds, seconds_left=left, cell=cell)

    @contextmanager
    def _engine(self) -> Iterator[tuple[Any, int]]:
        """What runs batches, and how many at once."""
        if self.config.engine == "dask":
            cluster = Cluster(self.config.scheduler)
            try:
                yield cluster.run, cluster.workers
            finally:
                cluster.close()
        else:
            workers = local.cores(self.config.base.device)
            yield (lambda batches, at_loss: local.run(batches, at_loss, workers)), workers

    def report(self, workers: int) -> SweepReport:
        """The cells that are there, and the laws that they obey."""
        cells = [self.cells[index] for index in sorted(self.cells)]
        return SweepReport(
            config=self.config,
            cells=cells,
            laws=power_laws(self.config, cells),
            contours=contours(self.config, cells),
            scaling=scaling_laws(self.config, cells),
            descents=descents(self.config, cells),
            provenance=SweepProvenance(
                versions=versions(),
                device=self.config.base.device,
                workers=workers,
                seconds=self._seconds,
                training_seconds=sum(cell.training_seconds for cell in cells),
                cell_seconds=sum(cell.seconds for cell in cells),
                found=self._found,
            ),
        )


def _cell(place: Place, result: dict[str, Any]) -> Cell:
    return Cell(index=place.index, point=place.point, key=place.key, **result)


def _bytes(batch: Batch) -> int:
    config = batch.places[0].config
    return len(batch.places) * config.workspace if config.kind == "toy" else grid.BATCH_BYTES


def _check_memory(needed: int, device: str) -> None:
    """Raises ConfigError where batches that run at once need more memory than there is for a run."""
    room = limits().max_bytes or int(SHARE * free_memory(pick_device(device)))
    if needed > room:
        raise ConfigError(
            f"the sweep needs {needed / 1e9:.2g} GB for the batches that run at once, and there are {room / 1e9:.2g} GB; "
            "ask for fewer samples, a smaller width, or fewer seeds"
        )


def estimate(config: SweepConfig) -> Estimate:
    """Of all cells, whatever a store has of them, on this machine; of a cluster's, as if its cores were this machine's.

    Raises:
        ConfigError: more cells than are allowed.
    """
    workers = local.cores(config.base.device)
    return _cost(grid.batches(grid.places(config), workers), workers)


def _cost(batches: list[Batch], workers: int) -> Estimate:
    """Seconds until the last batch ends, each given to the first worker that is free; bytes of as many of the largest."""
    count = local.processes(batches, workers)
    free = [local.STARTING if count > 1 else 0.0] * count
    for batch in batches:
        free[free.index(min(free))] += batch.seconds
    seconds = max(free) if batches else 0.0
    return Estimate(seconds=seconds, bytes=count * max(map(_bytes, batches), default=0))

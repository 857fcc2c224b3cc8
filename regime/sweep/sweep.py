"""A sweep: its cells from the store or from an engine, as a stream of events that ends in a report."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from regime.composer import grid
from regime.composer.grid import Batch, GridCell
from regime.composer.pace import Clock, time_left
from regime.composer.producers import fetching
from regime.config import SweepConfig
from regime.errors import ConfigError
from regime.record.events import Estimate, Fetching, Finished, Progress
from regime.record.provenance import versions
from regime.resources.device import pick_device
from regime.resources.memory import MEMORY
from regime.sweep import local
from regime.sweep.cell import Cell, failure
from regime.sweep.cluster import Cluster
from regime.sweep.curves import descents, scaling_laws
from regime.sweep.events import CellMeasured, SweepEvent, SweepStarted
from regime.sweep.findings import contours, power_laws
from regime.sweep.keys import keys
from regime.sweep.report import SweepProvenance, SweepReport
from regime.sweep.store import Store


class Sweep:
    """A sweep that can be held: what is finished stays, in this object and in the store.

    Raises:
        ConfigError: more cells than are allowed, a device that is not there, or a store that cannot be used.
    """

    def __init__(self, config: SweepConfig, store: Store | None = None) -> None:
        self.config, self.finished = config, False
        self._device = str(pick_device(config.base.device)) if config.engine == "local" else config.base.device
        self.places = grid.places(config)
        self.store = store or (Store(config.store) if config.store is not None else None)
        self.cells: dict[int, Cell] = {}
        self._unkept: list[Cell] = []
        self.keys: list[str | None] = []
        """Of each cell, as its model is now; None where that is not here, but on a cluster."""
        self._clock = Clock()
        self._clock.hold()
        self._found, self._workers = 0, 1

    def stream(self, measurements: int | None = None) -> Iterator[SweepEvent]:
        """Yield the events of the sweep to its end, or until so many more cells are there.

        Cells that are there already come at once, also where no more are asked for. Closing the iterator stops everything that
        runs; the next call goes on with the cells that are left.

        Raises:
            ConfigError: there is no such scheduler, or not enough memory.
        """
        self._clock.run()
        try:
            yield from self._events(measurements)
        finally:
            self._clock.hold()

    def _events(self, measurements: int | None) -> Iterator[SweepEvent]:
        yield from self._fetch()
        self.keys = keys([place.config for place in self.places], self.config.at_loss)
        with ExitStack() as held:
            engine, workers = held.enter_context(self._engine())
            self._look_up()
            batches = grid.batches(self._left(), workers)
            self._workers = local.processes(batches, workers) if self.config.engine == "local" else workers
            cost = _cost(batches, workers)
            if self.config.engine == "local":
                mend = "fewer samples, a smaller width, or fewer seeds"
                held.enter_context(MEMORY.promised(cost.bytes, pick_device(self.config.base.device), "the sweep", mend))
            yield SweepStarted(
                config=self.config.to_dict(),
                estimate=cost,
                cells=len(self.places),
                found=len(self.cells),
                batches=len(batches),
                workers=self._workers,
                read=self.config.base.read,
                kept=self.store.kept.name if self.store and self.store.kept else None,
            )
            for count, cell in enumerate(list(self.cells.values()), 1):
                yield self._measured(cell, count, cost.seconds)
            if measurements == 0 and self._left():
                return
            with closing(self._run(engine, batches, cost.seconds)) as events:
                for event in events:
                    yield event
                    if isinstance(event, CellMeasured) and measurements is not None:
                        measurements -= 1
                        if not measurements and self._left():
                            return
        self.finished = True
        yield Finished(report=self.report().to_dict())

    def _run(self, engine: Any, batches: list[Batch], estimated: float) -> Iterator[SweepEvent]:
        """Progress and cells, until all are there."""
        total = sum(batch.seconds for batch in batches)
        done = dict.fromkeys(range(len(batches)), 0.0)
        clock, began = self._clock, self._clock.seconds
        with closing(engine(batches, self.config.at_loss)) as items:
            for item in items:
                if item is not None:
                    number, said = item
                    done[number] = said if isinstance(said, float) else 1.0
                share = sum(batch.seconds * done[number] for number, batch in enumerate(batches)) / total
                left = time_left(clock.seconds - began, share, estimated)
                if item is not None and not isinstance(said, float):
                    known = len(self.cells)
                    for count, cell in enumerate(self._take(batches[number], said), known + 1):
                        yield self._measured(cell, count, left)
                    clock.spoke()
                elif clock.due():
                    yield Progress(step=len(self.cells), steps=len(self.places), seconds=clock.seconds, seconds_left=left)

    def _take(self, batch: Batch, results: list[dict[str, Any]]) -> list[Cell]:
        """Return a batch's results as cells, durable by then; what failed is not kept, so that it is tried again."""
        cells = [self._cell(place, result) for place, result in zip(batch.places, results, strict=True)]
        self.cells |= {cell.index: cell for cell in cells}  # before the store: where that takes no more, a report has them
        self._unkept += [cell for cell in cells if cell.status != "failed" and cell.key]
        self._keep()
        return cells

    def _keep(self) -> None:
        """Put what the store has not been given yet, or could not take when it was."""
        if self.store is not None and self._unkept:
            self.store.put({cell.key: (self.places[cell.index].config.to_dict(), _result(cell)) for cell in self._unkept})
        self._unkept = []

    def _look_up(self) -> None:
        """Take from the store what it has of the cells that are left, or that failed before."""
        sound = (
            cell for cell in self.cells.values() if cell.status != "failed" and cell.key == (self.keys[cell.index] or cell.key)
        )
        self.cells = {cell.index: cell for cell in sound}
        self._keep()
        if self.store is None:
            return
        left = {key: place for place in self._left() if (key := self.keys[place.index])}
        found = self.store.get(left, {key: place.config.seeds for key, place in left.items()})
        self._found += len(found)
        self.cells |= {left[key].index: self._cell(left[key], {**result, "key": key}) for key, result in found.items()}

    def _cell(self, place: GridCell, result: dict[str, Any]) -> Cell:
        """A result at its place; of another version or other weights, it is a failure."""
        known = self.keys[place.index]
        made = result.get("key")
        if known and made != known and result["status"] != "failed":
            result = failure("it was run by another version of this package, or with other weights than are here")
        return Cell(index=place.index, point=place.point, **{**result, "key": known or made or ""})

    def _fetch(self) -> Iterator[Fetching]:
        """Download the files of probes' models, which keys need; a model that cannot be had fails where its cells run."""
        probes = [place.config for place in self.places if place.config.kind == "probe"]
        for model in dict.fromkeys(named for config in probes for named in config.named):
            with suppress(ConfigError):
                yield from fetching([model], self._clock)

    def _left(self) -> list[GridCell]:
        return [place for place in self.places if place.index not in self.cells]

    def _measured(self, cell: Cell, count: int, left: float) -> CellMeasured:
        return CellMeasured(step=count, steps=len(self.places), seconds=self._clock.seconds, seconds_left=left, cell=cell)

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
            workers = local.workers(self.config.base.device)
            yield (lambda batches, at_loss: local.run_batches(batches, at_loss, workers)), workers

    def report(self) -> SweepReport:
        """Return a report of the cells that are there, and the laws that they obey."""
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
                device=self._device,
                workers=self._workers,
                seconds=self._clock.seconds,
                training_seconds=sum(cell.training_seconds for cell in cells),
                cell_seconds=sum(cell.seconds for cell in cells),
                found=self._found,
            ),
            interrupted=f"at cell {len(cells)} of {len(self.places)}" if self._left() else None,
        )


def _result(cell: Cell) -> dict[str, Any]:
    """What a store keeps of a cell: all but where it is in this sweep."""
    return cell.model_dump(mode="json", exclude={"index", "point", "key"})


def _bytes(batch: Batch) -> int:
    config = batch.places[0].config
    return len(batch.places) * grid.toy_bytes(config) if config.kind == "toy" else grid.BATCH_BYTES


def estimate_sweep(config: SweepConfig) -> Estimate:
    """Return what all cells cost on this machine, whatever a store has of them.

    A cluster counts as if its cores were this machine's.

    Raises:
        ConfigError: more cells than are allowed.
    """
    workers = local.workers(config.base.device)
    return _cost(grid.batches(grid.places(config), workers), workers)


def _cost(batches: list[Batch], workers: int) -> Estimate:
    """Seconds until the last batch ends, each given to the first free worker; bytes of the largest that run at once."""
    count = local.processes(batches, workers)
    free = [local.STARTING if count > 1 else 0.0] * count
    for batch in batches:
        free[free.index(min(free))] += batch.seconds
    seconds = max(free) if batches else 0.0
    return Estimate(seconds=seconds, bytes=count * max(map(_bytes, batches), default=0))

"""Benchmarks of sweeps: `python -m tests.benchmarks.sweeps`, from the root of the checkout.

    map      the shipped map, 12 x 12 cells of 4 seeds: against single runs, against matmuls, and number by number
    cluster  what a cell costs a Dask scheduler and the store, with 1, 2 and 4 workers on this machine

Run it on an idle machine. A load average above 0.3 of the cores at the start is noted with the results.
"""

import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import torch

import regime
from regime import SweepConfig, ToyConfig
from regime.composer import grid
from regime.sweep.cluster import Cluster
from regime.sweep.store import Store
from regime.sweep.work import work
from regime.ui.form.presets import first
from tests.benchmarks.environment import cores
from tests.benchmarks.report import Section, Table, command
from tests.benchmarks.timing import matmul_rate, matmul_turn
from tests.conftest import ROOT
from tests.load.server import free_port

NARROW = 128
"""Up to this width the map is held against single runs."""
SAMPLED = 2
"""Single runs at each width, of the output scales in the middle third and at the lazy end."""
WORKERS = (1, 2, 4)
CELLS = 240
CLUSTER = 1000
"""Workers on paper."""


def operations(config: ToyConfig) -> int:
    """Floating-point operations of a run's steps: every layer forward, its weights' gradient, its inputs' but the first's."""
    products = [i * o for i, o in zip(config.sizes, config.sizes[1:], strict=False)]
    return config.steps * 2 * config.seeds * config.batch * (3 * sum(products) - products[0])


def whole_map(asked: Namespace) -> Section:
    """The shipped map; if quick, a corner of it with fewer steps."""
    config, turns = first("sweep").config, [matmul_turn()] * (1 if asked.quick else 5)
    if asked.quick:
        axes = {"width": [16, 32, 64], "alpha": config.axes["alpha"][::2]}
        base = config.base.model_copy(update={"steps": 100, "measure_every": 100})
        config = config.model_copy(update={"axes": axes, "base": base, "seeds": 2})
    rate = matmul_rate([turn() for turn in turns])
    began = time.perf_counter()
    report = regime.run(config)
    elapsed = time.perf_counter() - began
    rate = max(rate, matmul_rate([turn() for turn in turns]))
    floor = sum(operations(cell) for cell in config.cells()) / rate
    known = report.provenance
    training = known.training_seconds / known.workers
    measuring = (known.cell_seconds - known.training_seconds) / known.workers
    told = regime.estimate(config).seconds

    narrow = config.model_copy(update={"axes": config.axes | {"width": [w for w in config.axes["width"] if w <= NARROW]}})
    began = time.perf_counter()
    together = regime.run(narrow)
    batched = time.perf_counter() - began
    alone, differences = singles(narrow, together)
    notes = [
        f"{config.size} cells of {config.seeds} seeds, {config.base.steps} steps, on {known.workers} processes of one core.",
        "Training is the time in steps, measuring all else; both of all cells, over the processes. The floor is the operations "
        "of the steps over the rate of a 2048-cubed matmul on all cores.",
        f"Single runs are `regime.run` with all cores, {SAMPLED} of {len(config.axes['alpha'])} cells of each width, scaled.",
    ]
    section = Section("A map of 12 x 12 cells", notes)
    faster = alone / batched
    section.promise(f"at least 5 times faster than one run after another, widths up to {NARROW}", faster, at_least=5)
    section.promise(f"training takes at most 1.5 floors of {floor:.3g} s and 10 s", training, at_most=1.5 * floor + 10)
    section.promise("same numbers as single runs: largest relative difference of kernel_change", max(differences), at_most=0.01)
    row = {
        "seconds": elapsed,
        "told": told,
        "training": training,
        "measuring": measuring,
        "floor": floor,
        "training over floor": training / floor,
    }
    section.tables.append(Table("The whole map, seconds", [row | {"matmul, GFLOP/s": rate / 1e9}]))
    seconds = {"batched": batched, "one after another": alone, "times faster": faster}
    section.tables.append(Table(f"Its {narrow.size} cells of widths up to {NARROW}", [seconds]))
    slopes = [
        {"contour": f"{c.measure} = {c.level:g}", "exponent": f"{c.exponent:.3f} [{c.interval[0]:.3f}, {c.interval[1]:.3f}]"}
        | {"from width": c.smallest, "sizes": len(c.crossings)}
        for c in report.contours
    ]
    section.tables.append(Table("Its boundary against width, ReLU, NTK parameterization, after the last step", slopes))
    return section


def singles(config: SweepConfig, report: regime.SweepReport) -> tuple[float, list[float]]:
    """Seconds of all cells one after another, from some of each width, and how far their numbers are from the sweep's."""
    scales = config.axes["alpha"]
    chosen = [scales[len(scales) // 2], scales[-1]][:SAMPLED]
    seconds, differences = 0.0, []
    for cell in report.cells:
        if cell.point["alpha"] not in chosen:
            continue
        began = time.perf_counter()
        alone = regime.run(config.cell(cell.index))
        seconds += time.perf_counter() - began
        differences.append(abs(alone.final["kernel_change"] / cell.measures["kernel_change"] - 1))
    return seconds * len(scales) / len(chosen), differences


def cluster(asked: Namespace) -> Section:
    """Small cells, each a batch of its own, over workers of one thread, against the same in one process without Dask."""
    base = ToyConfig(width=4, depth=1, test_samples=8, probe_samples=8, steps=1, measure_every=1, seeds=1)
    cells, workers = (8, WORKERS[:1]) if asked.quick else (CELLS, WORKERS)
    config = SweepConfig(base=base, axes={"samples": list(range(8, 8 + cells))})
    alone = _inline(config)
    rows, section = [], Section("Sweeps over Dask", [f"{config.size} batches of one small cell each, results kept in a store."])
    for count in workers:
        with _cluster(count) as address, tempfile.TemporaryDirectory() as folder:
            over = config.model_copy(update={"engine": "dask", "scheduler": address, "store": f"{folder}/cells.sqlite"})
            regime.run(over.model_copy(update={"axes": {"samples": list(range(300, 300 + 4 * count))}}))  # they import first
            began = time.perf_counter()
            regime.run(over)
            elapsed = time.perf_counter() - began
        busy = elapsed * min(count, cores()) / config.size
        row = {
            "workers": count,
            "cells a second": config.size / elapsed,
            "core ms a cell": 1e3 * busy,
            "without Dask": 1e3 * alone,
        }
        rows.append(row | {"overhead a cell, ms": 1e3 * (busy - alone)})
    said = f"Measured on {cores()} cores, which more workers share with client and scheduler"
    section.tables.append(Table(said, rows))
    commit, serial = _commit(), rows[0]["overhead a cell, ms"] / 1e3
    section.notes += [
        f"A batch's commit to the store takes {1e3 * commit:.2g} ms: one client keeps at most {1 / commit:.0f} batches a "
        f"second, and {CLUSTER:,} workers need batches of at least {CLUSTER * commit:.2g} s not to wait for it.",
        f"With one worker, all that is not work takes {1e3 * serial:.2g} ms a batch: if none of it overlapped, {CLUSTER:,} "
        f"workers would need batches of {CLUSTER * serial:.2g} s. The scheduler alone, at the 1 ms a task that Dask's "
        f"documentation gives, would bound them at {CLUSTER * 1e-3:.2g} s.",
    ]
    return section


def _inline(config: SweepConfig) -> float:
    """Seconds of a cell in this process, one thread, results kept as on a cluster."""
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "cells.sqlite")
            began = time.perf_counter()
            for place in grid.places(config):
                *_, (result,) = work([place.config.to_dict()], None)
                store.put({result["key"]: (place.config.to_dict(), result)})
            return (time.perf_counter() - began) / config.size
    finally:
        torch.set_num_threads(cores())


def _commit() -> float:
    """Seconds that a store takes to keep one batch."""
    cell = next(iter(regime.run(SweepConfig(base=ToyConfig(width=8, steps=2), axes={"alpha": [1.0]})).cells))
    with tempfile.TemporaryDirectory() as folder:
        store, times = Store(Path(folder) / "cells.sqlite"), []
        for number in range(200):
            began = time.perf_counter()
            store.put({str(number): ({}, cell.to_dict())})
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


@contextmanager
def _cluster(count: int) -> Iterator[str]:
    """A scheduler and so many workers of one thread, each a process."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    module = [sys.executable, "-m"]
    commands = [[*module, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]]
    with tempfile.TemporaryDirectory() as folder:
        worker = [*module, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        commands += [[*worker, "--local-directory", f"{folder}/{k}"] for k in range(count)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = [subprocess.Popen(command, cwd=ROOT, **quiet) for command in commands]
        try:
            with closing(_patient(address)) as known:
                known.client.wait_for_workers(count, timeout=60)
            yield address
        finally:
            for process in running:
                process.kill()
                process.wait(20)


def _patient(address: str) -> Cluster:
    """A connection to a scheduler that may still be starting."""
    for _ in range(5):
        try:
            return Cluster(address)
        except regime.ConfigError:
            time.sleep(1)
    return Cluster(address)


if __name__ == "__main__":
    sys.exit(command("sweeps", __doc__, {"map": whole_map, "cluster": cluster}))

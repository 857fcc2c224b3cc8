"""Batches over processes of this machine, one core each; where one process is enough, in this one."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import torch

import regime
from regime.composer.grid import Batch
from regime.composer.pace import HEARTBEAT
from regime.dynamics.pieces import Ahead
from regime.resources.container import cores
from regime.sweep.cell import failure
from regime.sweep.work import Result, work

Done = tuple[int, float | list[Result]] | None
"""The number of a batch, and the share of it that is done or its results; None says only that time has passed."""
STARTING = 4.0
"""Seconds that a process takes to start."""
TRIES = 2
"""Times that a batch is tried whose process is lost."""
ROOT = Path(regime.__file__).parents[1]
COMMAND = [sys.executable, "-m", "regime.sweep.worker"]


def workers(device: str) -> int:
    """Return how many processes share the work: one a core, or one for the GPU."""
    return 1 if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else cores()


def processes(batches: Sequence[Batch], most: int) -> int:
    """Return how many processes to start: one, which is this one, where more would take longer to start than they save.

    So it is where a part of one's own is of the script that runs: no other process finds it there.
    """
    if any(path.startswith("__main__:") for batch in batches for _, path in batch.places[0].config.own_parts()):
        return 1
    wanted = min(most, len(batches))
    saved = sum(batch.seconds for batch in batches) * (1 - 1 / max(1, wanted))
    return wanted if saved > STARTING else 1


def run_batches(batches: Sequence[Batch], at_loss: float | None, most: int) -> Iterator[Done]:
    """Run batches, the first ones first; closing the iterator ends every process at once.

    Args:
        batches: of cells.
        at_loss: share of the initial loss that training stops at, or None.
        most: processes at once.
    """
    count = processes(batches, most)
    if count == 1:
        for number, batch in enumerate(batches):
            for item in Ahead(work([place.config.to_dict() for place in batch.places], at_loss)).items():
                yield None if item is None else (number, item)
        return
    with _workers(count, max(1, most // count)) as (workers, heard):
        yield from _shared(batches, at_loss, workers, heard)


def _shared(batches: Sequence[Batch], at_loss: float | None, workers: "list[_Worker]", heard: Queue) -> Iterator[Done]:
    waiting, tries = deque(range(len(batches))), [0] * len(batches)
    left = len(batches)

    def give(worker: _Worker) -> None:
        worker.batch = None
        if waiting:
            number = waiting.popleft()
            tries[number] += 1
            worker.begin(number, [place.config.to_dict() for place in batches[number].places], at_loss)

    for worker in workers:
        give(worker)
    while left:
        try:
            worker, said = heard.get(timeout=HEARTBEAT)
        except Empty:
            yield None
            continue
        number = worker.batch
        if isinstance(said, float):
            yield number, said
            continue
        if said is None:
            status = worker.restart()
            if number is not None and tries[number] == TRIES:
                said = [failure(f"its process ended {TRIES} times, the last time with status {status}")]
                said *= len(batches[number].places)
            elif number is not None:
                waiting.appendleft(number)
        if said is not None:
            left -= 1
            yield number, said
        give(worker)


class _Worker:
    """One process, and a thread that hears it."""

    def __init__(self, heard: Queue, threads: int) -> None:
        self.heard, self.threads = heard, threads
        self.batch: int | None = None
        self._start()

    def _start(self) -> None:
        count = str(self.threads)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH"), *sys.path])])  # for parts of one's own
        environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "PYTHONPATH": path}
        self.process = subprocess.Popen(
            COMMAND,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C, or a signal to a group, is for this process, which ends them
        )
        Thread(target=self._hear, args=(self.process,), daemon=True).start()

    def _hear(self, process: subprocess.Popen) -> None:
        """Pass on what the process says, and None when it is gone."""
        for line in process.stdout:
            with suppress(ValueError):  # the last line of one that was killed
                self.heard.put((self, json.loads(line)))
        self.heard.put((self, None))

    def begin(self, number: int, configs: list[dict[str, Any]], at_loss: float | None) -> None:
        self.batch = number
        with suppress(OSError):  # it is gone, which is heard
            self.process.stdin.write(json.dumps({"configs": configs, "at_loss": at_loss}) + "\n")
            self.process.stdin.flush()

    def restart(self) -> int:
        """Another process instead of one that is gone; the status that it ended with."""
        status = self.process.wait()
        self._start()
        return status

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()


@contextmanager
def _workers(count: int, threads: int) -> Iterator[tuple[list[_Worker], Queue]]:
    heard: Queue = Queue()
    workers: list[_Worker] = []
    try:
        for _ in range(count):
            workers.append(_Worker(heard, threads))
        yield workers, heard
    finally:
        for worker in workers:
            worker.end()

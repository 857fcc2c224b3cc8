"""Batches over the workers of a Dask scheduler, on this machine or many: `pip install "lazy-or-rich[cluster]"`.

Every worker needs this package. One that is lost has its batches run again elsewhere, by Dask; a worker whose batch was
canceled stops within a second.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from regime.composer.grid import Batch
from regime.composer.pace import HEARTBEAT
from regime.errors import ConfigError
from regime.sweep.cell import RESULT_VERSION, failure
from regime.sweep.local import Done
from regime.sweep.work import Result, work

VARIABLE = "REGIME_SCHEDULER"
PATIENCE = 5
"""Seconds within which the scheduler has to answer."""
ASK = 1.0
"""Seconds after which a task asks again whether it was canceled."""


class Cluster:
    """A connection to a scheduler.

    Raises:
        ConfigError: the package `distributed` is missing, no address is given, or nobody answers there in time.
    """

    def __init__(self, address: str | None) -> None:
        said = f"scheduler = {address!r:.100}" if address else VARIABLE  # what a server's own is, strangers need not know
        address = address or os.environ.get(VARIABLE)
        if not address:
            raise ConfigError(f"scheduler = null is not allowed with engine = 'dask'; allowed: an address, or {VARIABLE} set")
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError("engine = 'dask' needs the package distributed: pip install distributed") from None
        try:
            self.client = Client(address, timeout=PATIENCE, set_as_default=False, name="regime")
        except (OSError, ValueError, TimeoutError) as error:
            raise ConfigError(
                f"{said} does not answer within {PATIENCE} s ({type(error).__name__}); "
                "allowed: the address of a Dask scheduler that runs, such as tcp://host:8786"
            ) from None

    @property
    def workers(self) -> int:
        """Threads of all workers that are there now, at least one."""
        return max(1, sum(self.client.nthreads().values()))

    def run(self, batches: Sequence[Batch], at_loss: float | None) -> Iterator[Done]:
        """Run batches; closing the iterator cancels those that wait and stops those that run."""
        from distributed import Event

        token = f"regime-{uuid4().hex}"
        stop = Event(token, client=self.client)
        futures = {}
        try:
            for number, batch in enumerate(batches):
                configs = [place.config.to_dict() for place in batch.places]
                futures[number] = self.client.submit(
                    _task, configs, at_loss, token, key=f"{token}-{number}", pure=False, priority=-number
                )
            while futures:
                known = {number: future.status for number, future in futures.items()}
                if self.client.status != "running" or "cancelled" in known.values():
                    raise ConfigError("the scheduler went away; cells that were finished are kept, and the next run goes on")
                ended = [number for number, status in known.items() if status != "pending"]
                for number in ended:
                    yield number, _results(futures.pop(number), len(batches[number].places))
                if not ended:
                    yield None
                    time.sleep(HEARTBEAT)
        finally:
            if futures and self.client.status == "running":
                stop.set()
                self.client.cancel(list(futures.values()), force=True)

    def close(self) -> None:
        """End the connection."""
        self.client.close(timeout=PATIENCE)


def _results(future: Any, count: int) -> list[Result]:
    if future.status == "finished":
        version, results = future.result()
        if version == RESULT_VERSION:
            return results
        return [failure(f"a worker has version {version} of what a cell holds; allowed: {RESULT_VERSION}, as here")] * count
    error = future.exception() if future.status == "error" else None
    return [failure(f"its batch was lost: {type(error).__name__ if error else 'the scheduler forgot it'}")] * count


def _task(configs: list[dict[str, Any]], at_loss: float | None, token: str) -> tuple[int, list[Result]]:
    """Run a batch on a worker, asking now and then whether it is wanted; return its results and their version."""
    from distributed import Event, get_client

    stop, asked = Event(token, client=get_client()), time.monotonic()
    for item in work(configs, at_loss):
        if isinstance(item, list):
            return RESULT_VERSION, item
        if time.monotonic() - asked > ASK:
            asked = time.monotonic()
            if stop.is_set():
                break
    return RESULT_VERSION, [failure("canceled")] * len(configs)

"""Runs on Spaces with ZeroGPU, whose GPU is lent to a function for so many seconds, in a forked process of its own.

What goes in and comes out is pickled, and nothing set inside comes back. So a run there cannot be held: continued, it begins
again, with the same numbers. Toys do not need a GPU and stay in this process. Elsewhere runs are plain sessions.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from safetensors.torch import save_file
from torch import Tensor

import regime
from regime.config import RunConfig, Runnable, shared_config
from regime.record.events import Event
from regime.resources.device import ZERO_GPU, lend
from regime.sweep.sweep import Sweep
from regime.ui.run.shared import shared_sweep

LEAST, MOST = 15, 120
"""Least and most seconds to ask for."""
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def lease_seconds(fields: dict[str, Any], measurements: int | None = None) -> int:
    """Return how long to ask for a GPU: the run's time on this machine's CPU, within what may be asked for."""
    del measurements
    return int(min(MOST, max(LEAST, regime.estimate(shared_config(fields)).seconds)))


def lent_events(fields: dict[str, Any], measurements: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield a run's events as dicts; after the last one, its kernels."""
    lend()
    session = regime.Session(shared_config(fields))
    for event in session.stream(measurements):
        yield event.to_dict()
    if session.finished:
        yield {"kind": "kernels", "kernels": session.kernels()}


if ZERO_GPU:
    import spaces

    lent_events = spaces.GPU(lent_events, duration=lease_seconds)


def is_lent(kind: str) -> bool:
    """Return whether a run of this kind has a GPU lent: its time goes on while the run stands in line between two spells."""
    return ZERO_GPU and kind in ("probe", "checkpoints")


class Rented:
    """A session whose run happens on a lent GPU."""

    def __init__(self, config: RunConfig) -> None:
        self.config, self.finished = config, False
        self._kernels: dict[str, Tensor] = {}

    def stream(self, measurements: int | None = None) -> Iterator[Event]:
        """Yield the events, from the start."""
        for fields in lent_events(self.config.to_dict(), measurements):
            if fields["kind"] == "kernels":
                self._kernels = fields["kernels"]
                continue
            event = EVENT.validate_python(fields)
            self.finished = event.kind == "finished"
            yield event

    def save_kernels(self, path: str) -> None:
        """Save the kernels of the finished run as `regime.Session.save_kernels` does."""
        save_file({name: kernel.contiguous() for name, kernel in self._kernels.items()}, path)


def new_session(config: Runnable) -> regime.Session | Rented | Sweep:
    """Return a session of a visitor's configuration where it is best run.

    Raises:
        ConfigError: as `shared_sweep` does, or a part of one's own is named.
    """
    config.without_own()
    if config.kind == "sweep":
        return shared_sweep(config)
    return Rented(config) if is_lent(config.kind) else regime.Session(config)

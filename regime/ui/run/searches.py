"""A search for the border between two regimes for one visitor: it waits, ends and fails as a run does."""

from collections.abc import Iterator
from typing import Any

from regime.composer.border import stream_border
from regime.config import ToyConfig, shared_config
from regime.config.base import named_fields
from regime.errors import ConfigError, show
from regime.ui.run.runs import admitted, readable
from regime.ui.run.slots import pool_of

FIELDS = ("config", "axis", "side", "within")
RUNS = 24
"""Runs that a search usually takes."""


def border_events(fields: Any, visitor: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of the search that `fields` describe, its place in the queue first; closing the iterator stops it.

    Raises:
        gr.Error: as `regime.ui.run.runs.events` does.
    """
    with readable():
        asked = dict(named_fields(fields))
        for name in asked.keys() - {*FIELDS}:
            raise ConfigError(f"{show(name)} is not a field of a search for a border; allowed: {', '.join(FIELDS)}")
        yield from search(shared_config(asked.pop("config", {}), "toy"), visitor, **asked)


def search(config: ToyConfig, visitor: str | None, **how: Any) -> Iterator[dict[str, Any]]:
    """Yield the events of a search.

    Args:
        config: of the runs.
        visitor: who asks.
        how: the other arguments of `regime.stream_border`.

    Raises:
        gr.Error: as `regime.ui.run.runs.events` does.
    """
    with readable():
        run = {**config.to_dict(), "kind": "border", **how}
        yield from admitted(pool_of(config, RUNS), visitor, lambda: stream_border(config, **how), run)

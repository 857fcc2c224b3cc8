"""A reproduction for one visitor: it waits, ends and fails as a run does."""

from collections.abc import Iterator
from typing import Any

from regime.errors import ConfigError
from regime.reproductions.reproduce import named, stream
from regime.reproductions.shipped import cards
from regime.resources.limits import limits
from regime.ui.run.runs import admitted, readable
from regime.ui.run.slots import POOLS
from regime.ui.text import duration


def claim_events(id: str, full: bool, visitor: str | None) -> Iterator[dict[str, Any]]:
    """Yield the events of a reproduction, its place in the queue first; closing the iterator stops it.

    Args:
        id: of the claim.
        full: whether to take the full form, which a server runs only where it is known to fit into its limit.
        visitor: who asks.

    Raises:
        gr.Error: as `regime.ui.run.runs.events` does.
    """
    with readable():
        named(id)
        if full and (cause := refused(id)):
            raise ConfigError(f"full = True is not allowed for claim {id} here, {cause}; allowed: false, the quick form")
        yield from admitted(POOLS[False], visitor, lambda: stream(id, full), {"kind": "claim", "id": id, "full": full})


def refused(id: str) -> str | None:
    """Say why a claim's full form is not run on this server; None where it is."""
    card, limit = cards("full").get(id), limits().max_seconds
    if card is None:
        return "whose time nobody has measured"
    if card.seconds > limit:
        return f"which takes {duration(card.seconds)} where a run may take {duration(limit)}"
    return None

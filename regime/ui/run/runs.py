"""What one visitor has run: a run's, a search's or a reproduction's events as dicts, with errors and a deadline in words.

All that yields events raises gr.Error: for a bad field, named with its value and what is allowed; for a full queue; at the
deadline; or, without internals, for a failure.
"""

import html
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
import torch

import regime
from regime.composer.border import stream_border
from regime.config import Runnable, ToyConfig, shared_config
from regime.config.base import named_fields
from regime.errors import ConfigError, show
from regime.record.events import Estimate, Message
from regime.reproductions.reproduce import named
from regime.reproductions.reproduce import stream as reproduced
from regime.reproductions.shipped import cards
from regime.resources.limits import limits
from regime.ui.run.books import BOOKS
from regime.ui.run.session import is_lent, new_session
from regime.ui.run.slots import POOLS, Pool, Turn, computing, go_on, pool_of
from regime.ui.text import duration, in_labels

CORES = torch.get_num_threads()
"""That one run alone computes on."""
COMPUTE = {"concurrency_id": "compute", "concurrency_limit": None}
"""Gradio lets all runs in; they wait here, for slots of their own."""
TIMED = ("fetching", "progress", "measured", "trying", "tried", "working", "found", "drawn")
"""Events that tell the seconds since the start."""
SEARCH = ("config", "axis", "side", "within")
"""Fields of a search for a border."""
SEARCHED = 24
"""Runs that a search usually takes."""
Fields = dict[str, Any]
Events = Iterator[Fields]
log = logging.getLogger(__name__)
Refusal = partial(gr.Error, print_exception=False)
"""An error that says in words what is wrong."""


def events(fields: Any, visitor: str | None = None, *, kind: str) -> Events:
    """Yield the events of the run that `fields` describe, its place in the queue first; closing the iterator stops the run.

    Args:
        fields: of a configuration.
        visitor: who asks.
        kind: of the run.
    """
    with readable():
        config = shared_config(fields, kind)
        yield from admitted(pool_of(config), visitor, lambda: _whole(config), config.to_dict())


def _whole(config: Runnable) -> Iterator[Message]:
    """All events of a run that nobody continues."""
    session = new_session(config)
    try:
        yield from session.stream()
    finally:
        if isinstance(session, regime.Session):
            session.close()


def border_events(fields: Any, visitor: str | None = None) -> Events:
    """Yield the events of the search that `fields` describe, its place in the queue first; closing the iterator stops it."""
    with readable():
        asked = dict(named_fields(fields))
        for name in asked.keys() - {*SEARCH}:
            raise ConfigError(f"{show(name)} is not a field of a search for a border; allowed: {', '.join(SEARCH)}")
        yield from search(shared_config(asked.pop("config", {}), "toy"), visitor, **asked)


def search(config: ToyConfig, visitor: str | None, **how: Any) -> Events:
    """Yield the events of a search.

    Args:
        config: of the runs.
        visitor: who asks.
        how: the other arguments of `regime.stream_border`.
    """
    with readable():
        run = {**config.to_dict(), "kind": "border", **how}
        yield from admitted(pool_of(config, SEARCHED), visitor, lambda: stream_border(config, **how), run)


def claim_events(id: str, full: bool, visitor: str | None) -> Events:
    """Yield the events of a reproduction, its place in the queue first; closing the iterator stops it.

    Args:
        id: of the claim.
        full: whether to take the full form, which a server runs only where it is known to fit into its limit.
        visitor: who asks.
    """
    with readable():
        if not isinstance(full, bool):
            raise ConfigError(f"full = {full!r:.80} is not allowed; allowed: true or false")
        named(id)
        if full and (cause := unmeasured(id)):
            raise ConfigError(f"full = True is not allowed for claim {id} here, {cause}; allowed: false, the quick form")
        yield from admitted(POOLS[False], visitor, lambda: reproduced(id, full), {"kind": "claim", "id": id, "full": full})


def unmeasured(id: str) -> str | None:
    """Say why a claim's full form is not run on this server; None where it is."""
    card, limit = cards("full").get(id), limits().max_seconds
    if card is None:
        return "whose time nobody has measured"
    if card.seconds > limit:
        return f"which takes {duration(card.seconds)} where a run may take {duration(limit)}"
    return None


def admitted(pool: Pool, visitor: str | None, begin: Callable[[], Iterator[Message]], run: Mapping[str, Any]) -> Events:
    """Wait for a slot, then yield the events of what is begun in it, within the time that a run may take.

    Args:
        pool: of slots.
        visitor: who asks.
        begin: returns the events; closing them stops what computes.
        run: its kind and fields, for the server's books.
    """
    with pool.turn(visitor) as turn:
        for place in turn:
            yield place.to_dict()
        with closing(begin()) as stream:
            yield from limited(stream, turn, run)


def beyond(config: Runnable, cost: Estimate) -> str | None:
    """Say why a run is too long for this server, and what would fit; None where it is not too long."""
    if config.kind == "toy" or not (fits := fitting(config, cost)):
        return None  # what a toy takes is known only within a factor of two, and it is ended at the limit
    return f"That is longer than a run may take here, {duration(limits().max_seconds)}; {fits}."


def fitting(config: Runnable, cost: Estimate) -> str | None:
    """Say what of a run that costs so much would fit within this server's limit; None where all of it does."""
    limit = limits().max_seconds
    return regime.within(config, limit) if cost.seconds > limit else None


def limited(stream: Iterator[Message], turn: Turn, run: Mapping[str, Any]) -> Events:
    """Yield events as dicts until their run has taken the time that one may take, letting others compute between its spells.

    A run on a GPU that is lent keeps its slot.

    Args:
        stream: of the run.
        turn: with the slot that it computes in.
        run: its kind and fields, for the server's books.
    """
    limit = limits().max_seconds
    with readable(), BOOKS.entry(run):
        for event in threaded(stream):
            cost = getattr(event, "estimate", None)  # of what begins: a run or a sweep, not a reproduction
            if cost and (refused := beyond(shared_config(event.config), cost)):
                raise Refusal(f"The run would take about {duration(cost.seconds)}. {refused}")
            turn.tell(cost.seconds if cost else getattr(event, "seconds_left", None))
            yield event.to_dict()
            if event.kind in TIMED and event.seconds > limit:
                raise Refusal(f"The run was ended at its limit of {limit:g} s. Ask for fewer steps or a smaller model.")
            if not is_lent(run["kind"]):
                yield from (place.to_dict() for place in turn.share())


def threaded(stream: Iterator[Message]) -> Iterator[Message]:
    """Yield what a stream yields, each computed with this run's share of the cores: all, or so many a run that computes now."""
    while True:
        go_on()
        torch.set_num_threads(max(1, CORES // max(1, computing())))  # of this thread, which may be another one each time
        if (event := next(stream, None)) is None:
            return
        yield event


@contextmanager
def readable() -> Iterator[None]:
    """Turn errors into ones that a visitor can read."""
    try:
        yield
    except ConfigError as error:
        raise Refusal(str(error)) from None
    except gr.Error:
        raise
    except RecursionError:
        raise Refusal("config is nested too deeply; allowed: an object of named fields") from None
    except Exception as error:
        log.exception("a run failed")
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise Refusal(
                "The run was ended: the server has no memory for it. Ask for fewer samples, a smaller width or fewer seeds."
            ) from None
        raise Refusal("The run failed on the server; the cause is in its log.") from None


@contextmanager
def as_text() -> Iterator[None]:
    """Show errors as a visitor of the page can read them, fields by their labels, and as text, never as markup."""
    try:
        with readable():
            yield
    except gr.Error as error:
        raise Refusal(html.escape(in_labels(error.message))) from None


@dataclass
class Presses:
    """A visitor's presses of one kind, of which only the newest counts: what an older one began ends."""

    newest: int = 0

    def follow(self, events: Iterator[Fields], frame: Fields, take: Callable[..., Fields]) -> Iterator[Fields]:
        """Yield what the page draws of events, all of it each time, until a newer press ends them.

        The last frame is not `going`, and may have an `error`.

        Args:
            events: are closed at the end.
            frame: what is drawn before the first of them.
            take: returns what an event changes in a frame.
        """
        own = self.newest
        try:
            with closing(events):
                for event in events:
                    if self.newest != own:
                        break
                    frame = frame | take(frame, event)
                    yield frame | {"going": True}
        except gr.Error as error:
            frame = frame | {"error": error.message}
        yield frame | {"going": False}

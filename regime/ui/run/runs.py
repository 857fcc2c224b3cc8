"""One run for one visitor: a configuration's events as dicts, with errors and a deadline that a visitor can read."""

import html
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import gradio as gr
import torch

import regime
from regime.config import Runnable, shared_config
from regime.record.events import Estimate, Message
from regime.resources.limits import limits
from regime.ui.run.books import BOOKS
from regime.ui.run.slots import Pool, Turn, computing, go_on, pool_of
from regime.ui.run.zero import is_lent, new_session
from regime.ui.text import duration, in_labels

CORES = torch.get_num_threads()
"""That one run alone computes on."""
COMPUTE = {"concurrency_id": "compute", "concurrency_limit": None}
"""Gradio lets all runs in; they wait here, for slots of their own."""
TIMED = ("fetching", "progress", "measured", "trying", "tried", "working", "found", "drawn")
"""Events that tell the seconds since the start."""
log = logging.getLogger(__name__)


def events(fields: Any, kind: str, visitor: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of the run that `fields` describe, its place in the queue first; closing the iterator stops the run.

    Args:
        fields: of a configuration.
        kind: of the run.
        visitor: who asks.

    Raises:
        gr.Error: a bad field, named with its value and what is allowed; a full queue; the deadline; or, without internals, a
            failure.
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


def admitted(
    pool: Pool, visitor: str | None, begin: Callable[[], Iterator[Message]], run: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
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


def limited(stream: Iterator[Message], turn: Turn, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield events as dicts until their run has taken the time that one may take, letting others compute between its spells.

    A run on a GPU that is lent keeps its slot.

    Args:
        stream: of the run.
        turn: with the slot that it computes in.
        run: its kind and fields, for the server's books.

    Raises:
        gr.Error: as `events` does.
    """
    limit = limits().max_seconds
    with readable(), BOOKS.entry(run):
        for event in threaded(stream):
            cost = getattr(event, "estimate", None)  # of what begins: a run or a sweep, not a reproduction
            if cost and (refused := beyond(shared_config(event.config), cost)):
                raise gr.Error(f"The run would take about {duration(cost.seconds)}. {refused}", print_exception=False)
            turn.tell(cost.seconds if cost else getattr(event, "seconds_left", None))
            yield event.to_dict()
            if event.kind in TIMED and event.seconds > limit:
                raise gr.Error(
                    f"The run was ended at its limit of {limit:g} s. Ask for fewer steps or a smaller model.",
                    print_exception=False,
                )
            if not is_lent(run["kind"]):
                yield from (place.to_dict() for place in turn.share())


def threaded(stream: Iterator[Message]) -> Iterator[Message]:
    """Yield what a stream yields, each computed with this run's share of the cores: all, or so many a run that computes now."""
    while True:
        go_on()
        torch.set_num_threads(max(1, CORES // max(1, computing())))  # of this thread, which may be another one each time
        try:
            event = next(stream)
        except StopIteration:
            return
        yield event


@contextmanager
def readable() -> Iterator[None]:
    """Turn errors into ones that a visitor can read."""
    try:
        yield
    except regime.ConfigError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except gr.Error:
        raise
    except RecursionError:
        raise gr.Error("config is nested too deeply; allowed: an object of named fields", print_exception=False) from None
    except Exception as error:
        log.exception("a run failed")
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise gr.Error(
                "The run was ended: the server has no memory for it. Ask for fewer samples, a smaller width or fewer seeds.",
                print_exception=False,
            ) from None
        raise gr.Error("The run failed on the server; the cause is in its log.", print_exception=False) from None


@contextmanager
def as_text() -> Iterator[None]:
    """Show errors as a visitor of the page can read them, fields by their labels, and as text, never as markup."""
    try:
        with readable():
            yield
    except gr.Error as error:
        raise gr.Error(html.escape(in_labels(error.message)), print_exception=False) from None

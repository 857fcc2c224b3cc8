"""One run for one visitor: a configuration's events as dicts, with errors and a deadline that a visitor can read."""

import html
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import gradio as gr

import regime
from regime.config import Runnable, shared_config
from regime.record.events import Estimate, Message
from regime.resources.limits import limits
from regime.ui.run.slots import Pool, pool_of
from regime.ui.run.zero import new_session
from regime.ui.text import duration

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
        yield from admitted(pool_of(config), visitor, lambda: new_session(config).stream())


def admitted(pool: Pool, visitor: str | None, begin: Callable[[], Iterator[Message]]) -> Iterator[dict[str, Any]]:
    """Wait for a slot, then yield the events of what is begun in it, within the time that a run may take.

    Args:
        pool: of slots.
        visitor: who asks.
        begin: returns the events; closing them stops what computes.
    """
    with pool.turn(visitor) as waiting:
        for place in waiting:
            yield place.to_dict()
        with closing(begin()) as stream:
            yield from limited(stream)


def beyond(config: Runnable, cost: Estimate) -> str | None:
    """Say why a run is too long for this server, and what would fit; None where it is not too long."""
    if config.kind == "toy" or not (fits := fitting(config, cost)):
        return None  # what a toy takes is known only within a factor of two, and it is ended at the limit
    return f"That is longer than a run may take here, {duration(limits().max_seconds)}; {fits}."


def fitting(config: Runnable, cost: Estimate) -> str | None:
    """Say what of a run that costs so much would fit within this server's limit; None where all of it does."""
    limit = limits().max_seconds
    return regime.within(config, limit) if cost.seconds > limit else None


def limited(stream: Iterator[Message]) -> Iterator[dict[str, Any]]:
    """Yield events as dicts until their run has taken the time that one may take; raises gr.Error as `events` does."""
    limit = limits().max_seconds
    with readable():
        for event in stream:
            cost = getattr(event, "estimate", None)  # of what begins: a run or a sweep, not a reproduction
            if cost and (refused := beyond(shared_config(event.config), cost)):
                raise gr.Error(f"The run would take about {duration(cost.seconds)}. {refused}", print_exception=False)
            yield event.to_dict()
            if event.kind in TIMED and event.seconds > limit:
                raise gr.Error(
                    f"The run was ended at its limit of {limit:g} s. Ask for fewer steps or a smaller model.",
                    print_exception=False,
                )


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
    except Exception:
        log.exception("a run failed")
        raise gr.Error("The run failed on the server; the cause is in its log.", print_exception=False) from None


@contextmanager
def as_text() -> Iterator[None]:
    """Show errors as a visitor can read them, and as text, never as markup."""
    try:
        with readable():
            yield
    except gr.Error as error:
        raise gr.Error(html.escape(error.message), print_exception=False) from None

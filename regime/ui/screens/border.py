"""Find the border, on the Train tab: the page asks for a search through one component, and hears all of it in every frame."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from regime.composer.search import with_all_seeds
from regime.config import ToyConfig
from regime.ui.parts import unseen
from regime.ui.run.frames import without_rows
from regime.ui.run.runs import COMPUTE, readable
from regime.ui.run.searches import search
from regime.ui.screen import HIDDEN, Presses, Screen, request_of
from regime.ui.text import in_labels

SHOWN = ("value", "label", "index", "interval", "agree")
"""Of a run that was tried."""


def searched(config: ToyConfig) -> dict[str, Any]:
    """Return the configuration of the runs of a search, own rows as a mark."""
    return without_rows(with_all_seeds(config).to_dict())


def connect_border(screen: Screen) -> None:
    """Build what the page finds borders through, and connect it to the form of a tab."""

    def find(presses: Presses, asked: Any, value: Any, request: gr.Request) -> Iterator[Any]:
        yield gr.skip()  # of a generator without any, Gradio would empty the output
        presses.newest += 1
        if (asked := request_of(asked)).get("do") == "find":
            yield from frames(screen, value, asked, presses, request.session_hash)

    presses, link = gr.State(Presses()), unseen(screen.kind, "{}", "search")
    link.submit(find, [presses, link, screen.form.html], link, trigger_mode="multiple", **COMPUTE, **HIDDEN)


def frames(screen: Screen, value: Any, asked: dict[str, Any], presses: Presses, visitor: str | None) -> Iterator[str]:
    """Yield what the page draws of a search, all of it each time; the last frame is not `going`, and may have an `error`.

    Args:
        screen: of the form.
        value: the form's.
        asked: the `axis` and the `side`.
        presses: are looked at for a newer one, which ends the search.
        visitor: who asks.
    """
    frame: dict[str, Any] = {"axis": asked.get("axis"), "side": asked.get("side"), "seen": []}
    own = presses.newest
    try:
        with readable():
            config = screen.config(value)
        frame["config"] = searched(config)
        with closing(search(config, visitor, axis=frame["axis"], side=frame["side"])) as events:
            for event in events:
                if presses.newest != own:
                    break
                take(frame, event)
                yield json.dumps(frame | {"going": True})
    except gr.Error as error:
        frame["error"] = in_labels(error.message)
    yield json.dumps(frame)


def take(frame: dict[str, Any], event: dict[str, Any]) -> None:
    """Fold an event of a search into what the page draws of it."""
    match event["kind"]:
        case "queued":
            frame["place"] = event["place"]
        case "trying":
            frame |= {"values": sorted(event["values"]), "fraction": event["fraction"]}
        case "tried":
            frame["seen"].append({name: event["seen"][name] for name in SHOWN})
        case "finished":
            frame["border"] = {name: event["report"][name] for name in ("value", "interval", "reasons")}

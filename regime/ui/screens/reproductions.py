"""The Reproductions tab: a wall of shipped cards, each of which can be measured again here, one at a time."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gradio as gr

from regime.reproductions.reproduce import Card
from regime.ui.markup import render
from regime.ui.parts import markup, places
from regime.ui.run.claims import claim_events
from regime.ui.run.runs import COMPUTE
from regime.ui.run.wall import folder, keep, shown_figure, worded
from regime.ui.screen import HIDDEN, Presses
from regime.ui.static_files import script

WALL = '<div class="wall" data-folder="{}"><p class="sub" role="status">The cards are on their way.</p></div>'
Frame = dict[str, Any]


def reproductions_tab() -> None:
    """Build the Reproductions tab and connect it."""
    places(render("intro", tab="claims"))
    wall = markup({}, "wall-box", html_template=WALL.format(folder()), js_on_load=script("wall"))
    wall.submit(press, [gr.State(Presses()), wall], wall, trigger_mode="multiple", **COMPUTE, **HIDDEN)


def press(presses: Presses, asked: Any, request: gr.Request) -> Iterator[Any]:
    """Do what the page asks: reproduce a claim in its quick form, and yield what is drawn of it; or end that.

    Args:
        presses: the visitor's.
        asked: ["run", id of the claim, number of presses]; anything else only ends what goes on.
        request: says who asks.
    """
    presses.newest += 1
    yield gr.skip()  # of a generator without any, Gradio would empty the output
    match asked:
        case ["run", str(id), int()]:
            yield from frames(id, presses, request.session_hash)


def frames(id: str, presses: Presses, visitor: str | None) -> Iterator[Frame]:
    """Yield what the page draws of a reproduction, all of it each time.

    The last frame is not `going`; it has the `folder` of the card's files, or perhaps an `error`.

    Args:
        id: of the claim.
        presses: are looked at for a newer one, which ends the reproduction.
        visitor: who asks.
    """
    frame: Frame = {"id": id, "going": True, "findings": [], "figures": []}
    own = presses.newest
    try:
        with closing(claim_events(id, False, visitor)) as events:
            for event in events:
                if presses.newest != own:
                    break
                frame = taken(frame, event)
                yield frame
    except gr.Error as error:
        frame = frame | {"error": error.message}
    files = {"folder": keep(Card.model_validate(frame["card"]))} if "card" in frame else {}
    yield frame | files | {"going": False}


def taken(frame: Frame, event: dict[str, Any]) -> Frame:
    """Return a frame with an event of a reproduction folded in."""
    about = {"seconds": event["seconds"]} if "seconds" in event and event["kind"] != "queued" else {}
    match event["kind"]:
        case "queued":
            about = {"place": event["place"]}
        case "started":
            about = {"place": 0, "seconds": 0.0}
        case "working":
            about |= {"done": event["done"], "doing": event["doing"]}
        case "found":
            about |= {"findings": [*frame["findings"], worded(event["finding"] | {"configs": []})]}
        case "drawn":
            about |= {"figures": [*frame["figures"], shown_figure(event["figure"])]}
        case "finished":
            about = {"card": event["report"]}
    return frame | about

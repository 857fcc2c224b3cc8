"""The Reproductions tab: a wall of shipped cards, each of which can be measured again here, one at a time."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from regime.reproductions.reproduce import Card
from regime.ui.parts import markup, places
from regime.ui.run.runs import COMPUTE, Fields, Presses, claim_events
from regime.ui.run.wall import folder, keep, shown_figure, worded
from regime.ui.screen import HIDDEN
from regime.ui.static_files import script
from regime.ui.text import render

WALL = '<div class="wall" data-folder="{}"><p class="sub" role="status">The cards are on their way.</p></div>'


def reproductions_tab() -> None:
    """Build the Reproductions tab and connect it."""
    places(render("intro", tab="claims"))

    def press(presses: Presses, asked: Any, request: gr.Request) -> Iterator[Any]:
        presses.newest += 1
        yield gr.skip()  # of a generator without any, Gradio would empty the output
        match asked:
            case ["run", str(id), int()]:  # anything else only ends what goes on
                yield from frames(id, presses, request.session_hash)

    wall = markup({}, "wall-box", html_template=WALL.format(folder()), js_on_load=script("wall"))
    wall.submit(press, [gr.State(Presses()), wall], wall, trigger_mode="multiple", **COMPUTE, **HIDDEN)


def frames(id: str, presses: Presses, visitor: str | None) -> Iterator[Fields]:
    """Yield what the page draws of a reproduction, all of it each time; the last frame may have the `folder` of its files.

    Args:
        id: of the claim.
        presses: are looked at for a newer one, which ends the reproduction.
        visitor: who asks.
    """
    for frame in presses.follow(claim_events(id, False, visitor), {"id": id, "findings": [], "figures": []}, taken):
        ended = "card" in frame and not frame["going"]
        yield frame | ({"folder": keep(Card.model_validate(frame["card"]))} if ended else {})


def taken(frame: Fields, event: Fields) -> Fields:
    """Return what an event of a reproduction changes in a frame."""
    about = {"seconds": event["seconds"]} if "seconds" in event and event["kind"] != "queued" else {}
    match event["kind"]:
        case "queued":
            return {"place": event["place"]}
        case "started":
            return {"place": 0, "seconds": 0.0}
        case "working":
            return about | {"done": event["done"], "doing": event["doing"]}
        case "found":
            return about | {"findings": [*frame["findings"], worded(event["finding"] | {"configs": []})]}
        case "drawn":
            return about | {"figures": [*frame["figures"], shown_figure(event["figure"])]}
        case "finished":
            return {"card": event["report"]}
    return about

"""What all tabs share: the run that a form starts, holds and continues, what the page hears of it, and the ways it ends."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

import gradio as gr

from regime.config import Runnable, shared_config
from regime.errors import ConfigError, show
from regime.ui.form.config_form import give
from regime.ui.form.presets import matching, preset_named
from regime.ui.parts import Layout
from regime.ui.run.board import Board
from regime.ui.run.export import answer, snippet
from regime.ui.run.frames import layers, without_rows
from regime.ui.run.runs import COMPUTE, as_text, readable
from regime.ui.run.visit import SHELF, Plan, Visit
from regime.ui.text import in_labels

PACE = 0.08
"""Least seconds between two drawn frames; more are not seen and cost the server."""
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}
QUICK = {"queue": False, **HIDDEN}
MANY = 32
"""Seeds up to which *Add seeds* goes."""
FORGET_AFTER = 3600
"""Seconds after which a visit that nobody comes back to is forgotten."""
PLANS = {"run": {}, "step": {"ahead": 1}, "reset": {"fresh": True, "ahead": 0}}
"""How the buttons run that take the form as it is."""
OPENED = count(1)
Updates = dict[Any, Any]
Fields = dict[str, Any]


class Screen:
    """A tab's form and what the page's script draws, connected by one chain of events.

    Every press gets a number; the generator that it starts streams the form's run, and holds it as soon as there is a newer
    press. So there is one way to pause, to reset and to start something else, and it never cuts a step in two.
    """

    kind: ClassVar[str]
    """Of the runs."""
    own_story: ClassVar[str]
    """What to watch in a run that is no preset's."""

    def __init__(self, layout: Layout) -> None:
        """Connect the components of a tab to this screen."""
        self.layout, self.form, self.feed = layout, layout.form, layout.feed
        self.state = gr.State(Visit(self.kind), time_to_live=FORGET_AFTER, delete_callback=_forget)
        form, drawn = self.form.html, [self.feed, layout.code, *layout.views]
        each = {"trigger_mode": "multiple", **QUICK}  # nothing is lost while a press before it is answered, or its run goes on
        queued = {"trigger_mode": "multiple", "concurrency_limit": None, **HIDDEN}  # what is refused is said in words
        pressed = self.feed.submit(self.press, [self.state, self.feed, form], [self.state, form, self.feed], **queued)
        played = pressed.then(self.play, self.state, [self.state, *drawn], trigger_mode="multiple", **COMPUTE, **HIDDEN)
        # `then` follows an end, not an error.
        pressed.failure(nothing_runs, None, self.feed, **each)
        played.failure(self.settle, self.state, drawn, **each)
        played.then(self.settle, self.state, drawn, **each)
        layout.files.submit(self.take_file, [self.state, layout.files], layout.files, **HIDDEN)
        about = {"trigger_mode": "always_last", "concurrency_id": "preview", "concurrency_limit": 2, **HIDDEN}
        form.input(self.describe, [self.state, form], layout.told, **about)

    def press(self, visit: Visit, asked: Any, value: Any) -> Updates:
        """Do what the page asks: plan a run, and say at once that it was heard.

        Args:
            visit: the visitor's.
            asked: JSON with what to `do`, as in `tools.js`.
            value: the form's.
        """
        asked, told = request_of(asked), {}
        if not visit.hears(asked):
            return {self.state: visit}
        with as_text():
            match asked.get("do"):
                case "all":
                    return {self.state: visit, self.feed: visit.feed.whole(visit.board)}
                case "pause":
                    visit.press()
                    return {self.state: visit}
                case "run" | "step" | "reset" as name:
                    changed: Updates = {}
                    plan = Plan(self.config(value), **PLANS[name])
                case "seed" if "seed" in self.form.names:
                    config = self.config(value)
                    new = {"seed": config.seed + (getattr(config, "max_seeds", None) or config.seeds)}
                    changed, plan = self.give(value, new), Plan(config.model_copy(update=new), fresh=True)
                case "more" if "max_seeds" in self.form.names:
                    new = {"max_seeds": MANY}
                    changed, plan = self.give(value, new), Plan(self.config(value).model_copy(update=new), fresh=True)
                case "preset":
                    preset = preset_named(self.kind, asked.get("name"))
                    told = {"story": preset.story}  # at once: what is said of the form waits for an estimate
                    changed, plan = self.fill(preset.config, value), Plan(preset.config, fresh=True, against=preset.against)
                case "open":
                    changed, config = self.open(asked, value)
                    if config is None:
                        return {self.state: visit, self.feed: nothing_runs(), **changed}
                    plan = Plan(config, fresh=True, ahead=0 if asked.get("ahead") == 0 else None)
                case other:
                    raise ConfigError(f"do = {show(other)} is not allowed; allowed: what the page's buttons do")
        visit.press(plan)
        told |= {"asked": without_rows(plan.config.to_dict()), "against": plan.against and plan.against.to_dict()}
        return {self.state: visit, self.feed: visit.feed.frame(visit.board, before={}, told=told), **changed}

    def opening(self, config: Runnable | Mapping[str, Any], *, ahead: int | None = None) -> Updates:
        """Ask the page to open a run in this tab, as if its fields had been put into the form, and Run been pressed.

        Args:
            config: of the run; or its fields, where its rows are still to come.
            ahead: 0 to hold it at its first measurement.
        """
        fields = config if isinstance(config, Mapping) else config.to_dict()
        return {self.feed: json.dumps({"open": fields, "ahead": ahead, "number": next(OPENED)})}

    def open(self, asked: Mapping[str, Any], value: Any) -> tuple[Updates, Runnable | None]:
        """Fill the form, whose value is given, with what was asked for; return what can be run of it."""
        config = shared_config(asked.get("config"), self.kind)
        return self.fill(config, value), config

    def describe(self, visit: Visit, value: Any) -> Updates:
        """Describe the run that the form would start, or say what is wrong with the form."""
        try:
            config = self.config(value)
            preset = matching(config, visit.against)
            said = {
                "preset": preset.name if preset else "",
                "story": preset.story if preset else self.own_story,
                "quick": False,
            }
            asked = without_rows(config.to_dict())
            said |= self.estimate(config)
            said["quick"] &= visit.board.status != "paused"  # which may go on
        except ConfigError as error:
            asked, said = None, {"preset": "", "notice": in_labels(str(error)), "bad": True, "quick": False}
        changes = value.get("changes") if isinstance(value, dict) else None  # of the form, as the page counts them
        return {self.layout.told: give({"bad": False, **said, "asked": asked, "changes": changes})}

    def estimate(self, config: Runnable) -> dict[str, Any]:
        """Return what the page says of a run before it starts: its `notice`, whether that is `bad`, and what else is known.

        Raises:
            ConfigError: the run is not possible.
        """
        raise NotImplementedError

    def give(self, value: Any, changes: Mapping[str, Any]) -> Updates:
        """Change some fields of the form, whose value is given."""
        return {self.form.html: self.form.give(value, changes)}

    def fill(self, config: Runnable, value: Any) -> Updates:
        """Fill the form, whose value is given, from a configuration."""
        return self.give(value, {name: getattr(config, name) for name in self.form.names})

    def config(self, value: Any) -> Runnable:
        """Return the configuration that the form's value describes; raises ConfigError where a field is not allowed."""
        return shared_config(self.fields(value), self.kind)

    def fields(self, value: Any) -> dict[str, Any]:
        """Return the form's value as fields of a configuration."""
        fields = self.form.fields(value)
        if fields.get("revision", "") is None:
            del fields["revision"]  # an empty line
        return fields

    def play(self, visit: Visit, request: gr.Request) -> Iterator[Updates]:
        """Run what a press has planned, if anything, and yield what each event changes in the page."""
        yield {self.layout.code: gr.skip()}  # of a generator without any, Gradio would empty the outputs
        if not (planned := visit.planned()):
            return
        with as_text():
            try:
                with readable():
                    yield from self._drawn(visit, visit.play(*planned, visitor=request.session_hash))
            except gr.Error as error:  # also into the page: a toast disappears
                yield {self.feed: visit.feed.frame(visit.board, error=in_labels(error.message))}
                raise

    def _drawn(self, visit: Visit, events: Iterator[dict[str, Any]]) -> Iterator[Updates]:
        drawn = 0.0
        for event in events:
            board = visit.board
            match event["kind"]:
                case "queued" | "fetching":
                    yield {self.feed: visit.feed.frame(board, before=event)}
                case "pinned":
                    yield {self.feed: visit.feed.frame(board, pin=True)}
                case "started":
                    yield self.show_all(visit)
                case _ if event["kind"] == "finished" or time.monotonic() - drawn > PACE:
                    yield self.draw(visit)
                    drawn = time.monotonic()

    def settle(self, visit: Visit) -> Updates:
        """Show the page as a press's run left it, unless a newer press has taken over."""
        return self.show_all(visit) if visit.settled() else {self.layout.code: gr.skip()}

    def draw(self, visit: Visit, **more: Any) -> Updates:
        """Draw what changes at every measurement; `more` goes into the frame."""
        return {self.feed: visit.feed.frame(visit.board, **more)}

    def show_all(self, visit: Visit) -> Updates:
        """Show everything as a run's begin or end has it."""
        board = visit.board
        return {self.layout.code: snippet(board.config), **self.draw(visit, layers=layers(board), more=self.undecided(board))}

    def undecided(self, board: Board) -> bool:
        """Tell whether a run has ended without a verdict, and more seeds could bring one."""
        if board.status != "finished" or "max_seeds" not in self.form.names or board.report["diverged"]:
            return False
        tried = board.config.get("max_seeds") or board.config["seeds"]  # older runs do not have it
        return board.report["verdict"]["label"] == "no verdict" and tried < MANY

    def take_file(self, visit: Visit, asked: Any) -> dict[str, Any]:
        """Return the file of the shown run that the page asks for."""
        return answer(asked, visit)


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


def nothing_runs() -> str:
    """Return the answer to a press that starts no run."""
    return json.dumps({"refused": next(OPENED)})


def request_of(asked: Any) -> dict[str, Any]:
    """Return what the page asks for; empty where it cannot be read."""
    try:
        request = json.loads(asked)
    except (TypeError, ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


def _forget(visit: Visit) -> None:
    SHELF.drop(visit.key)

"""What all tabs share: the run that a form starts, holds and continues, what the page hears of it, and the ways it ends."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import gradio as gr

from regime.config import Runnable, shared_config
from regime.errors import ConfigError, show
from regime.ui.form.config_form import GIVEN, ConfigForm, give
from regime.ui.form.presets import first, matching, preset_named
from regime.ui.parts import markup
from regime.ui.run.board import Board
from regime.ui.run.examples import example, example_file
from regime.ui.run.export import FILES, answer, snippet
from regime.ui.run.frames import without_rows
from regime.ui.run.link import query
from regime.ui.run.runs import COMPUTE, as_text, readable
from regime.ui.run.visit import SHELF, Plan, Visit
from regime.ui.static_files import script
from regime.ui.text import in_labels, render

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
Updates = dict[Any, Any]


class Screen:
    """A tab's form and what the page's script draws, connected by one chain of events.

    Every press gets a number; the generator that it starts streams the form's run, and holds it as soon as there is a newer
    press. So there is one way to pause, to reset and to start something else, and it never cuts a step in two.
    """

    kind: ClassVar[str]
    """Of the runs."""
    own_story: ClassVar[str]
    """What to watch in a run that is no preset's."""

    def __init__(self, form: ConfigForm, *views: gr.HTML, **told: Any) -> None:
        """Build what stands at the end of a tab's middle column, and what does not show, and connect the tab's components.

        Args:
            form: the tab's, already built.
            views: drawn on the server.
            told: what is known of the shipped run before anybody has asked.
        """
        kind, self.form, self.views, config = self.kind, form, views, example(self.kind).config
        with gr.Column(elem_classes="exports"):
            markup("<h3>Take it with you</h3><p>Files of the run that is shown, and the Python that makes it again.</p>")
            menu = render("files", kind=kind, files=FILES[kind])
            files = markup({}, "files", html_template=menu, js_on_load=script("files"))
            look = {"language": "python", "interactive": False, "lines": 5, "show_line_numbers": False}
            self.code = gr.Code(snippet(config), label="Python", **look)
        start = {"file": example_file(kind), "query": query(config), "told": {"preset": first(kind).name, **told}}
        self.feed = self.unseen(json.dumps(start), "feed")
        """Through which the page asks, and takes the frames from which its script draws the run."""
        self.told = self.unseen(give({}), "told")
        """What is said of the form: the run that it describes, or what is wrong with it."""
        self.state = gr.State(Visit(kind), time_to_live=FORGET_AFTER, delete_callback=lambda visit: SHELF.drop(visit.key))
        files.submit(answer, [files, self.state], files, trigger_mode="multiple", **HIDDEN)
        self._connect()

    def _connect(self) -> None:
        form, drawn = self.form.html, [self.feed, self.code, *self.views]
        # At each event of a run Gradio copies all that is in components with a status, such as tabs: a small one has it.
        quiet = {"trigger_mode": "multiple", "show_progress_on": self.told, **HIDDEN}
        each = quiet | QUICK  # nothing is lost while a press before it is answered, or its run goes on
        queued = {"concurrency_limit": None, **quiet}  # what is refused is said in words
        pressed = self.feed.submit(self.press, [self.state, self.feed, form], [self.state, form, self.feed], **queued)
        played = pressed.then(self.play, self.state, [self.state, *drawn], **COMPUTE, **quiet)
        pressed.failure(nothing_runs, None, self.feed, **each)
        played.failure(self.settle, self.state, drawn, **each)
        played.then(self.settle, self.state, drawn, **each)  # which follows an end, not an error
        about = {"trigger_mode": "always_last", "concurrency_id": "preview", "concurrency_limit": 2, **HIDDEN}
        form.input(self.describe, [self.state, form], self.told, **about)

    def unseen(self, value: Any, module: str) -> gr.HTML:
        """Build a component of the tab that a module of the page's script reads, and nobody sees."""
        return markup(value, "unseen", html_template=f'<i data-kind="{self.kind}" hidden></i>', js_on_load=script(module))

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
                case "seed" | "more" as name if {"seed": "seed", "more": "max_seeds"}[name] in self.form.names:
                    config = self.config(value)
                    drawn = getattr(config, "max_seeds", None) or getattr(config, "seeds", 1)  # checkpoints draw texts alone
                    new = {"max_seeds": MANY} if name == "more" else {"seed": config.seed + drawn}
                    changed, plan = self.give(value, new), Plan(config.model_copy(update=new), fresh=True)
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

    def opening(self, config: Runnable, *, ahead: int | None = None) -> Updates:
        """Ask the page to open a run in this tab, as if Run had been pressed; with `ahead` 0 it is held at its start."""
        return {self.feed: json.dumps({"open": config.to_dict(), "ahead": ahead, "number": next(GIVEN)})}

    def open(self, asked: Mapping[str, Any], value: Any) -> tuple[Updates, Runnable | None]:
        """Fill the form, whose value is given, with what was asked for; return what can be run of it."""
        config = shared_config(asked.get("config"), self.kind)
        return self.fill(config, value), config

    def describe(self, visit: Visit, value: Any) -> Updates:
        """Describe the run that the form would start, or say what is wrong with the form."""
        try:
            config = self.config(value)
            preset = matching(config, visit.against)
            name, story = (preset.name, preset.story) if preset else ("", self.own_story)
            said = {"preset": name, "story": story, "quick": False}
            asked = without_rows(config.to_dict())
            said |= self.estimate(config)
            said["quick"] &= visit.board.status != "paused"  # which may go on
        except ConfigError as error:
            asked, said = None, {"preset": "", "notice": in_labels(str(error)), "bad": True, "quick": False}
        changes = value.get("changes") if isinstance(value, dict) else None  # of the form, as the page counts them
        return {self.told: give({"bad": False, **said, "asked": asked, "changes": changes})}

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
        yield {self.code: gr.skip()}  # of a generator without any, Gradio would empty the outputs
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
        return self.show_all(visit) if visit.settled() else {self.code: gr.skip()}

    def draw(self, visit: Visit, **more: Any) -> Updates:
        """Draw what changes at every measurement; `more` goes into the frame."""
        return {self.feed: visit.feed.frame(visit.board, **more)}

    def show_all(self, visit: Visit) -> Updates:
        """Show everything as a run's begin or end has it."""
        board = visit.board
        return {self.code: snippet(board.config), **self.draw(visit, more=self.undecided(board))}

    def undecided(self, board: Board) -> bool:
        """Tell whether a run has ended without a verdict, and more seeds could bring one."""
        if board.status != "finished" or "max_seeds" not in self.form.names or not board.report["verdict"].get("straddles"):
            return False
        return (board.config.get("max_seeds") or board.config["seeds"]) < MANY


def nothing_runs() -> str:
    """Return the answer to a press that starts no run."""
    return json.dumps({"refused": next(GIVEN)})


def request_of(asked: Any) -> dict[str, Any]:
    """Return what the page asks for; empty where it cannot be read."""
    try:
        request = json.loads(asked)
    except (TypeError, ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}

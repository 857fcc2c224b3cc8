"""What all tabs share: the run that a form starts, holds and continues, the views it fills, and the ways it ends."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import gradio as gr

from regime.config import Runnable, shared_config
from regime.errors import ConfigError
from regime.ui.form.config_form import give
from regime.ui.form.presets import matching, pressed
from regime.ui.panels.progress import announcement, fetch_progress, progress, queue_progress
from regime.ui.panels.whose import whose
from regime.ui.parts import Layout, Views, notice, story
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.run.export import answer, snippet
from regime.ui.run.link import query
from regime.ui.run.runs import COMPUTE, as_text
from regime.ui.run.visit import SHELF, Visit
from regime.ui.text import escape

PACE = 0.08
"""Least seconds between two drawn frames; more are not seen and cost the server."""
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}
QUICK = {"queue": False, **HIDDEN}
MANY = 32
"""Seeds up to which *Add seeds* goes."""
FORGET_AFTER = 3600
"""Seconds after which a visit that nobody comes back to is forgotten."""
Updates = dict[Any, Any]


class Screen:
    """A tab's form, buttons and views, connected.

    Every press gets a number (`turn`); the generator that it starts streams the form's run, and holds it as soon as there is a
    newer press. So there is one way to pause, to reset and to start something else, and it never cuts a step in two.
    """

    kind: ClassVar[str]
    """Of the runs."""
    own_story: ClassVar[str]
    """What to watch in a run that is no preset's."""

    def __init__(self, layout: Layout) -> None:
        """Connect the components of a tab to this screen."""
        self.layout, self.form, self.transport, self.exports = layout, layout.form, layout.transport, layout.exports
        buttons, form, chips = self.transport, self.form.html, layout.head.chips
        self.state = gr.State(None, time_to_live=FORGET_AFTER, delete_callback=_forget)
        self.turn = gr.State(None)
        self.views: Views = {**layout.views, buttons.progress: progress, buttons.spoken: announcement}
        pressed = [self.state, self.turn, *buttons.buttons, buttons.progress]
        self.filled = [form, *pressed]
        self.described = [buttons.notice, chips, layout.head.story, layout.head.whose, buttons.run, *layout.previews]
        self.stream_after(buttons.run.click(self.press, self.state, pressed, **QUICK))
        self.stream_after(buttons.step.click(self.press, self.state, pressed, **QUICK), ahead=1)
        self.stream_after(buttons.reset.click(self.press, self.state, pressed, **QUICK), fresh=True, ahead=0)
        if "seed" in self.form.names:
            self.stream_after(buttons.seed.click(self.reseed, [self.state, form], self.filled, **QUICK), fresh=True)
        if "max_seeds" in self.form.names:
            self.run_filled(buttons.more.click(self.add_seeds, [self.state, form], self.filled, **QUICK))
        self.settle_after(buttons.pause.click(partial(self.press, runs=False), self.state, pressed, **QUICK))
        buttons.pin.click(self.pin, self.state, [self.state, buttons.pin, *self.views], **QUICK)
        files = self.exports.files
        files.submit(lambda visit, asked: answer(asked, visit or Visit(self.kind)), [self.state, files], files, **HIDDEN)
        self.run_filled(chips.submit(self.pick, [self.state, chips, form], self.filled, **QUICK))
        about = {"trigger_mode": "always_last", "concurrency_id": "preview", "concurrency_limit": 2, **HIDDEN}
        form.input(self.describe, [self.state, form], self.described, **about)

    def run_filled(self, event: Any, *, ahead: int | None = None) -> None:
        """Run and describe what an event has put into the form."""
        self.stream_after(event, fresh=True, ahead=ahead)
        event.then(self.describe, [self.state, self.form.html], self.described, **HIDDEN)

    def request(self, *, ahead: int | None = None) -> gr.State:
        """Return a state for what the page asks this tab to run: [a configuration's fields, what tells two requests apart].

        Whatever is put into it fills the form and is run; until then it costs the page nothing, as an event at load would.
        """
        request = gr.State(None)
        opened = request.change(self.open, [self.state, request, self.form.html], self.filled, **QUICK)
        self.run_filled(opened, ahead=ahead)
        return request

    def open(self, visit: Visit | None, request: list[Any], value: Any) -> Updates:
        """Fill the form with what was requested, as if it had been pressed.

        Args:
            visit: the visitor's.
            request: a configuration's fields, what tells two requests apart.
            value: the form's.
        """
        return {**self.fill(shared_config(request[0]), value), **self.press(visit)}

    def pick(self, visit: Visit | None, chip: Any, value: Any) -> Updates:
        """Fill the form from a preset and start it.

        Args:
            visit: the visitor's.
            chip: what names the preset.
            value: the form's.
        """
        preset = pressed(self.kind, chip)
        if preset is None:
            raise gr.Error(f"preset = {escape(chip)[:80]} is not allowed; allowed: one of the names on the page.")
        return {**self.fill(preset.config, value), **self.press(visit, against=preset.against)}

    def describe(self, visit: Visit | None, value: Any) -> Updates:
        """Describe the run that the form would start, or say what is wrong with the form."""
        chips, button = self.layout.head.chips, self.transport.run
        updates: Updates = {chips: ""}
        try:
            config = self.config(value)
            updates |= self.whose(visit, config)
            preset = matching(config, visit.against if visit else None)
            updates |= {chips: preset.name if preset else ""}
            updates |= {self.layout.head.story: story(preset.story if preset else self.own_story)}
            if visit and visit.board.status == "paused":
                updates[button] = gr.update(value="Continue" if visit.holds(config) else "Run")
            return updates | self.estimate(config)
        except ConfigError as error:
            return updates | self.whose(visit, None) | {self.transport.notice: notice(str(error), "bad")}

    def whose(self, visit: Visit | None, config: Runnable | None) -> Updates:
        """Say whose the shown results are, where the form asks for another run or has an error."""
        asked = config and config.to_dict()
        if visit:
            visit.asked = asked
        board = visit.board if visit else example(self.kind)
        return {self.layout.head.whose: give(whose(board, asked))}

    def estimate(self, config: Runnable) -> Updates:
        """Say what a run will take, as far as it is known before it starts.

        Raises:
            ConfigError: the run is not possible.
        """
        raise NotImplementedError

    def press(self, visit: Visit | None, *, runs: bool = True, against: Runnable | None = None) -> Updates:
        """Give a press its number, and show at once that it was heard.

        Args:
            visit: the visitor's; None at the first press.
            runs: whether the press starts a run.
            against: a configuration to run and pin before.
        """
        visit = visit or Visit(self.kind)
        updates: Updates = {self.state: visit, self.turn: visit.press(against)}
        if runs:
            waiting = Board({"steps": 0}, status="waiting")
            updates |= {**self.show_buttons(waiting), self.transport.progress: progress(waiting)}
        return updates

    def reseed(self, visit: Visit | None, value: Any) -> Updates:
        """Put the next seed that no network of this run has had into the form, and start it."""
        with as_text():
            config = self.config(value)
        seed = config.seed + (getattr(config, "max_seeds", None) or config.seeds)
        return {**self.give(value, {"seed": seed}), **self.press(visit)}

    def add_seeds(self, visit: Visit | None, value: Any) -> Updates:
        """Let the run add seeds until its verdict is clear, and start it."""
        return {**self.give(value, {"max_seeds": MANY}), **self.press(visit)}

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

    def stream_after(self, event: Any, *, fresh: bool = False, ahead: int | None = None) -> None:
        """Run the form after a press, draw each event, and end in a settled page however it ends.

        Args:
            event: Gradio's dependency of the press.
            fresh: whether a paused run begins again.
            ahead: measurements after which the run pauses; None: at its end.
        """

        def stream(request: gr.Request, *values: Any) -> Iterator[Updates]:
            yield from self.stream(*values, fresh=fresh, ahead=ahead, visitor=request.session_hash)

        taken = [self.exports.code, self.layout.head.link, self.exports.files, self.layout.head.whose]
        outputs = [self.state, *taken, *self.transport.buttons, *self.views, *self.layout.final]
        inputs = [self.state, self.turn, self.form.html]
        self.settle_after(event.then(stream, inputs, outputs, **COMPUTE, **HIDDEN))

    def settle_after(self, event: Any) -> None:
        """Leave the page as an event's run left it, also after an error."""
        outputs = [*self.transport.buttons, self.exports.code, self.layout.head.whose, *self.views, *self.layout.final]
        # `then` follows an end, not an error.
        event.failure(self.settle, [self.state, self.turn], outputs, **QUICK)
        event.then(self.settle, [self.state, self.turn], outputs, **QUICK)

    def stream(
        self, visit: Visit | None, turn: int | None, value: Any, *, fresh: bool, ahead: int | None, visitor: str | None = None
    ) -> Iterator[Updates]:
        """Run the form and yield what each event changes in the page.

        Args:
            visit, turn: of the press; None before the first one.
            value: the form's.
            fresh, ahead, visitor: as for `Visit.play`.
        """
        yield {self.exports.code: gr.skip()}  # of a generator without any, Gradio would empty the outputs
        if visit is None or turn is None:
            return
        drawn = 0.0
        with as_text():
            config = self.config(value)
            for event in visit.play(config, turn, fresh=fresh, ahead=ahead, visitor=visitor):
                board = visit.board
                if event["kind"] == "queued":
                    yield {self.transport.progress: queue_progress(event)}
                elif event["kind"] == "fetching":
                    yield {self.transport.progress: fetch_progress(event)}
                elif event["kind"] == "started":
                    taken = {self.exports.files: {"shown": visit.key}, self.layout.head.link: query(board.config)}
                    yield {**taken, **self.owned(visit), **self.show_all(board)}
                elif event["kind"] == "progress":
                    yield {self.transport.progress: progress(board)}
                elif event["kind"] == "finished" or time.monotonic() - drawn > PACE:
                    yield {**self.draw(board), **self.owned(visit)}
                    drawn = time.monotonic()

    def owned(self, visit: Visit) -> Updates:
        """Say whose the results of the run that is shown are: the form's, if it has not been turned since."""
        planned = visit.against is not None and visit.board.config == visit.against.to_dict()
        return {self.layout.head.whose: give("" if planned else whose(visit.board, visit.asked))}

    def settle(self, visit: Visit | None, turn: int | None) -> Updates:
        """Show the page as a press's run left it, unless a newer press has taken over."""
        if visit is None or turn is None or not visit.settled(turn):
            return {self.exports.code: gr.skip()}
        return {**self.show_all(visit.board), **self.owned(visit)}

    def pin(self, visit: Visit | None) -> Updates:
        """Keep the shown run beside those to come, or let it go."""
        visit = visit or Visit(self.kind)
        visit.pin()
        return {self.state: visit, self.transport.pin: _pin(visit.board), **self.draw(visit.board)}

    def draw(self, board: Board) -> Updates:
        """Draw the views that change at every measurement."""
        return {component: draw(board) for component, draw in self.views.items()}

    def show_all(self, board: Board) -> Updates:
        """Show everything as a run's begin or end has it."""
        final = {component: draw(board) for component, draw in self.layout.final.items()}
        return {**self.show_buttons(board), self.exports.code: snippet(board.config), **self.draw(board), **final}

    def show_buttons(self, board: Board) -> Updates:
        """Show the buttons that a run's status allows."""
        going = board.status in ("waiting", "running")
        held = board.status == "paused"
        return {
            self.transport.run: gr.update(visible="hidden" if going else True, value="Continue" if held else "Run"),
            self.transport.pause: gr.update(visible=True if going else "hidden"),
            self.transport.step: gr.update(interactive=not going),
            self.transport.pin: _pin(board) if board.status != "waiting" else gr.skip(),
            self.transport.more: gr.update(visible=True if self.undecided(board) else "hidden"),
        }

    def undecided(self, board: Board) -> bool:
        """Tell whether a run has ended without a verdict, and more seeds could bring one."""
        if board.status != "finished" or "max_seeds" not in self.form.names or board.report["diverged"]:
            return False
        tried = board.config.get("max_seeds") or board.config["seeds"]  # older runs do not have it
        return board.report["verdict"]["label"] == "no verdict" and tried < MANY


def _pin(board: Board) -> Any:
    return gr.update(value="Unpin" if board.pinned else "Pin")


def _forget(visit: Visit | None) -> None:
    if visit is not None:
        SHELF.take(visit.key)

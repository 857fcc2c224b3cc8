"""What all tabs share: a form, the run it starts, holds and continues, the views it fills, and the ways it ends."""

import html
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from regime.config import Runnable, config_from_dict
from regime.errors import ConfigError
from regime.ui.form.inputs import give, received
from regime.ui.form.presets import matching, pressed
from regime.ui.panels.glossary import term
from regime.ui.panels.progress import announcement, fetching, progress
from regime.ui.run.board import Board
from regime.ui.run.examples import example
from regime.ui.run.export import LABELS, files, snippet
from regime.ui.run.link import query
from regime.ui.run.runs import COMPUTE, readable
from regime.ui.run.visit import SHELF, Visit
from regime.ui.text import escape

PACE = 0.08
"""Least seconds between two drawn frames; more are not seen and cost the server."""
HIDDEN = {"api_visibility": "private", "show_progress": "hidden"}
QUICK = {"queue": False, **HIDDEN}
FORGET_AFTER = 3600
"""Seconds after which a visit that nobody comes back to is forgotten."""

INTRO = (
    f"<p class='intro'>{term('lazy', 'Lazy')}: training hardly changes the features of a network, so its "
    f"{term('twin', 'linearized twin')}, a linear model built before the first step, learns the same. "
    f"{term('rich', 'Rich')}: the network learns features of its own, and leaves its twin behind.</p>"
)
Draw = Callable[[Board], Any]
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Transport:
    """The buttons and the progress of one tab."""

    run: gr.Button
    pause: gr.Button
    step: gr.Button
    reset: gr.Button
    seed: gr.Button
    pin: gr.Button
    progress: gr.HTML
    spoken: gr.HTML


@dataclass(frozen=True)
class Exports:
    """What a run leaves behind."""

    files: list[gr.DownloadButton]
    code: gr.Code
    link: gr.HTML


def markup(value: str, css: str | list[str] = "", **more: Any) -> gr.HTML:
    """HTML in the page's own style rather than Gradio's prose."""
    return gr.HTML(value, elem_classes=css, apply_default_css=False, **more)


def intro() -> gr.HTML:
    """What the two words mean, for somebody who has never met them."""
    return markup(INTRO)


def transport(kind: str, *, steps: bool = True) -> Transport:
    """Run or pause, and of what has steps: step, reset, new seed, pin; how far it is, and time left."""
    with gr.Row(elem_classes="transport", elem_id=f"{kind}-transport"):
        run = gr.Button("Run", variant="primary", min_width=110, scale=0, elem_classes="i-run")
        pause = gr.Button("Pause", variant="primary", min_width=110, scale=0, visible="hidden", elem_classes="i-pause")
        named = [
            gr.Button(name, min_width=60, scale=0, elem_classes=f"i-{css}", visible=steps or "hidden")
            for name, css in (("Step", "step"), ("Reset", "reset"), ("New seed", "seed"), ("Pin", "pin"))
        ]
        bar = markup(progress(example(kind)))
        spoken = markup("", "sr-only", js_on_load="element.setAttribute('aria-live', 'polite');")
    return Transport(run, pause, *named, bar, spoken)


def view(kind: str, draw: Draw, css: str, **more: Any) -> gr.HTML:
    """A live view, first drawn from the shipped run; its height is in the style sheet so that nothing jumps."""
    return markup(draw(example(kind)), ["view", css], **more)


def exports(kind: str, link: gr.HTML) -> Exports:
    """A run's files, offered once it has finished, and the code that makes it again."""
    with gr.Column(elem_classes="exports"):
        markup("<h3>Take it with you</h3><p>Files of the run that you made last, and the Python that makes it again.</p>")
        with gr.Row(elem_classes="files"):
            buttons = [gr.DownloadButton(label, interactive=False, size="sm", min_width=110) for label in LABELS[kind]]
        code = gr.Code(snippet(example(kind).config), language="python", label="Python", interactive=False, lines=5)
    return Exports(buttons, code, link)


@dataclass(frozen=True)
class Opening:
    """What a tab tells of a run before it starts: the preset that the form holds, its story, and what the run will take."""

    chips: gr.HTML
    story: gr.HTML
    notice: gr.HTML


def notice(text: str, css: str = "") -> str:
    """One line about the run that the form describes."""
    return f'<p class="notice {css}" role="status">{escape(text)}</p>'


def story(text: str) -> str:
    """What to watch in a preset."""
    return f'<p class="story">{text}</p>'


LISTS = {"toy": (), "probe": ("words", "trainable"), "checkpoints": ("words", "revisions")}
"""Fields that are lists of names: the form has them in one line, with commas between."""


class Stage:
    """A tab's form, buttons and views, connected.

    Every press gets a number (`turn`); the generator that it starts streams the form's run, and holds it as soon as there is a
    newer press. So there is one way to pause, to reset and to start something else, and it never cuts a step in two.
    """

    def __init__(
        self,
        kind: str,
        controls: dict[str, gr.components.Component],
        views: dict[gr.HTML, Draw],
        buttons: Transport,
        taken: Exports,
        opening: Opening,
        own_story: str,
        final: dict[gr.HTML, Draw] | None = None,
        told: Sequence[gr.components.Component] = (),
    ) -> None:
        self.kind, self.controls, self.buttons, self.taken = kind, controls, buttons, taken
        self.opening, self.own_story = opening, own_story
        self.foretold = [opening.notice, opening.chips, opening.story, buttons.run, *told]
        self.state = gr.State(None, time_to_live=FORGET_AFTER, delete_callback=_forget)
        self.turn = gr.State(None)
        self.live = {**views, buttons.progress: progress, buttons.spoken: announcement}
        self.final = final or {}
        self.transport = [buttons.run, buttons.pause, buttons.step, buttons.reset, buttons.seed, buttons.pin]
        form = list(controls.values())
        pressed = [self.state, self.turn, *self.transport, buttons.progress]
        self.follow(buttons.run.click(self.press, self.state, pressed, **QUICK))
        self.follow(buttons.step.click(self.press, self.state, pressed, **QUICK), ahead=1)
        self.follow(buttons.reset.click(self.press, self.state, pressed, **QUICK), fresh=True, ahead=0)
        if "seed" in controls:
            other = buttons.seed.click(self.reseed, [self.state, *form], [controls["seed"], *pressed], **QUICK)
            self.follow(other, fresh=True)
        self.settle_after(buttons.pause.click(partial(self.press, runs=False), self.state, pressed, **QUICK))
        buttons.pin.click(self.pin, self.state, [self.state, buttons.pin, *self.live], **QUICK)
        self.filled = [*form, *pressed]
        self.follow_filled(opening.chips.submit(self.pick, [self.state, opening.chips], self.filled, **QUICK))
        changed = [control.input for control in form]
        about = {"trigger_mode": "always_last", "concurrency_id": "preview", "concurrency_limit": 2, **HIDDEN}
        gr.on(changed, self.foretell, [self.state, *form], self.foretold, **about)

    def follow_filled(self, event: Any, *, ahead: int | None = None) -> None:
        """Run what an event has put into the form, and tell of it."""
        self.follow(event, fresh=True, ahead=ahead)
        event.then(self.foretell, [self.state, *self.controls.values()], self.foretold, **HIDDEN)

    def asked(self, *, ahead: int | None = None) -> gr.State:
        """A state for what the page asks this tab to run: a configuration's fields, and what tells two asks apart.

        Whatever is put into it fills the form and is run; until then it costs the page nothing, as an event at load would.
        """
        asked = gr.State(None)
        opened = asked.change(self.open, [self.state, asked], self.filled, **QUICK)
        self.follow_filled(opened, ahead=ahead)
        return asked

    def pick(self, visit: Visit | None, value: Any) -> Updates:
        """Fill the form from a preset and start it."""
        preset = pressed(self.kind, value)
        if preset is None:
            raise gr.Error(f"preset = {escape(value)[:80]} is not allowed; allowed: one of the names on the page.")
        return {**self.fill(preset.config), **self.press(visit, against=preset.against)}

    def foretell(self, visit: Visit | None, *values: Any) -> Updates:
        """What the form as it is would run, or what is wrong with it."""
        same: Updates = {self.opening.chips: ""}
        try:
            config = self.config(values)
            preset = matching(config, visit.against if visit else None)
            same |= {self.opening.chips: preset.name if preset else ""}
            same |= {self.opening.story: story(preset.story if preset else self.own_story)}
            if visit and visit.board.status == "paused":
                same[self.buttons.run] = gr.update(value="Continue" if visit.holds(config) else "Run")
            return same | self.ahead(config)
        except ConfigError as error:
            return same | {self.opening.notice: notice(str(error), "bad")}

    def ahead(self, config: Runnable) -> Updates:
        """What is known of a run before it starts; raises ConfigError."""
        raise NotImplementedError

    def press(self, visit: Visit | None, *, runs: bool = True, against: Runnable | None = None) -> Updates:
        """Give the press its number, and show at once that it was heard."""
        visit = visit or Visit(self.kind)
        updates: Updates = {self.state: visit, self.turn: visit.press(against)}
        if runs:
            waiting = Board({"steps": 0}, status="waiting")
            updates |= {**self.shown(waiting), self.buttons.progress: progress(waiting)}
        return updates

    def reseed(self, visit: Visit | None, *values: Any) -> Updates:
        """The next seeds that no network of this run has had."""
        with as_text():
            config = self.config(values)
        seed = config.seed + (getattr(config, "max_seeds", None) or config.seeds)
        return {self.controls["seed"]: give(seed), **self.press(visit)}

    def fill(self, config: Runnable) -> Updates:
        """The form as a configuration has it."""
        values = {
            control: ", ".join(getattr(config, name)) if name in LISTS[self.kind] else getattr(config, name)
            for name, control in self.controls.items()
        }
        return {control: give(value) if isinstance(control, gr.HTML) else value for control, value in values.items()}

    def config(self, values: Sequence[Any]) -> Runnable:
        """The configuration that the form's values describe; raises ConfigError."""
        fields = dict(zip(self.controls, map(received, values), strict=True))
        if fields.get("revision", "") is None:
            del fields["revision"]  # an empty line
        for name in LISTS[self.kind]:
            fields[name] = [part.strip() for part in str(fields[name] or "").split(",") if part.strip()]
        return config_from_dict(fields, self.kind)

    def follow(self, pressed: Any, *, fresh: bool = False, ahead: int | None = None) -> None:
        """Run the form after a press, draw each event, and end in a settled page however it ends."""

        def stream(*values: Any) -> Iterator[Updates]:
            yield from self.play(*values, fresh=fresh, ahead=ahead)

        outputs = [self.state, self.taken.code, self.taken.link, *self.taken.files, *self.transport, *self.live, *self.final]
        inputs = [self.state, self.turn, *self.controls.values()]
        self.settle_after(pressed.then(stream, inputs, outputs, **COMPUTE, **HIDDEN))

    def settle_after(self, ended: Any) -> None:
        """Leave the page as the run left it, and offer its files; also after an error."""
        outputs = [*self.transport, self.taken.code, *self.live, *self.final]
        # `then` follows an end, not an error.
        ended.failure(self.settle, [self.state, self.turn], outputs, **QUICK)
        ended.then(self.settle, [self.state, self.turn], outputs, **QUICK).then(
            self.offer, self.state, self.taken.files, **HIDDEN
        )

    def play(self, visit: Visit | None, turn: int | None, *values: Any, fresh: bool, ahead: int | None) -> Iterator[Updates]:
        """Stream the form's run."""
        yield {self.taken.code: gr.skip()}  # of a generator without any, Gradio would empty the outputs
        if visit is None or turn is None:
            return
        drawn = 0.0
        with as_text():
            config = self.config(values)
            for event in visit.play(config, turn, fresh=fresh, ahead=ahead):
                board = visit.board
                if event["kind"] == "fetching":
                    yield {self.buttons.progress: fetching(event)}
                elif event["kind"] == "started":
                    idle = dict.fromkeys(self.taken.files, gr.update(value=None, interactive=False))
                    begun = {self.taken.code: snippet(board.config), self.taken.link: query(board.config)}
                    yield {**begun, **idle, **self.shown(board), **self.drawn(board), **self.concluded(board)}
                elif event["kind"] == "progress":
                    yield {self.buttons.progress: progress(board)}
                elif event["kind"] == "finished" or time.monotonic() - drawn > PACE:
                    yield self.drawn(board)
                    drawn = time.monotonic()

    def settle(self, visit: Visit | None, turn: int | None) -> Updates:
        """The page once the run of a press has ended, unless a newer press has taken over."""
        if visit is None or turn is None or not visit.settled(turn):
            return {self.taken.code: gr.skip()}
        board = visit.board
        code = {self.taken.code: snippet(board.config)}
        return {**self.shown(board), **code, **self.drawn(board), **self.concluded(board)}

    def offer(self, visit: Visit | None) -> Updates:
        """The files of a finished run."""
        if visit is None or visit.finished is None or visit.board.status != "finished":
            return dict.fromkeys(self.taken.files, gr.skip())
        paths = files(visit.board.report, visit.finished)
        return {button: gr.update(value=path, interactive=True) for button, path in zip(self.taken.files, paths, strict=True)}

    def pin(self, visit: Visit | None) -> Updates:
        """Keep the shown run beside those to come, or let it go."""
        visit = visit or Visit(self.kind)
        visit.pin()
        return {self.state: visit, self.buttons.pin: _pin(visit.board), **self.drawn(visit.board)}

    def open(self, visit: Visit | None, asked: list[Any]) -> Updates:
        """The form filled with what was asked for, as if it had been pressed."""
        return {**self.fill(config_from_dict(asked[0])), **self.press(visit)}

    def drawn(self, board: Board) -> Updates:
        return {component: draw(board) for component, draw in self.live.items()}

    def concluded(self, board: Board) -> Updates:
        """What is drawn when a run begins and when it has ended, not in between."""
        return {component: draw(board) for component, draw in self.final.items()}

    def shown(self, board: Board) -> Updates:
        """The buttons, as the run's status has them."""
        going = board.status in ("waiting", "running")
        held = board.status == "paused"
        return {
            self.buttons.run: gr.update(visible="hidden" if going else True, value="Continue" if held else "Run"),
            self.buttons.pause: gr.update(visible=True if going else "hidden"),
            self.buttons.step: gr.update(interactive=not going),
            self.buttons.pin: _pin(board) if board.status != "waiting" else gr.skip(),
        }


def _pin(board: Board) -> Any:
    return gr.update(value="Unpin" if board.pinned else "Pin")


def _forget(visit: Visit | None) -> None:
    if visit is not None:
        SHELF.take(visit.key)


@contextmanager
def as_text() -> Iterator[None]:
    """Errors as a visitor can read them, and shown as text, never as markup."""
    try:
        with readable():
            yield
    except gr.Error as error:
        raise gr.Error(html.escape(error.message), print_exception=False) from None

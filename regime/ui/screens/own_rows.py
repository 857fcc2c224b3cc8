"""What the tabs share whose runs may take own rows: a file is read at once, and said; choices count with rows alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from regime.config import KINDS, Runnable
from regime.config.files import decoded
from regime.config.rows import OWN
from regime.errors import ConfigError
from regime.ui.form.inputs import give
from regime.ui.form.own_rows import AWAITED, BRING, COLUMNS, OwnRows, alone, chosen, columns_line, in_words
from regime.ui.panels.rows_read import rows_read
from regime.ui.parts import Layout, notice
from regime.ui.run.runs import as_text
from regime.ui.run.visit import Visit
from regime.ui.screen import HIDDEN, QUICK, Screen, Updates


class OwnRowsScreen(Screen):
    """A tab with a part for somebody's own rows."""

    def __init__(self, layout: Layout, own: OwnRows) -> None:
        """Connect the components of a tab to this screen.

        Args:
            layout: the tab's.
            own: its part for own rows, whose controls are in the layout's, too.
        """
        self.own, self.rows = own, KINDS[self.kind].rows_field
        self.apart = {*own.controls, "task", "readout"} & {*layout.controls}
        self.beside = [own.accordion, own.said, own.read]
        super().__init__(layout)
        form, rows = list(self.controls.values()), self.controls[self.rows]
        counts = [self.controls[name] for name in KINDS[self.kind].shares]
        changed = [*self.beside, self.controls["task"], *counts, self.transport.notice]
        others = [control.input for name, control in self.controls.items() if name in self.apart and name != self.rows]
        about = {"trigger_mode": "always_last", **HIDDEN}
        taken = own.upload.upload(self.uploaded, own.upload, [own.upload, rows, own.said], **QUICK)
        told = [
            taken.then(partial(self.take, new=True), form, changed, **HIDDEN),
            rows.input(partial(self.take, new=True, typed=True), form, changed, **about),
            gr.on(others, self.take, form, changed, **about),
        ]
        for event in told:
            event.then(self.describe, [self.state, *form], self.described, **HIDDEN)

    def uploaded(self, data: bytes) -> Updates:
        """Put a file's rows into the form; or say what is wrong with the file, and leave no other rows in its place."""
        try:
            text, said = decoded(data)
            if not text.strip():
                raise ValueError("the file is empty")
            said = said and notice(f"In doubt: {said}.")
        except ValueError as error:
            text, said = None, notice(f"Your rows cannot be read: {error}.", "bad")
        return {self.own.upload: None, self.controls[self.rows]: give(text), self.own.said: said}

    def take(self, *values: Any, new: bool = False, typed: bool = False) -> Updates:
        """Say what is read of the rows, and ask for no more of them than there are.

        Args:
            values: the form's.
            new: whether the rows have changed: then they are the task, and samples are as many as they suffice for.
            typed: whether they were typed: then nothing is to be said of a file any more.
        """
        fields = chosen(super().fields(values))
        updates: Updates = {self.own.said: ""} if typed else {}
        own = fields["task"] == OWN
        if new and fields[self.rows] is not None:
            own, updates[self.controls["task"]] = True, give(OWN)
        if own and not typed:
            updates[self.own.accordion] = gr.update(open=True)
        if fields[self.rows] is None:
            return updates | {self.own.read: ""}
        try:
            config = alone(self.kind, fields)
        except ConfigError as error:
            return updates | {self.own.read: notice(in_words(error, self.rows), "bad")}
        updates[self.own.read] = rows_read(self.kind, config.read)
        asked = sum(fields[name] * share.rows for name, share in config.shares.items() if isinstance(fields[name], int))
        if own:  # what a run takes may be long in coming
            updates[self.transport.notice] = notice(config.read.sentences()[0])
        if own and (new or asked > config.read.rows):
            updates |= {self.controls[name]: give(getattr(config, name)) for name in config.shares}
        return updates

    def fields(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the form's fields; with another task those for own rows stay in the form, for the time when it is turned back.

        Raises:
            ConfigError: there are no rows yet.
        """
        fields = super().fields(values)
        if fields["task"] != OWN:
            return {name: value for name, value in fields.items() if name not in self.own.controls}
        if fields[self.rows] is None:
            raise ConfigError(BRING)
        return chosen(fields)

    def config(self, values: Sequence[Any]) -> Runnable:
        """Return the configuration that the form's values describe; raises ConfigError in the page's words."""
        try:
            return super().config(values)
        except ConfigError as error:
            raise ConfigError(in_words(error, self.rows)) from None

    def fill(self, config: Runnable) -> Updates:
        """Fill the form from a configuration; one of another task leaves what the form has for own rows."""
        updates = super().fill(config)
        if config.task != OWN:
            return {control: value for control, value in updates.items() if control not in self.own.controls.values()}
        named = {name: getattr(config, name) for name in COLUMNS if name in self.own.controls}
        lines = {name: columns_line(None if name == "encode" and not value else value) for name, value in named.items()}
        drawn = rows_read(self.kind, config.read) if getattr(config, self.rows) else ""
        shown = {self.own.accordion: gr.update(open=True), self.own.said: "", self.own.read: drawn}
        return updates | {self.own.controls[name]: give(line) for name, line in lines.items()} | shown

    def open(self, visit: Visit | None, request: list[Any]) -> Updates:
        """Fill the form with what was requested, and run it, unless its rows are still to come."""
        fields = request[0]
        if fields["task"] != OWN or fields[self.rows] is not None:
            return super().open(visit, request)
        with as_text():
            config = KINDS[self.kind].awaiting_rows().from_dict(fields)
        return {**self.fill(config), self.own.said: notice(AWAITED)}

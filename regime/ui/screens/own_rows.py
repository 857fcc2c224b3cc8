"""What the tabs share whose runs may take own rows: a file is read at once, and said; choices count with rows alone."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from regime.config import KINDS, Runnable
from regime.config.files import decoded
from regime.config.read import Choices
from regime.config.rows import OWN
from regime.errors import ConfigError
from regime.ui.form.own_rows import AWAITED, BRING, FOLD, LINES, READ, SAID, alone, chosen, columns_line, in_words, rows_read
from regime.ui.parts import notice
from regime.ui.screen import HIDDEN, QUICK, Screen, Updates
from regime.ui.text import in_labels


class OwnRowsScreen(Screen):
    """A tab with a part for somebody's own rows."""

    def _connect(self) -> None:
        super()._connect()
        self.rows = KINDS[self.kind].rows_field
        self.own = {self.rows, *Choices._fields} & {*self.form.names}
        form = self.form.html
        about = {"trigger_mode": "always_last", **HIDDEN}
        file = form.upload(self.upload, form, form, trigger_mode="multiple", **QUICK)
        file.then(partial(self.take, new=True), form, form, **about)
        form.edit(partial(self.take, new=True, typed=True), form, form, **about)
        form.select(self.take, form, form, **about)

    def upload(self, value: Any, event: gr.EventData) -> Updates:
        """Put the rows of a file, which came as a data URL and with a number, into the form, whose value is given; or none."""
        data, number = b"", None
        with suppress(AttributeError, TypeError, ValueError):  # a caller that is not the page
            data, number = base64.b64decode(str(event.file).partition(",")[2]), event.number
        return self.give(value, {**self.uploaded(data), "file": number})

    def uploaded(self, data: bytes) -> dict[str, Any]:
        """Return a file's rows as changes of the form; or what is wrong with the file, and no other rows in its place."""
        try:
            text, said = decoded(data)
            if not text.strip():
                raise ValueError("the file is empty")
            said = said and notice(f"In doubt: {said}.")
        except ValueError as error:
            text, said = None, notice(f"Your rows cannot be read: {error}.", "bad")
        return {self.rows: text, SAID: said}

    def take(self, value: Any, *, new: bool = False, typed: bool = False) -> Updates:
        """Say what is read of the rows, and ask for no more of them than there are.

        Args:
            value: the form's.
            new: whether the rows have changed: then they are the task, and samples are as many as they suffice for.
            typed: whether they were typed: then nothing is to be said of a file any more.
        """
        fields = chosen(super().fields(value))
        changes: dict[str, Any] = {SAID: ""} if typed else {}
        own = fields["task"] == OWN
        if new and fields[self.rows] is not None:
            own, changes["task"] = True, OWN
        if own and not typed:
            changes[FOLD] = True
        changes["answers"] = value.get("changes") if isinstance(value, dict) else None  # of those that the page has counted
        if fields[self.rows] is None:
            return self.give(value, changes | {READ: ""})
        try:
            config = alone(self.kind, fields)
        except ConfigError as error:
            return self.give(value, changes | {READ: notice(in_labels(in_words(error, self.rows)), "bad")})
        changes[READ] = rows_read(self.kind, config.read)
        asked = sum(share.rows(fields[name]) for name, share in config.shares.items() if isinstance(fields[name], int))
        if own and (new or asked > config.read.rows):
            changes |= {name: getattr(config, name) for name in config.shares}
        return self.give(value, changes)

    def fields(self, value: Any) -> dict[str, Any]:
        """Return the form's fields; raises ConfigError where there are no rows yet.

        With another task those for own rows stay in the form. Where `take` has yet to answer, they are those that it will give.
        """
        if isinstance(value, dict) and isinstance(waiting := value.get("waiting"), list) and waiting:
            value = self.take(value, new="edit" in waiting)[self.form.html]
        fields = super().fields(value)
        if fields["task"] != OWN:
            return {name: field for name, field in fields.items() if name not in self.own}
        if fields[self.rows] is None:
            raise ConfigError(BRING)
        return chosen(fields)

    def config(self, value: Any) -> Runnable:
        """Return the configuration that the form's value describes; raises ConfigError in the page's words."""
        try:
            return super().config(value)
        except ConfigError as error:
            raise ConfigError(in_words(error, self.rows)) from None

    def fill(self, config: Runnable, value: Any, said: str = "") -> Updates:
        """Fill the form from a configuration; one of another task leaves what the form has for own rows.

        Args:
            config: of a run.
            value: the form's.
            said: what the page says of the rows.
        """
        changes = {name: getattr(config, name) for name in self.form.names}
        if config.task != OWN:
            return self.give(value, {name: field for name, field in changes.items() if name not in self.own})
        lines = {name: columns_line(changes[name]) for name in {*LINES} & self.own if name != "encode" or changes[name]}
        drawn = rows_read(self.kind, config.read) if changes[self.rows] else ""
        return self.give(value, changes | lines | {FOLD: True, SAID: said, READ: drawn})

    def open(self, asked: Mapping[str, Any], value: Any) -> tuple[Updates, Runnable | None]:
        """Fill the form, whose value is given, with what was asked for; it cannot run while its rows are still to come."""
        fields = asked.get("config")
        if not isinstance(fields, dict) or fields.get("task") != OWN or fields.get(self.rows) is not None:
            return super().open(asked, value)
        config = KINDS[self.kind].awaiting_rows().from_dict(fields)
        return self.fill(config, value, notice(AWAITED)), None

"""What Gradio keeps of everyone who has called: here little, so that ten thousand callers do not fill the memory."""

from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

CAPACITY = 10_000
"""Sessions that are kept; each call over plain HTTP is one of its own."""


class Session(SessionState):
    """A visitor's states, without the copy of the whole page that Gradio makes for links of its own kind.

    The copy took 160 kB and 7 ms a call, so that 10,000 callers took 1.6 GB.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        """Begin with every component as the page has it."""
        super().__init__(cast("gr.Blocks", SimpleNamespace(default_config=blocks.default_config, blocks={})))

    def _copy_nothing(self, *args: Any) -> None:
        """Leave the page alone."""

    _update_config = _update_value_in_config = _copy_nothing


class Sessions(StateHolder):
    """All visitors' sessions, of an app that has been launched."""

    def __init__(self, app: gr.Blocks) -> None:
        """Take the place of the sessions that `app` came with."""
        super().__init__()
        app.state_session_capacity = CAPACITY
        self.set_blocks(app)
        app.app.state_holder = self

    def __getitem__(self, session_id: str) -> SessionState:
        """Return a session, which begins when it is first asked for."""
        if session_id not in self:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)

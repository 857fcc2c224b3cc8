"""Permalinks: a run's configuration in the page's address, `?run=toy&width=64`, and the button that copies it."""

from urllib.parse import urlencode

import gradio as gr

from regime.config import KINDS, Runnable, shared_config
from regime.config.rows import FORMER, OWN
from regime.errors import ConfigError
from regime.ui.static_files import static

FOREIGN = ("_", "view")
"""Names of a query that belong to Gradio and its host, by how they begin."""


def query(fields: dict[str, object]) -> str:
    """Return a configuration as a permalink's query; own rows stay out of it."""
    config = shared_config(fields)
    return config.to_query().replace("kind=", "run=", 1)


def linked(pairs: list[tuple[str, str]]) -> Runnable | None:
    """Return the configuration that a page's query asks for, if any; own rows are not in it, and have to be brought.

    Raises:
        ConfigError: the query is not a permalink of a run; the message names the field, its value and what is allowed.
    """
    own = [(name, text) for name, text in pairs if not name.startswith(FOREIGN)]
    if not own:
        return None
    kind = dict(own).get("run", "toy")
    if kind not in KINDS:
        raise ConfigError(f"run = {kind!r:.80} is not allowed; allowed: one of {', '.join(map(repr, KINDS))}")
    config = KINDS[kind]
    if kind != "sweep" and dict(own).get("task") in (OWN, FORMER):
        config = config.awaiting_rows()
    return config.from_query(urlencode([(name, text) for name, text in own if name != "run"]))


def link_button(fields: dict[str, object]) -> gr.HTML:
    """Build the button that copies the link to a run; its value is the link's query, which the page's address follows."""
    return gr.HTML(
        query(fields),
        html_template='<button type="button" class="chip">Copy link</button><span role="status"></span>',
        js_on_load=static("link.js"),
        elem_classes="link",
        apply_default_css=False,
    )

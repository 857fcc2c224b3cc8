"""The Learn tab: lessons with live panels, which the page's script draws from shipped runs; then the guides of the package."""

import re
from typing import Any

import gradio as gr

from regime.errors import ConfigError, show
from regime.ui.form.config_form import WRITTEN, form
from regime.ui.lessons.read import text_file, written
from regime.ui.parts import column, markup, places
from regime.ui.run.runs import as_text
from regime.ui.screen import HIDDEN
from regime.ui.static_files import script
from regime.ui.text import render

GUIDES: dict[str, str] = WRITTEN["learn"][0]["options"]
"""The guides that are shown, by file, and what they are called in the menu."""


def guide(name: Any) -> str:
    """Return a guide's Markdown as a part of the page, its title below the page's own, without links between files."""
    if not isinstance(name, str) or name not in GUIDES:
        raise ConfigError(f"guide = {show(name)} is not allowed; allowed: one of {', '.join(map(repr, GUIDES))}")
    text = written(name)
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text).replace("# ", "## ", 1)
    if name == "claims":  # whose places are links on the page
        text = re.sub(r"\blesson (\w+) (\d)", r"[\g<0>](?lesson=\1&step=\2)", text)
        text = re.sub(r"\bcard (S\d+|predictability|gradient-flow|scaling-laws)\b", r"[\g<0>](?claim=\1)", text)
    return text


def learn_tab() -> None:
    """Build the Learn tab and connect it."""
    places(render("intro", tab="learn"))
    markup(text_file(), "lessons-box", html_template=render("lessons"), js_on_load=script("lesson"))
    places('<h2 class="guides">Guides</h2>')
    with gr.Row(elem_classes="page two"):
        with column("controls"):
            chosen = form("learn", (), {"guide": "glossary"})
        with column("middle"):
            shown = gr.Markdown(guide("glossary"), elem_classes="guide")

    def read(value: Any) -> str:
        with as_text():
            return guide(chosen.fields(value)["guide"])

    chosen.html.input(read, chosen.html, shown, trigger_mode="always_last", **HIDDEN)

"""The Learn tab, a first version: the guides of the package, one at a time."""

import re
from importlib.resources import files
from typing import Any

import gradio as gr

from regime.errors import ConfigError, show
from regime.ui.form.config_form import ConfigForm, Part
from regime.ui.parts import column, places
from regime.ui.run.runs import as_text
from regime.ui.screen import HIDDEN

GUIDES = {
    "science": "The science",
    "choose": "Which tool for which question",
    "toys": "Toys",
    "sweeps": "Maps",
    "probes": "Transformers",
    "kernels": "Kernels",
    "rows": "Rows of your own",
    "monitor": "Your own training loop",
    "own": "Parts of your own",
    "api": "From other programs",
    "log": "What did not work",
}
"""The guides that are shown, by file, and what they are called in the menu."""
INTRO = "What the numbers of this page mean, where they come from, and how to get them in Python or from other programs."


def guide(name: Any) -> str:
    """Return a guide's Markdown as a part of the page: its title below the page's own, and no links between files.

    Raises:
        ConfigError: there is no such guide.
    """
    if not isinstance(name, str) or name not in GUIDES:
        raise ConfigError(f"guide = {show(name)} is not allowed; allowed: one of {', '.join(map(repr, GUIDES))}")
    text = files("regime").joinpath("guides", f"{name}.md").read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text).replace("# ", "## ", 1)


def learn_tab() -> None:
    """Build the Learn tab and connect it."""
    places(f'<p class="intro">{INTRO}</p>')
    with gr.Row(elem_classes="page two"):
        with column("controls"):
            form = ConfigForm("learn", [Part("guide", "Guide", control="choice", options=GUIDES)], {"guide": "science"})
        with column("middle"):
            shown = gr.Markdown(guide("science"), elem_classes="guide")

    def read(value: Any) -> str:
        with as_text():
            return guide(form.fields(value)["guide"])

    form.html.input(read, form.html, shown, **HIDDEN)

"""The page: header, one tab a screen, and the endpoints."""

from typing import Any

import gradio as gr

from regime.ui.api import endpoints
from regime.ui.probe import probe_tab
from regime.ui.stage import markup
from regime.ui.theme import head, theme
from regime.ui.train import train_tab

TITLE = "Lazy or rich?"
HEADER = f"""
<header class="masthead"><h1>{TITLE}</h1>
<p>Is a network learning features, or fitting with the ones it was born with?</p></header>"""
DAY = 86400
QUEUE_SIZE = 32


def build() -> gr.Blocks:
    """The app, its queue limited, ready to launch with `launch_options`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, DAY), fill_width=True) as demo:
        markup(HEADER, "masthead-box")
        with gr.Tabs(elem_classes="screens"):
            with gr.Tab("Train", id="train"):
                train_tab()
            with gr.Tab("Probe", id="probe"):
                probe_tab()
        endpoints()
    return demo.queue(max_size=QUEUE_SIZE, default_concurrency_limit=8, api_open=False)


def launch_options() -> dict[str, Any]:
    """Everything `launch` needs but host and port, which come from the environment."""
    return {
        "theme": theme(),
        "head": head(),
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": "1mb",
        "enable_monitoring": False,
        "show_error": False,
    }

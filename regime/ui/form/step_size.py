"""What the server tells the control of the step size: what the kernel allows, and how it stands in the run."""

from typing import Any

import gradio as gr

from regime.toy.preview import Preview
from regime.ui.static_files import script


def readout(value: dict[str, Any]) -> gr.HTML:
    """Build a hidden element that tells the control what the server knows.

    A preview and a run have one each: of two values given to one element at once, only the last would arrive.
    """
    return gr.HTML(
        value, html_template="<span></span>", js_on_load=script("step_size"), elem_classes="unseen", apply_default_css=False
    )


def previewed(preview: Preview) -> dict[str, Any]:
    """Return a preview as the control reads it."""
    return {"auto": preview.learning_rate, "top": preview.top, "edges": list(preview.edges)}

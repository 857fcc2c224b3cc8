"""The step size: a slider over multiples of what the kernel allows, with step size times top eigenvalue as it is turned."""

from typing import Any

import gradio as gr

from regime.toy.preview import Preview
from regime.ui.form.inputs import control
from regime.ui.static_files import static

PREVIEWED, MEASURED = "toy-previewed", "toy-measured"
"""Ids of the two hidden elements through which the server tells the control what it knows, before a run and from the run. One
element would not do: of two values given to it at once, only the last would arrive."""
TEMPLATE = """
<div class="control slider step-size">
  <label for="toy-rate-range" title="Step size times the top eigenvalue of the kernel, over the number of points.">
    Step size &times; top eigenvalue<output></output></label>
  <input id="toy-rate-range" type="range" min="-16" max="20" step="1" value="0" aria-describedby="toy-rate-note">
  <div class="bands" aria-hidden="true"><i class="unstable"></i><i class="divergent"></i><b></b></div>
  <p class="ends" id="toy-rate-note"></p>
  <label class="rate">Step size <input id="toy-learning-rate-input" type="number" step="any" min="0"></label>
</div>"""


def step_size() -> gr.HTML:
    """Build the control of the step size; its value is the step size, empty where the kernel shall choose it."""
    script = f"const sources = {[PREVIEWED, MEASURED]};\n{static('step_size.js')}"
    return control("toy-learning-rate", "", TEMPLATE, script)


def readout(elem_id: str, value: dict[str, Any]) -> gr.HTML:
    """Build a hidden element that tells the control what the server knows."""
    return gr.HTML(
        value,
        html_template="<span></span>",
        js_on_load=f"const id = {elem_id!r};\n{static('known.js')}",
        elem_classes="unseen",
        apply_default_css=False,
    )


def previewed(preview: Preview) -> dict[str, Any]:
    """Return a preview as the control reads it."""
    return {"auto": preview.learning_rate, "top": preview.top, "edges": list(preview.edges)}

"""The step size: a slider over multiples of what the kernel allows, with learning rate times top eigenvalue as it is turned."""

from typing import Any

import gradio as gr

from regime.toy.preview import Preview
from regime.ui.form.inputs import field

FORETOLD, MEASURED = "toy-foretold", "toy-measured"
"""What the server knows before a run, and from the run: two elements, as two values put into one at once would be one."""
TEMPLATE = """
<div class="control slider step-size">
  <label for="toy-rate-range" title="Learning rate times the top eigenvalue of the kernel, over the points.">
    Step size &times; top eigenvalue<output></output></label>
  <input id="toy-rate-range" type="range" min="-16" max="20" step="1" value="0" aria-describedby="toy-rate-note">
  <div class="bands" aria-hidden="true"><i class="unstable"></i><i class="divergent"></i><b></b></div>
  <p class="ends" id="toy-rate-note"></p>
  <label class="rate">Learning rate <input id="toy-learning-rate-input" type="number" step="any" min="0"></label>
</div>"""
SCRIPT = (
    f"const sources = ['{FORETOLD}', '{MEASURED}'];"
    + """
const known = () => Object.assign({}, ...sources.map(id => JSON.parse(document.getElementById(id)?.dataset.told ?? '{}')));
const [range, rate] = element.querySelectorAll('input');
const shown = element.querySelector('output'), note = element.querySelector('#toy-rate-note');
const [unstable, divergent, now] = element.querySelectorAll('.bands > *');
const per = 4;  // slider steps to a factor of 2
const short = value => String(Number(value.toPrecision(value < 1 ? 2 : 3)));
const read = () => rate.value === '' ? '' : rate.valueAsNumber;
const show = value => { rate.value = value ?? ''; };
const place = factor => 100 * Math.min(1, Math.max(0, (per * Math.log2(factor) + 16) / 36));
const paint = () => {
  const {auto, top, edges = [], stability} = known();
  if (!auto) return;
  const chosen = rate.value === '' ? auto : rate.valueAsNumber;
  range.value = Math.round(per * Math.log2(chosen / auto)) || 0;
  range.style.setProperty('--done', place(chosen / auto) + '%');
  rate.placeholder = 'auto, ' + short(auto);
  const said = top ? short(chosen * top) : short(chosen / auto) + ' \\u00d7 auto';
  shown.textContent = said;
  range.setAttribute('aria-valuetext', said);
  const from = edges.map(edge => place(edge / (top * auto)));
  unstable.style.cssText = edges.length ? `left:${from[0]}%;right:0` : 'display:none';
  divergent.style.cssText = edges.length > 1 ? `left:${from[1]}%;right:0` : 'display:none';
  now.style.cssText = top && stability ? `left:${place(stability / (top * auto))}%` : 'display:none';
  const ends = edges.map((edge, index) => (index ? 'diverges above ' : 'settles below ') + short(edge));
  const mark = top && stability ? ['The mark is its value in the run: ' + short(stability) + '.'] : [];
  note.replaceChildren(...[...ends, ...mark].map(text => {
    const part = document.createElement('span');
    part.textContent = text;
    return part;
  }));
};
range.addEventListener('input', () => {
  const {auto} = known();
  if (auto) rate.value = range.valueAsNumber ? Number((auto * 2 ** (range.valueAsNumber / per)).toPrecision(3)) : '';
});
const repaint = () => {
  if (element.isConnected) paint();
  else document.removeEventListener('regime-told', repaint);
};
document.addEventListener('regime-told', repaint);
"""
)
CHANNEL = """
const publish = () => {
  element.dataset.told = JSON.stringify(props.value);
  document.dispatchEvent(new Event('regime-told'));
};
element.id = ID;
watch('value', publish);
publish();
"""


def step_size() -> gr.HTML:
    """The control; its value is the learning rate, empty where the kernel shall choose it."""
    return field("", TEMPLATE, SCRIPT, "toy-learning-rate")


def readout(name: str, value: dict[str, Any]) -> gr.HTML:
    """Tells the control what the server knows: unseen itself."""
    return gr.HTML(
        value,
        html_template="<span></span>",
        js_on_load=CHANNEL.replace("ID", repr(name)),
        elem_classes="unseen",
        apply_default_css=False,
    )


def foretold(preview: Preview) -> dict[str, Any]:
    """A preview as the control reads it."""
    return {"auto": preview.learning_rate, "top": preview.top, "edges": list(preview.edges)}

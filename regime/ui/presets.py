"""One click to a known story: configurations that run live in seconds, and what to watch in each."""

from dataclasses import dataclass

import gradio as gr

from regime.config import ToyConfig
from regime.ui.text import escape


@dataclass(frozen=True)
class Preset:
    """A configuration with its story; `against` is run and pinned before it."""

    name: str
    config: ToyConfig
    story: str
    against: ToyConfig | None = None


PRESETS = (
    Preset(
        "Very wide",
        ToyConfig(width=1024, steps=200),
        "With so many units, each has to change only a little. The network ends where its twin ends: it used the features "
        "that it was born with. That is <b>lazy</b>.",
    ),
    Preset(
        "Large alpha",
        ToyConfig(width=64, alpha=20.0),
        "A small network, but its output is multiplied by 20: the smallest moves of its weights do, and its features stay as "
        "they were. Width is not needed to be <b>lazy</b>.",
    ),
    Preset(
        "Small alpha",
        ToyConfig(width=64, alpha=0.1),
        "The output is divided by 10, so the weights have to move far. The network shapes features of its own and leaves its "
        "twin behind: it learns faster than its first kernel foretold. That is <b>rich</b>.",
    ),
    Preset(
        "Catapult",
        ToyConfig(width=512, depth=1, activation="tanh", learning_rate=1.29, steps=100, measure_every=2),
        "A step too large for the first kernel: the loss climbs, the kernel shrinks until the step fits, and only then does "
        "the loss fall. The twin, whose kernel cannot shrink, is lost. Watch step size &times; eigenvalue drop below 2.",
    ),
    Preset(
        "Bottleneck",
        ToyConfig(width=256, alpha=0.5, bottleneck=4, bottleneck_layer=2, seeds=8),
        "Wide layers with four units between them, pinned against the same network without the bottleneck: a few units cannot "
        "stay nearly still, so the narrow network is the <b>richer</b> one.",
        ToyConfig(width=256, alpha=0.5, seeds=8),
    ),
    Preset(
        "muP against NTK",
        ToyConfig(parameterization="mup"),
        "The same 512 units twice. Pinned: scaled as in the NTK limit, <b>lazy</b>. Then scaled as in muP, which lets features "
        "move at any width: <b>rich</b>.",
        ToyConfig(),
    ),
    Preset(
        "Rich wins: parity",
        ToyConfig(task="parity", sparsity=2, width=128, alpha=0.03, samples=256, test_samples=512, steps=800, measure_every=20),
        "Two of the inputs decide, the others are noise. Only a network that learns which two, a <b>rich</b> one, gets the "
        "test points right; compare its test error with the twin's.",
    ),
    Preset(
        "Lazy wins: smooth",
        ToyConfig(task="smooth", width=256, alpha=4.0),
        "A smooth target that the first kernel suits: staying <b>lazy</b> costs nothing here, and the twin, a linear model, "
        "predicts as well as the network.",
    ),
)
FIRST = 2
"""The preset of the finished run that the first screen shows."""
SCRIPT = """
const presets = element.querySelector('.chips');
const paint = () => presets.querySelectorAll('button').forEach(chip => {
  const name = Array.isArray(props.value) ? props.value[0] : props.value;
  chip.setAttribute('aria-pressed', chip.textContent === name);
});
let presses = 0;
presets.addEventListener('click', event => {
  const chip = event.target.closest('button');
  if (!chip) return;
  props.value = [chip.textContent, ++presses];
  paint();
  trigger('submit');
});
watch('value', paint);
paint();
"""


def chips() -> gr.HTML:
    """The presets as buttons; the value is the name of the one whose configuration the form holds, or what was pressed."""
    buttons = "".join(
        f'<button type="button" class="chip" title="{escape(preset.name)}">{preset.name}</button>' for preset in PRESETS
    )
    template = f'<div class="chips" role="group" aria-label="Presets"><b>Start from</b>{buttons}</div>'
    return gr.HTML(
        PRESETS[FIRST].name, html_template=template, js_on_load=SCRIPT, elem_classes="presets", apply_default_css=False
    )


def pressed(value: object) -> Preset | None:
    """The preset that a press names."""
    name = value[0] if isinstance(value, list) and value else value
    return next((preset for preset in PRESETS if preset.name == name), None)


def matching(config: ToyConfig) -> Preset | None:
    """The preset of this configuration."""
    return next((preset for preset in PRESETS if preset.config == config), None)

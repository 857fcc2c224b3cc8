"""The terms of the page, each defined in a sentence that opens at a press on the dotted word."""

from regime.measures.definitions import DEFINITIONS
from regime.ui.text import escape

TERMS = {
    "lazy": "Training hardly changes the features of the network: a linear model fixed before the first step learns the same.",
    "rich": "Training changes the features: the network learns what to look at, and leaves its linear model behind.",
    "twin": "The linearized twin is the network's tangent at its start: linear in the weights, its features fixed, trained by "
    "the same steps on the same data (Lee et al. 2019).",
    "kernel": "The tangent kernel says how far a training step on one point moves the output at another; while it stays "
    "constant, training is linear (Jacot et al. 2018).",
    "infinite": "What infinitely many units in each layer would compute: there the kernel cannot move, and no seed matters.",
    "interval": "In 95 of 100 repetitions with other seeds and probe points, such a bar contains the mean over all of them.",
    "floor": "What rounding and the choice of probe points alone can make of the measure: below it, nothing is shown to move.",
}

MEASURES = {
    "kernel_change": "How far the tangent kernel moved since the start, relative to its size: lazy below 0.1, rich above 0.5.",
    "linearization_gap": "How far the network is from its linearized twin, relative to how far it moved: lazy below 0.1.",
    "representation_change": "How far the hidden features moved: 0 keeps their geometry, 1 has nothing in common with it.",
    "forecast_skill": "How much of the network's path the twin had foreseen before the first step.",
}
"""The meaning of some measures, shown before their formulas."""


def term(name: str, text: str) -> str:
    """Draw a word of the page, or a measure's name, whose definition opens at a press."""
    return f'<button type="button" class="term" popovertarget="term-{name}">{escape(text)}</button>'


def glossary() -> str:
    """Draw the definitions, which stay as they are while a run redraws the words that open them."""
    formulas = {name: f"{text[:1].upper()}{text[1:]}." for name, text in DEFINITIONS.items()}
    meant = TERMS | {name: f"{MEASURES.get(name, '')} {formula}" for name, formula in formulas.items()}
    return "".join(
        f'<div id="term-{name}" class="definition" popover>{escape(text.strip())}</div>' for name, text in meant.items()
    )

"""The terms of the page, each defined in a sentence that opens beside the dotted word when that is pressed."""

from regime.measures.definitions import DEFINITIONS
from regime.ui.text import escape, paper, sentence

TERMS = {
    "lazy": "Training hardly changes the features of the network: a linear model fixed before the first step learns the same.",
    "rich": "Training changes the features: the network learns what to look at, and leaves its linear model behind.",
    "twin": "The linearized twin is the network's tangent at its start: linear in the weights, its features fixed, trained by "
    f"the same steps on the same data ({paper('Lee et al. 2019', '1902.06720')}).",
    "kernel": "The tangent kernel says how far a training step on one point moves the output at another; while it stays "
    f"constant, training is linear ({paper('Jacot et al. 2018', '1806.07572')}).",
    "infinite": "What a network of infinitely many units a layer computes: its kernel cannot move, and no seed matters.",
    "interval": "In 95 of 100 repetitions with other seeds and probe points, it contains the mean over all of them.",
    "floor": "How large rounding and the choice of probe points alone can make a measure: less shows no movement.",
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


def meaning(name: str) -> str:
    """Return the definition of a measure as a sentence; empty for what is no measure."""
    return sentence(DEFINITIONS[name]) if name in DEFINITIONS else ""


def glossary() -> str:
    """Draw the definitions, which stay as they are while a run redraws the words that open them."""
    formulas = {name: escape(f"{MEASURES.get(name, '')} {meaning(name)}".strip()) for name in DEFINITIONS}
    return "".join(
        f'<div id="term-{name}" class="definition" popover>{text}</div>' for name, text in (TERMS | formulas).items()
    )

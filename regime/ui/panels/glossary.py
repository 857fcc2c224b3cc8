"""The terms of the page, each defined in a sentence that opens beside the dotted word when that is pressed."""

from regime.measures.definitions import DEFINITIONS
from regime.ui.markup import render
from regime.ui.text import sentence


def meaning(name: str) -> str:
    """Return the definition of a measure as a sentence; empty for what is no measure."""
    return sentence(DEFINITIONS[name]) if name in DEFINITIONS else ""


def glossary() -> str:
    """Draw the definitions, which stay as they are while a run redraws the words that open them."""
    return render("definitions", formulas={name: meaning(name) for name in DEFINITIONS})

"""Numbers and names as the page writes them, and its markup: Jinja templates beside the scripts in `static`.

A template takes all values as text but markup of their own.
"""

import re
from math import inf
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from regime.plots.words import NAMES, field_name, option_name

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
RAISED = str.maketrans("-0123456789", "\u207b\u2070\xb9\xb2\xb3\u2074\u2075\u2076\u2077\u2078\u2079")
"""Digits of an exponent."""
MENTIONED = re.compile(
    r"'[^']*'|\bnull\b|(?:\b(?:base|axes)\.)?\b([a-z]\w*(?= (?:=|is empty|left empty))|[a-z]+(?:_[a-z]+)+)\b(?!/)"
)
"""A quoted text, null, or the name of a field, in a message."""


def sentence(text: str) -> str:
    """Return a description as a sentence: with a capital, and with a full stop."""
    return f"{text[:1].upper()}{text[1:]}" + "." * (not text.endswith("."))


def in_labels(message: str) -> str:
    """Return what is wrong with a configuration with a capital, its fields by their labels, null as empty."""

    def said(found: re.Match[str]) -> str:
        return field_name(found[1]) if found[1] else "empty" if found[0] == "null" else found[0]

    text = MENTIONED.sub(said, message.replace(" = None is not allowed; ", " is empty; ").replace(" = None ", " left empty "))
    return text[:1].upper() + text[1:]


def papers(text: str) -> Markup:
    """Return a text as markup, its numbers on arXiv as links."""
    return Markup(re.sub(r"arXiv (\d{4}\.\d{5})", lambda found: paper(found[0], found[1]), escape(text)))


def paper(name: str, arxiv: str) -> Markup:
    """Return the name of a paper as a link to it: a tab of its own, since a visit's runs live in this one."""
    link = Markup('<a class="paper" href="https://arxiv.org/abs/{}" target="_blank" rel="noopener">{}</a>')
    return link.format(arxiv, name)


def number(value: float | None, digits: int = 2) -> str:
    """Return a value with a few significant digits, and no exponent in the range that a reader compares by eye."""
    if not value:
        return DASH if value is None else "0"
    size = abs(value)
    if not 1e-3 <= size < 1e5 and size < inf:
        leading, exponent = f"{value:.1e}".split("e")
        return f"{leading.replace('-', MINUS)}\N{MULTIPLICATION SIGN}10{str(int(exponent)).translate(RAISED)}"
    power = f"{size:.{digits - 1}e}".partition("e")[2]  # of the rounded value: 0.096 keeps two digits, 0.0996 is 0.10
    return f"{value:.{max(0, digits - 1 - int(power or 0))}f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """Return a time span in words: `12 s`, `3 min 20 s`, `4 h 39 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes >= 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def byte_size(count: int) -> str:
    """Return a number of bytes in words: `1.4 GB`."""
    return f"{count / 1e9:.2g} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def signed(exponent: float) -> str:
    """Return an exponent with two places, unless it is a large one."""
    return f"{exponent:.2f}".replace("-", MINUS) if abs(exponent) < 100 else number(exponent)


TEMPLATES = Environment(loader=PackageLoader("regime.ui", "static"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
TEMPLATES.filters |= {
    "number": number,
    "signed": signed,
    "papers": papers,
    "sentence": sentence,
    "field": field_name,
    "option": option_name,
    "measure": lambda name: NAMES.get(name, name),
}
TEMPLATES.globals["paper"] = paper


def render(name: str, **values: Any) -> str:
    """Return the markup of a template with values in it."""
    return TEMPLATES.get_template(f"{name}.html").render(values)

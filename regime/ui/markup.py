"""Markup of the page: Jinja templates beside the scripts in `static`, which take all values as text but markup of their own."""

from typing import Any

from jinja2 import Environment, PackageLoader

from regime.plots.words import NAMES, field_name, option_name
from regime.ui.text import MINUS, number, paper, papers


def signed(exponent: float) -> str:
    """Return an exponent with two places, unless it is a large one."""
    return f"{exponent:.2f}".replace("-", MINUS) if abs(exponent) < 100 else number(exponent)


TEMPLATES = Environment(loader=PackageLoader("regime.ui", "static"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
TEMPLATES.filters |= {"number": number, "signed": signed, "papers": papers, "field": field_name, "option": option_name}
TEMPLATES.globals["paper"] = paper
TEMPLATES.filters["measure"] = lambda name: NAMES.get(name, name)


def render(name: str, **values: Any) -> str:
    """Return the markup of a template with values in it."""
    return TEMPLATES.get_template(f"{name}.html").render(values)

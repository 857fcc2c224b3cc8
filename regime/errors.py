"""What is refused, and in which words; and what counts as a number: Python's and NumPy's, never true or false."""

from math import isfinite
from numbers import Integral, Real
from typing import Any


class ConfigError(ValueError):
    """A bad configuration; the message names the field, the value, and what is allowed."""


def show(value: Any) -> str:
    """Return a value as messages show it: at most 80 characters of its representation."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = "a number too long to show"
    return text if len(text) <= 80 else text[:77] + "..."


def is_integer(value: object) -> bool:
    """Return whether a value is a whole number by its type."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Return whether a value is a finite real number."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)

"""What counts as a number: Python's and NumPy's, never true or false."""

from math import isfinite
from numbers import Integral, Real


def is_integer(value: object) -> bool:
    """Return whether a value is a whole number by its type."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Return whether a value is a finite real number."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)

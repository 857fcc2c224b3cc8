"""What is refused, and in which words; and what counts as a number: Python's and NumPy's, never true or false."""

from contextlib import suppress
from math import isfinite
from numbers import Integral, Real
from typing import Any

SEEDS = 0, 2**63 - 1
"""The seeds that torch's generators take, and the ones after them."""


class ConfigError(ValueError):
    """A bad configuration; the message names the field, the value, and what is allowed."""


def show(value: Any) -> str:
    """Return a value as messages show it: at most 80 characters of its representation."""
    try:
        text = repr(_begun(value))
    except ValueError:  # an integer of thousands of digits
        text = "a number too long to show"
    except Exception as error:  # of a class of somebody's own, or nested too deep
        text = f"a value of {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return text if len(text) <= 80 else text[:77] + "..."


def _begun(value: Any) -> Any:
    """The first entries of a list that is long: to represent millions takes seconds."""
    return value[:80] if type(value) in (list, tuple, str, bytes) else value


def is_text(value: object) -> bool:
    """Return whether reports can keep a value as text: halves of characters they cannot."""
    with suppress(UnicodeEncodeError):
        return isinstance(value, str) and value.encode() is not None
    return False


def is_integer(value: object) -> bool:
    """Return whether a value is a whole number by its type."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Return whether a value is a finite real number, as a float, too."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number in a range.

    Args:
        name: of the field.
        value: anything.
        least: the smallest that is allowed.
        most: the largest, where there is one.

    Raises:
        ValueError: it names the field, the value and what is allowed.
    """
    if not is_integer(value) or value < least or (most is not None and value > most):
        allowed = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"
        raise ValueError(f"{name} = {show(value)} is not allowed; allowed: {allowed}")

"""Parts of one's own in a configuration: classes and functions that it names by import path, and that a run imports."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WrapValidator

from regime.errors import ConfigError, show

PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
LONGEST, MEASURES = 200, 16
"""Characters of an import path, and measures of one's own in a run."""
PARTS = ("task", "optimizer", "model", "measures")
"""Fields that may name a part of one's own."""


def is_own(value: object) -> bool:
    """Return whether a value is the import path of a part of one's own, such as "package.module:Name"; imports nothing."""
    return isinstance(value, str) and ":" in value and len(value) <= LONGEST and re.fullmatch(PATH, value) is not None


def path_of(part: object) -> str:
    """Return the import path of a class or function.

    Raises:
        ValueError: it is not found again by that path, as a lambda, an object, or a class inside a function.
    """
    path = f"{getattr(part, '__module__', '')}:{getattr(part, '__qualname__', '')}"
    try:
        known = is_own(path) and _imported(path) is part
    except (ImportError, AttributeError):
        known = False
    if not known:
        raise ValueError(
            f"{show(part)} is not allowed: it cannot be found again by an import path; allowed: a class or function at the top "
            "of a module, or 'module:name' as text"
        )
    return path


def find(field: str, path: str, *needs: str, made: bool = True) -> Any:
    """Import a part of one's own.

    Args:
        field: of the configuration, for messages.
        path: "module:Name".
        needs: attributes that it must have.
        made: whether a class is called without arguments first.

    Raises:
        ConfigError: it cannot be imported or made, or lacks an attribute.
    """
    with blamed(field, path):
        part = _imported(path)
        if made and isinstance(part, type):
            part = part()
    check(field, path, part, *needs)
    return part


def check(field: str, name: object, part: object, *needs: str) -> None:
    """Refuse a part of one's own that lacks one of the attributes it needs.

    Args:
        field: of the configuration.
        name: what the part is called, such as its path.
        part: the part itself.
        needs: names of attributes.

    Raises:
        ConfigError: it does; the message names them.
    """
    with blamed(field, name):  # an attribute may be a property that fails
        lacking = [need for need in needs if not hasattr(part, need)]
    if lacking:
        raise ConfigError(f"{field} = {show(name)} is not allowed: it has no {', '.join(lacking)}; allowed: {', '.join(needs)}")


@contextmanager
def blamed(field: str, path: object) -> Iterator[None]:
    """Turn whatever a part of one's own raises into a ConfigError that names the part."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{field} = {show(path)} failed: {type(error).__name__}: {error}") from error


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return attrgetter(name)(import_module(module))


def _named(value: Any, known: Any, info: ValidationInfo) -> Any:
    """A part of one's own by its path; what is none is left to the field's own validation."""
    if is_own(value):
        return value
    if isinstance(value, str) or not callable(value):
        return known(value)
    try:
        return path_of(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name} = {error}") from None


ACCEPTED = WrapValidator(_named), PlainSerializer(lambda value: value)
"""Annotations of a field that takes parts of one's own, too. Its schema is that of all others, which servers take."""
if TYPE_CHECKING:
    Measures = Sequence[str | Callable[..., Any]]
else:
    Measures = Annotated[
        tuple[Annotated[str, Field(pattern=PATH, max_length=LONGEST), *ACCEPTED], ...],
        Field(max_length=MEASURES),
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    ]

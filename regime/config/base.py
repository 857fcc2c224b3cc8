"""What every configuration has in common: frozen fields, validated once; errors name field, value and what is allowed."""

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NoReturn, Self
from urllib.parse import parse_qsl, urlencode

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from regime.config.files import no_files
from regime.config.own import PARTS, is_own
from regime.errors import ConfigError, show

SEED_LIMIT = 2**31 - 1
Device = Literal["auto", "cpu", "cuda"]


ROWS = ("csv", "texts")
"""Fields that hold somebody's own rows: they stay out of links."""


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "above " if "exclusiveMinimum" in schema else "from "
    below = " to below " if "exclusiveMaximum" in schema else " to "
    return f" {above}{low}{below}{high}" if low is not None and high is not None else ""


def describe(schema: dict[str, Any]) -> str:
    """Return what a field's JSON Schema allows in words, such as `an integer from 1 to 8`."""
    if "anyOf" in schema:
        return " or ".join(describe(option) for option in schema["anyOf"])
    if "oneOf" in schema or schema.get("type") == "object":
        return "an object of named fields" + (", each with a list of values" if "additionalProperties" in schema else "")
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    names = {"integer": "an integer", "number": "a finite number", "boolean": "true or false", "null": "null", "string": "text"}
    if schema.get("type") == "array":
        count = f" of {schema.get('minItems', 0)} to {schema['maxItems']} entries" if "maxItems" in schema else ""
        return f"a list{count}, each {describe(schema['items'])}"
    if "pattern" in schema:
        return "the import path 'module:Name' of a part of one's own"
    if "maxLength" in schema:
        least = f"{schema['minLength']} to" if "minLength" in schema else "at most"
        return f"text of {least} {schema['maxLength']} characters"
    return names.get(schema.get("type", ""), "a value of its type") + _range(schema)


class FrozenDict(dict):
    """A dict that cannot be changed, and so has a hash."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a configuration is frozen: model_copy(update={...}) gives another one")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[dict]]:
        return FrozenDict, (dict(self),)


FROM_LIST = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""For fields that are tuples: JSON has lists."""


PLAIN = {bool, int, float, str, type(None)}
ENTRIES = 10_000
"""Fields, or entries of a field with all that is in them, beyond which nothing is looked at: to refuse each takes minutes."""
PROBLEMS = 8
"""Problems that a message names."""


def plain(value: Any) -> Any:
    """Return a value with NumPy's numbers and arrays as Python's, also inside lists, tuples and dicts."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    return value


def _entries(value: Any, left: int) -> int:
    """How many more entries there may be, below zero where there are too many."""
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        left = _entries(entry, left - 1)
        if left < 0:
            break
    return left


def _plain(name: str, value: Any) -> Any:
    """The same of a field; raises ConfigError where it is nested without end, or has too many entries."""
    try:
        if _entries(value, ENTRIES) < 0:
            raise ConfigError(f"{name} = {show(value)} is not allowed; allowed: at most {ENTRIES} entries")
        return plain(value)
    except RecursionError:
        raise ConfigError(
            f"{name} = {show(value)} is not allowed: it is nested too deep; allowed: what its type holds"
        ) from None


def named_fields(fields: Any) -> dict[str, Any]:
    """Return a mapping of names to values as a dict; raises ConfigError where it is none."""
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
        raise ConfigError(f"config = {show(fields)} is not allowed; allowed: an object of named fields")
    return dict(fields)


class Config(BaseModel):
    """Base of every configuration: frozen, strict about types, closed to unknown fields; NumPy's numbers are numbers.

    Raises:
        ConfigError: a field is unknown, of the wrong type, not finite or out of range, or two fields contradict.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, hide_input_in_errors=True
    )

    def __init__(self, **fields: Any) -> None:
        if len(fields) > ENTRIES:
            raise ConfigError(f"{len(fields)} fields are not allowed; allowed: those of {type(self).__name__}")
        try:
            super().__init__(**{name: _plain(name, value) for name, value in fields.items()})
        except ValidationError as error:
            raise self._explain(error) from None

    @classmethod
    @cache
    def properties(cls) -> dict[str, dict[str, Any]]:
        """Return the JSON Schema of each field, made once: it takes 10 ms, and a hostile query may have many fields."""
        return cls.model_json_schema()["properties"]

    @classmethod
    def _explain(cls, error: ValidationError) -> ConfigError:
        properties = cls.properties()
        lines: list[str] = []
        problems = error.errors(include_url=False)
        for problem in problems:
            if len(lines) == PROBLEMS:
                return ConfigError(f"{'; '.join(lines)}; and more, {len(problems)} problems in all")
            field = str(problem["loc"][0]) if problem["loc"] else ""
            if problem["type"] == "extra_forbidden":
                line = f"{show(field)} is not a field of {cls.__name__}; allowed: {', '.join(properties)}"
            elif field in properties and problem["type"] != "value_error":
                within = properties[field].get("additionalProperties")
                named = isinstance(within, dict) and len(problem["loc"]) > 1
                where, schema = (f"{field}.{problem['loc'][1]}", within) if named else (field, properties[field])
                line = f"{where} = {show(problem['input'])} is not allowed; allowed: {describe(schema)}"
            else:
                line = problem["msg"].removeprefix("Value error, ")
            if line not in lines:
                lines.append(line)
        return ConfigError("; ".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them, `kind` included."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Build a configuration from a mapping of fields; raises ConfigError as the constructor does."""
        return cls(**named_fields(fields))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002 - all is frozen
        """Return a configuration with some fields changed, validated as any other; raises ConfigError."""
        return type(self)(**{**dict(self), **(update or {})})

    copy = model_copy

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **fields: Any) -> Self:
        """Return a configuration of these fields: there is no way around validation."""
        return cls(**fields)

    def own_parts(self) -> list[tuple[str, str]]:
        """Return the parts of one's own, each by the field that names it and its import path; imports nothing."""
        named = {name: getattr(self, name, ()) for name in PARTS}
        values = {name: value if isinstance(value, tuple) else (value,) for name, value in named.items()}
        return [(name, part) for name, parts in values.items() for part in parts if is_own(part)]

    def without_own(self) -> Self:
        """Return the configuration, for a server or a link, whose parts have to be those that there are.

        Raises:
            ConfigError: it names a part of one's own; nothing of it was imported.
        """
        for name, path in self.own_parts():
            raise ConfigError(
                f"{name} = {show(path)} is not allowed from a link, the page or the API: parts of one's own are for Python; "
                "allowed: what ships with the package"
            )
        return self

    def changes(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, without somebody's own rows."""
        changed = self.model_dump(exclude_defaults=True, exclude=set(ROWS))
        nested = {name: value for name in changed if isinstance(value := getattr(self, name), Config)}
        return changed | {name: {"kind": value.kind, **value.changes()} for name, value in nested.items()}

    def to_query(self) -> str:
        """Return the fields that differ from their defaults as a URL query, without somebody's own rows."""
        written = {name: _written(value, self.properties()[name]) for name, value in self.changes().items()}
        return urlencode({"kind": self.kind, **written})

    @classmethod
    def from_query(cls, query: str) -> Self:
        """Build a configuration from what `to_query` returned; raises ConfigError as the constructor and `without_own` do."""
        if not isinstance(query, str):
            raise ConfigError(f"query = {show(query)} is not allowed; allowed: text as `to_query` gives it")
        pairs = list(dict.fromkeys(parse_qsl(query, keep_blank_values=True)))
        name, count = Counter(name for name, _ in pairs).most_common(1)[0] if pairs else ("", 0)
        if count > 1:
            values = [text for other, text in pairs if other == name]
            raise ConfigError(f"{name:.80} = {show(values)} is not allowed: a field is there twice; allowed: one value")
        fields = {name: from_text(text, cls.properties().get(name, {})) for name, text in pairs}
        with no_files():
            return cls(**fields).without_own()


def _written(value: Any, schema: dict[str, Any]) -> Any:
    """A value as a query holds it, the inverse of `from_text`; a column's name that looks like anything else is quoted."""
    if value is None:
        return "none"
    quoted = isinstance(value, list | tuple | dict) or (isinstance(value, str) and from_text(value, schema) != value)
    return json.dumps(value) if quoted else value


def from_text(text: str, schema: dict[str, Any]) -> Any:
    """Return a text as the type that its field's schema asks for; left as text, for validation to refuse, if it is not."""
    types = {option.get("type") for option in schema.get("anyOf", [schema])}
    if "string" in types and text.startswith('"'):
        types = {"array"}
    elif "array" in types and "string" not in types and not text.startswith("[") and text != "none":
        items = next(option["items"] for option in schema.get("anyOf", [schema]) if "items" in option)
        return [from_text(part.strip(), items) for part in text.split(",") if part.strip()]
    if "null" in types and (text == "none" or (text == "null" and "string" not in types)):
        return None
    if "boolean" in types:
        return {"True": True, "False": False, "true": True, "false": False}.get(text, text)
    if "oneOf" in schema:
        types = {"object"}
    plain = text.isascii() and "_" not in text  # Python also reads 8_0, and digits of other scripts
    for kind, read in (("integer", int), ("number", float), ("array", json.loads), ("object", json.loads)):
        if kind in types and (plain or read is json.loads):
            try:
                return read(text)
            except (ValueError, RecursionError):
                continue
    return text

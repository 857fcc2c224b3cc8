"""Configurations from a schema and around it: what it allows, what lies at its bounds, and what nobody should send."""

from typing import Any

from hypothesis import strategies as st

from regime.config import KINDS

HOSTILE = (
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:1/x",
    "os:system",
    "<img src=x onerror=alert(1)>",
)
HOSTILE += (
    "{{7*7}}",
    "${7*7}",
    "%s%n",
    "a\x00b",
    "\ud800",
    "💥" * 40,
    "'; DROP TABLE cells; --",
    "[" * 2000,
    "x" * 100_000,
    "NaN",
    "1e999",
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, -(2**63), 2**64, 10**30, 0, -1]),
    st.floats(),
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.floats()), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
"""What may stand where anything else is expected."""
SMALL = {
    "width": 32, "depth": 3, "steps": 6, "seeds": 2, "max_seeds": 3, "samples": 24, "test_samples": 16, "probe_samples": 12,
    "tokens": 8, "max_tokens": 8, "bottleneck": 8, "warmup": 2, "batch_size": 8,
}  # fmt: skip
"""The most that a run of the fuzz takes of what costs time: more is for the tests of limits."""


def fitting(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that one field's schema allows, mostly."""
    if "anyOf" in schema:
        return st.one_of(*(fitting(name, part) for part in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    match schema.get("type"):
        case "integer":
            least = int(schema.get("minimum", schema.get("exclusiveMinimum", 0)))
            most = min(int(schema.get("maximum", 64)), SMALL.get(name, 64))
            return st.integers(least, max(least, most))
        case "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 1e-6))
            return st.floats(least, min(schema.get("maximum", 1e4), 1e4), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            return st.lists(fitting(name, schema.get("items", {})), max_size=3)
        case _:
            return st.sampled_from(HOSTILE)


def configs(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return configurations of a kind: small, with a few fields more; half of them have something that nobody should send."""
    known = {name: schema for name, schema in KINDS[kind].properties().items() if name != "kind"}
    small = {name: fitting(name, known[name]) for name in SMALL if name in known}
    rest = {name: fitting(name, schema) for name, schema in known.items() if name not in small}
    if kind == "sweep":
        rest["base"] = configs("toy")
        rest["axes"] = st.dictionaries(
            st.sampled_from(["width", "alpha", "depth", "steps", "task"]), st.lists(st.integers(1, 32), max_size=3), max_size=2
        )
    names = st.lists(st.sampled_from(sorted(rest)), max_size=3, unique=True)
    sound = names.flatmap(lambda chosen: st.fixed_dictionaries(small | {name: rest[name] for name in chosen}))
    field = st.one_of(st.sampled_from(sorted(known)), st.text(max_size=12))
    broken = st.one_of(st.just({}), st.dictionaries(field, ODD, max_size=2))
    return st.builds(lambda whole, wrong: whole | wrong, sound, broken)

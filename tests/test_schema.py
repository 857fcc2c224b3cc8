"""The shipped schemas are those of the code, and what runs send obeys them."""

import json

import jsonschema
import pytest

import regime
from regime import ProbeConfig, ToyConfig
from regime.schema import SCHEMAS, schemas

CONFIG = ToyConfig(samples=16, test_samples=8, probe_samples=8, width=8, seeds=1, steps=4, measure_every=2)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_shipped_schemas_are_current(name: str) -> None:
    shipped = json.loads((SCHEMAS / f"{name}.json").read_text())
    assert shipped == schemas()[name], "refresh with: python -m regime.schema"
    jsonschema.Draft202012Validator.check_schema(shipped)


def test_what_a_run_sends_obeys_the_schemas() -> None:
    known = schemas()
    for event in regime.stream(CONFIG):
        jsonschema.validate(event.to_dict(), known["event"])
    jsonschema.validate(event.report, known["report"])
    jsonschema.validate(CONFIG.to_dict(), known["toy"])
    jsonschema.validate(ProbeConfig().to_dict(), known["probe"])


@pytest.mark.parametrize("spoil", [{"kind": "other"}, {"step": "one"}, {"verdict": {}}, {"extra": 1}])
def test_the_event_schema_refuses_what_is_no_event(spoil: dict) -> None:
    measured = next(event for event in regime.stream(CONFIG) if event.kind == "measured").to_dict()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(measured | spoil, schemas()["event"])


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_field_is_described(name: str) -> None:
    schema = schemas()[name]
    parts = {name: schema, **schema.get("$defs", {})}
    assert not [
        f"{part}.{field}"
        for part, known in parts.items()
        for field, described in known.get("properties", {}).items()
        if not described.get("description")
    ]

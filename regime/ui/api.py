"""The endpoints that other people's code calls: the same configurations and the same events as in Python and on the page."""

import tomllib
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import regime
from regime.catalog import catalog
from regime.composer.search import Axis
from regime.config import KINDS, ToyConfig, shared_config
from regime.data import FOLDER
from regime.measures.advice import Side
from regime.reproductions.registry import CLAIMS
from regime.resources.limits import limits
from regime.ui.endpoint import Endpoint, Schemas, typed
from regime.ui.run.books import BOOKS
from regime.ui.run.runs import Events, beyond, border_events, claim_events, events, fitting, readable

WRITTEN: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "endpoints.toml").read_text(encoding="utf-8"))
"""What each endpoint is called as a tool, what it does, and its parameters."""
ENUMS = {"axes": get_args(Axis), "sides": get_args(Side), "kinds": KINDS, "claims": CLAIMS}
"""What some parameters may be."""


def reproduce(fields: Any, visitor: str | None) -> Events:
    """Yield the events of a reproduction."""
    yield from claim_events(fields.get("claim"), fields.get("full", False), visitor)


def estimate(fields: Any) -> dict[str, Any]:
    """Return what a run costs here; without a kind, one of that which knows most of the fields that a toy does not know."""
    with readable():
        if isinstance(fields, dict) and "kind" not in fields:
            foreign = fields.keys() - ToyConfig.model_fields
            fields = {"kind": max(KINDS, key=lambda kind: len(foreign & KINDS[kind].model_fields.keys())), **fields}
        config = shared_config(fields)
        cost = regime.estimate(config)
        return {"kind": config.kind, **cost.to_dict(), "refused": beyond(config, cost), "fits": fitting(config, cost)}


def schemas(name: str) -> Schemas:
    """Return the parameters of an endpoint as they are written; of a run, the fields of its configuration."""
    if name in KINDS:
        said = f"fields of {KINDS[name].__name__} as one object, for any that are not given by themselves"
        return {"config": {"type": "object", "default": None, "description": said}, **typed(KINDS[name])}
    found: Schemas = {}
    for parameter, written in WRITTEN[name].get("parameters", {}).items():
        schema = dict(written)
        if not schema.pop("required", False):
            schema.setdefault("default", None)
        found[parameter] = schema | ({"enum": [*ENUMS[schema["enum"]]]} if "enum" in schema else {})
    return found


ANSWERS: dict[str, Callable[..., Any]] = {
    **{kind: partial(events, kind=kind) for kind in KINDS},
    "border": border_events,
    "reproduce": reproduce,
    "estimate": estimate,
    "catalog": lambda _: {**catalog(), "limits": {**limits().to_dict(), "runs_at_once": limits().slots}},
    "health": lambda _: BOOKS.health(),
}
ENDPOINTS = {
    name: Endpoint(name, said["tool"], said["about"].strip(), ANSWERS[name], schemas(name), said.get("whole"))
    for name, said in WRITTEN.items()
}
STREAMS = tuple(name for name, endpoint in ENDPOINTS.items() if endpoint.streams)
"""Endpoints that send events."""

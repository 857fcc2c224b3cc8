"""The endpoints that other people's code calls: the same configurations and the same events as in Python and on the page."""

import tomllib
from collections.abc import Callable
from typing import Any, get_args

import regime
from regime.catalog import catalog as everything
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


def run(kind: str) -> Callable[..., Events]:
    """Return what answers with the events of a kind of run, its place in the queue first."""

    def answer(fields: Any, visitor: str | None) -> Events:
        yield from events(fields, kind, visitor)

    return answer


def reproduce(fields: Any, visitor: str | None) -> Events:
    """Yield the events of a reproduction."""
    full = fields.get("full", False)
    with readable():
        if not isinstance(full, bool):
            raise regime.ConfigError(f"full = {full!r:.80} is not allowed; allowed: true or false")
    yield from claim_events(fields.get("claim"), full, visitor)


def estimate(fields: Any) -> dict[str, Any]:
    """Return what a run costs here."""
    with readable():
        config = shared_config(
            fields if not isinstance(fields, dict) or "kind" in fields else {"kind": kind_of(fields), **fields}
        )
        cost = regime.estimate(config)
        return {"kind": config.kind, **cost.to_dict(), "refused": beyond(config, cost), "fits": fitting(config, cost)}


def kind_of(fields: dict[str, Any]) -> str:
    """Return the kind of run that knows most of the fields that a toy does not know; where none does, a toy."""
    foreign = fields.keys() - ToyConfig.model_fields
    return max(KINDS, key=lambda kind: len(foreign & KINDS[kind].model_fields.keys()))


def catalog(fields: Any) -> dict[str, Any]:
    """Return everything that can be chosen, and the limits."""
    del fields
    known = everything()
    return known | {"limits": {**known["limits"], "runs_at_once": limits().slots}}


def health(fields: Any) -> dict[str, Any]:
    """Return how the server is."""
    del fields
    return BOOKS.health()


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
    **{kind: run(kind) for kind in ("toy", "probe", "checkpoints", "sweep")},
    "border": border_events,
    "reproduce": reproduce,
    "estimate": estimate,
    "catalog": catalog,
    "health": health,
}
ENDPOINTS = {
    name: Endpoint(name, said["tool"], said["about"].strip(), ANSWERS[name], schemas(name), said.get("whole"))
    for name, said in WRITTEN.items()
}
STREAMS = tuple(name for name, endpoint in ENDPOINTS.items() if endpoint.streams)
"""Endpoints that send events."""

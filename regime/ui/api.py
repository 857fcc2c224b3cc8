"""The endpoints that other people's code calls: the same configurations and the same events as in Python and on the page."""

from collections.abc import Iterator
from typing import Any, get_args

import regime
from regime.catalog import catalog as everything
from regime.composer.search import Axis
from regime.config import KINDS, ToyConfig, shared_config
from regime.measures.advice import Side
from regime.reproductions.registry import CLAIMS
from regime.resources.limits import limits
from regime.ui.endpoint import Endpoint, Schemas, typed
from regime.ui.run.books import BOOKS
from regime.ui.run.claims import claim_events
from regime.ui.run.runs import beyond, events, fitting, readable
from regime.ui.run.searches import border_events

Events = Iterator[dict[str, Any]]


def toy(fields: Any, visitor: str | None) -> Events:
    """Train small networks on a toy task beside their linearized twins; the verdict says whether they were lazy or rich.

    The events are started, measured and finished, the last one with the report.
    """
    yield from events(fields, "toy", visitor)


def probe(fields: Any, visitor: str | None) -> Events:
    """Fine-tune a pretrained transformer, measured layer by layer; the verdict says whether it was lazy or rich.

    The events are started, measured and finished, the last one with the report.
    """
    yield from events(fields, "probe", visitor)


def checkpoints(fields: Any, visitor: str | None) -> Events:
    """Measure checkpoints of one model against the first, layer by layer; the verdict says whether training was lazy or rich.

    The events are started, measured and finished, the last one with the report.
    """
    yield from events(fields, "checkpoints", visitor)


def sweep(fields: Any, visitor: str | None) -> Events:
    """Run a toy or a probe for every combination of some fields' values: a map of regimes, and the power laws along its axes.

    The events are started, measured with a cell each, and finished with the report. Cells are kept by the server.
    """
    yield from events(fields, "sweep", visitor)


def border(fields: Any, visitor: str | None) -> Events:
    """Search the value of a toy's field at which its regime changes, with its interval: every value is tried.

    The events are trying, tried and finished, the last one with the border.
    """
    yield from border_events(fields, visitor)


def reproduce(fields: Any, visitor: str | None) -> Events:
    """Reproduce a published claim, and judge it by the interval of what was measured: pass, fail or undecided.

    The events are started, working, found with a number, drawn with a figure, and finished with the card of it all.
    """
    full = fields.get("full", False)
    with readable():
        if not isinstance(full, bool):
            raise regime.ConfigError(f"full = {full!r:.80} is not allowed; allowed: true or false")
    yield from claim_events(fields.get("claim"), full, visitor)


def estimate(fields: Any) -> dict[str, Any]:
    """Return the kind of a run, the seconds and bytes that it will take here, and, where it is too long, what would fit.

    A run that is `refused` does not begin; a toy, whose seconds are known within a factor of two, begins and is ended at the
    server's limit.
    """
    with readable():
        run = shared_config(fields if not isinstance(fields, dict) or "kind" in fields else {"kind": kind_of(fields), **fields})
        cost = regime.estimate(run)
        return {"kind": run.kind, **cost.to_dict(), "refused": beyond(run, cost), "fits": fitting(run, cost)}


def kind_of(fields: dict[str, Any]) -> str:
    """Return the kind of run that knows most of the fields that a toy does not know; where none does, a toy."""
    foreign = fields.keys() - ToyConfig.model_fields
    return max(KINDS, key=lambda kind: len(foreign & KINDS[kind].model_fields.keys()))


def catalog(fields: Any) -> dict[str, Any]:
    """Return tasks, models, claims, measures with definitions, limits, and the JSON Schemas of what is sent and received.

    A task with 0 classes is a regression; with null, its rows decide.
    """
    del fields
    known = everything()
    return known | {"limits": {**known["limits"], "runs_at_once": limits().slots}}


def health(fields: Any) -> dict[str, Any]:
    """Return how the server is: version, queue, memory, runs since it began, and the class of the last error."""
    del fields
    return BOOKS.health()


def whole(of: str) -> Schemas:
    """Return the parameter `config`, an object that may hold all other parameters."""
    said = f"fields of {of} as one object, for any that are not given by themselves"
    return {"config": {"type": "object", "default": None, "description": said}}


SEARCH: Schemas = {
    "search": {"type": "object", "default": None, "description": "the other parameters as one object"},
    "config": {"type": "object", "default": None, "description": "fields of ToyConfig, as train_toy takes them"},
    "axis": {"enum": [*get_args(Axis)], "default": "alpha", "description": "field that is searched"},
    "side": {
        "enum": [*get_args(Side)],
        "default": "lazy",
        "description": "'lazy': where lazy ends; 'rich': where rich begins",
    },
    "within": {
        "type": "array",
        "items": {"type": "number"},
        "default": None,
        "description": "the smallest and the largest value to try; null: all that the field allows",
    },
}
COST: Schemas = whole("the run") | {
    "kind": {
        "enum": [*KINDS],
        "default": None,
        "description": "of the run; null: as its fields tell, model a probe and axes a sweep",
    }
}
CLAIM: Schemas = {
    "claim": {"enum": [*CLAIMS], "description": "id of the claim; list_catalog says what each claims"},
    "full": {
        "type": "boolean",
        "default": False,
        "description": "whether to run the full form, of minutes, where the server allows it, and not the quick one",
    },
}
RUNS = {"toy": ("train_toy", toy), "probe": ("probe_transformer", probe), "checkpoints": ("compare_checkpoints", checkpoints)}
RUNS["sweep"] = ("map_regimes", sweep)
ENDPOINTS = {
    each.name: each
    for each in (
        *(
            Endpoint(kind, tool, answer, whole(KINDS[kind].__name__) | typed(KINDS[kind]), "config")
            for kind, (tool, answer) in RUNS.items()
        ),
        Endpoint("border", "find_border", border, SEARCH, "search"),
        Endpoint("reproduce", "reproduce_claim", reproduce, CLAIM),
        Endpoint("estimate", "estimate_cost", estimate, COST, "config"),
        Endpoint("catalog", "list_catalog", catalog, {}),
        Endpoint("health", "server_health", health, {}),
    )
}
STREAMS = tuple(name for name, endpoint in ENDPOINTS.items() if endpoint.streams)
"""Endpoints that send events."""

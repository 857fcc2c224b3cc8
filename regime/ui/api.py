"""The endpoints that other people's code calls: the same configurations and the same events as in Python and on the page."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

import regime
from regime.config import KINDS, ToyConfig, shared_config
from regime.config.models import ADDITION
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.measures.definitions import DEFINITIONS
from regime.models.sources import available
from regime.models.texts import MEANINGS
from regime.resources.limits import limits
from regime.ui.run.books import BOOKS
from regime.ui.run.runs import COMPUTE, beyond, events, fitting, readable
from regime.ui.run.searches import border_events

ADDED = "a + b mod 59 of the shipped trajectory; other models take the tasks of probes."


def toy(config: dict[str, Any] | None = None, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
    """Train toy networks beside their linearized twins and stream started, measured and finished events.

    Args:
        config: fields of ToyConfig, all optional; `/catalog` has their schema.
    """
    yield from _events(config, "toy", request)


def probe(config: dict[str, Any] | None = None, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
    """Fine-tune a pretrained transformer and stream its measures layer by layer.

    Args:
        config: fields of ProbeConfig, all optional; `/catalog` has their schema.
    """
    yield from _events(config, "probe", request)


def checkpoints(config: dict[str, Any] | None = None, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
    """Measure revisions of one model against the first, and stream their measures layer by layer.

    Args:
        config: fields of CheckpointConfig, all optional; `/catalog` has their schema.
    """
    yield from _events(config, "checkpoints", request)


def sweep(config: dict[str, Any] | None = None, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
    """Run a toy or a probe for every combination of some fields' values, and stream the cells as they finish.

    Args:
        config: fields of SweepConfig, all optional; `/catalog` has their schema. Cells are kept by the server.
    """
    yield from _events(config, "sweep", request)


def border(search: dict[str, Any] | None = None, request: gr.Request | None = None) -> Iterator[dict[str, Any]]:
    """Search the value of a toy's field at which its regime changes and stream trying, tried and finished events.

    Args:
        search: `config`, fields of ToyConfig; `axis`: alpha, learning_rate or width; `side`: lazy, where lazy ends, or rich,
            where rich begins; `within`: the smallest and largest value to try. All optional.
    """
    yield from border_events({} if search is None else search, request and request.session_hash)


def _events(config: Any, kind: str, request: gr.Request | None) -> Iterator[dict[str, Any]]:
    yield from events({} if config is None else config, kind, request and request.session_hash)


def estimate(config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the kind of a run, the seconds and bytes that it will take here, and, where it is too long, what would fit.

    A run that is `refused` does not begin; a toy, whose seconds are known within a factor of two, begins and is ended at the
    server's limit.

    Args:
        config: as for the run. Without `kind`, its fields tell: `model` a probe, `revisions` checkpoints, `axes` a sweep.
    """
    with readable():
        asked = {} if config is None else config
        run = shared_config(asked if not isinstance(asked, dict) or "kind" in asked else {"kind": kind_of(asked), **asked})
        cost = regime.estimate(run)
        return {"kind": run.kind, **cost.to_dict(), "refused": beyond(run, cost), "fits": fitting(run, cost)}


def kind_of(fields: dict[str, Any]) -> str:
    """Return the kind of run that knows most of the fields that a toy does not know; where none does, a toy."""
    foreign = fields.keys() - ToyConfig.model_fields
    return max(KINDS, key=lambda kind: len(foreign & KINDS[kind].model_fields.keys()))


def catalog() -> dict[str, Any]:
    """Return tasks, models, measures with definitions, limits, and the JSON Schemas of configurations, events and reports.

    A task with 0 classes is a regression; with null, its rows decide.
    """
    from regime.schema import schemas

    toys = {name: {"inputs": task.inputs, "classes": task.classes, "meaning": task.meaning} for name, task in TASKS.items()}
    toys[OWN] = {"inputs": None, "classes": None, "meaning": OWN_MEANING}
    return {
        "tasks": {"toy": toys, "probe": MEANINGS | {OWN: "Rows of your own."}, "checkpoints": {ADDITION: ADDED}},
        "models": available(),
        "measures": DEFINITIONS,
        "limits": {**limits().to_dict(), "runs_at_once": limits().slots},
        "schemas": schemas(),
    }


def health() -> dict[str, Any]:
    """Return how the server is: version, queue, memory, runs since it began, and the class of the last error."""
    return BOOKS.health()


STREAMS = {"toy": toy, "probe": probe, "checkpoints": checkpoints, "sweep": sweep, "border": border}
"""Endpoints that send events."""
ENDPOINTS = STREAMS | {"estimate": estimate, "catalog": catalog, "health": health}


def endpoints() -> None:
    """Add the endpoints to the Blocks being built."""
    for name, stream in STREAMS.items():
        gr.api(stream, api_name=name, **COMPUTE)
    gr.api(estimate, api_name="estimate", concurrency_id="preview", concurrency_limit=2)
    gr.api(catalog, api_name="catalog")
    gr.api(health, api_name="health", queue=False)

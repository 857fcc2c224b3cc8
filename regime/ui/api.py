"""The endpoints that other people's code calls: the same configurations and the same events as in Python and on the page."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from regime.limits import limits
from regime.measures.measurement import DEFINITIONS
from regime.models.catalog import CATALOG
from regime.models.texts import MEANINGS
from regime.toy.catalog import CSV, CSV_MEANING, TASKS
from regime.ui.runs import COMPUTE, events


def toy(config: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Train toy networks beside their linearized twins and stream started, measured and finished events.

    Args:
        config: fields of ToyConfig, all optional; `/catalog` has their schema.
    """
    yield from events({} if config is None else config, "toy")


def probe(config: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Fine-tune a pretrained transformer and stream its measures layer by layer.

    Args:
        config: fields of ProbeConfig, all optional; `/catalog` has their schema.
    """
    yield from events({} if config is None else config, "probe")


def catalog() -> dict[str, Any]:
    """Tasks, models, measures with their definitions, limits, and the JSON Schemas of configurations, events and reports.

    A task with 0 classes is a regression; with null, its rows decide.
    """
    from regime.schema import schemas

    toys = {name: {"inputs": task.inputs, "classes": task.classes, "meaning": task.meaning} for name, task in TASKS.items()}
    toys[CSV] = {"inputs": None, "classes": None, "meaning": CSV_MEANING}
    return {
        "tasks": {"toy": toys, "probe": MEANINGS},
        "models": {name: model.meaning for name, model in CATALOG.items()},
        "measures": DEFINITIONS,
        "limits": {**limits().to_dict(), "runs_at_once": COMPUTE["concurrency_limit"]},
        "schemas": schemas(),
    }


def endpoints() -> None:
    """Add the endpoints to the Blocks being built."""
    gr.api(toy, api_name="toy", **COMPUTE)
    gr.api(probe, api_name="probe", **COMPUTE)
    gr.api(catalog, api_name="catalog")

"""JSON Schemas of configurations, events and reports, generated from the classes that validate and send them."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from regime.composer.border import Border, BorderEvent
from regime.config import KINDS
from regime.data import FOLDER
from regime.record.events import Event
from regime.record.report import Report
from regime.reproductions.reproduce import Card, ReproductionEvent
from regime.sweep.events import SweepEvent
from regime.sweep.report import SweepReport

SCHEMAS = FOLDER / "schemas"
"""Where the schemas ship, one file each."""
KIND = "what this is; tells it apart from the others"
"""Description of the field that all of them have."""


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name: those of configurations, and of what all that streams sends and ends in."""
    known = {
        **{kind: config.model_json_schema() for kind, config in KINDS.items()},
        "event": TypeAdapter(Event).json_schema(mode="serialization"),
        "report": Report.model_json_schema(mode="serialization"),
        "sweep-event": TypeAdapter(SweepEvent).json_schema(mode="serialization"),
        "sweep-report": SweepReport.model_json_schema(mode="serialization"),
        "border-event": TypeAdapter(BorderEvent).json_schema(mode="serialization"),
        "border": Border.model_json_schema(mode="serialization"),
        "reproduction-event": TypeAdapter(ReproductionEvent).json_schema(mode="serialization"),
        "card": Card.model_json_schema(mode="serialization"),
    }
    for schema in known.values():
        for part in (schema, *schema.get("$defs", {}).values()):
            if kind := part.get("properties", {}).get("kind"):
                kind["description"] = KIND
    return known


def write(folder: Path = SCHEMAS) -> None:
    """Write every schema to `folder`; `python -m regime.schema` refreshes the shipped ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()

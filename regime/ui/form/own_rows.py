"""The part of a form for somebody's own rows: a file or pasted lines, what to read of them, and what was read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from regime.config import KINDS, shared_config
from regime.config.read import Choices
from regime.config.rows import OWN, RowsConfig
from regime.errors import ConfigError
from regime.ui.form.inputs import choice, line_field, text_field
from regime.ui.parts import folded, markup

BRING = "Paste rows or upload a file, under Own rows."
AWAITED = "This link holds the settings of a run on somebody's own rows. Bring rows for it: paste or drop them under Own rows."
COLUMNS = {
    "target": ("Target", "Name or number of the column. Empty: chosen by its looks."),
    "text_column": ("Text column", "Name or number of the column. Empty: chosen by its looks."),
    "drop": ("Drop", "Columns to leave out beside those that count rows, separated by commas."),
    "encode": ("Encode", "Columns of words, separated by commas. Each word becomes an input."),
}
"""Fields that name columns, in one line: label and note."""
OPTIONS = {
    "header": ("Header", {"": "Auto", True: "Yes", False: "No"}, "Whether the first row names the columns."),
    "task_type": ("Task type", {"auto": "Auto", "classification": "Classification", "regression": "Regression"}, ""),
    "missing": (
        "Missing",
        {"refuse": "Refuse", "drop": "Leave out"},
        "What to do with rows whose cells are missing or cannot be read.",
    ),
}
"""Fields of few values: label, the values with their names, and note."""
ALONE: dict[str, dict[str, Any]] = {"toy": {}, "probe": {}, "checkpoints": {"model": "minilm", "revisions": ["main", "main"]}}
"""What a configuration of rows needs beside them, by kind of run."""


@dataclass(frozen=True)
class OwnRows:
    """The components for somebody's own rows."""

    accordion: gr.Accordion
    upload: gr.File
    controls: dict[str, gr.HTML]
    """By field."""
    said: gr.HTML
    """What a file, or a link, says of its rows."""
    read: gr.HTML
    """What was read of the rows, or why they are refused."""


def own_rows(start: RowsConfig, note: str, example: str) -> OwnRows:
    """Build the accordion for somebody's own rows.

    Args:
        start: the configuration that the form begins with.
        note: a line about what the rows hold.
        example: rows, shown while there are none.
    """
    kind, rows = start.kind, start.rows_field
    with folded("Own rows", "all-settings own-rows") as accordion:
        upload = gr.File(
            label="A file: CSV or the like",
            show_label=False,
            type="binary",
            height=64,
            elem_id=f"{kind}-upload",
            elem_classes="upload",
        )
        controls = {rows: text_field(kind, rows, "Rows", note, example)}
        said, read = markup("", "own-said"), markup("", "own-read")
        with gr.Column(elem_classes="group", min_width=0):
            for name, (label, about) in COLUMNS.items():
                if name in type(start).model_fields:
                    controls[name] = line_field(kind, name, label, None, about, options=f"{kind}-columns")
            for name, (label, names, about) in OPTIONS.items():
                value = getattr(start, name) or ""
                controls[name] = choice(kind, name, label, list(names), value, names=list(names.values()), note=about)
    return OwnRows(accordion, upload, controls, said, read)


def columns_of(line: object) -> list[int | str] | None:
    """Return the columns that a line names, with commas between: digits are numbers, anything else, or in quotes, is a name."""
    if line is None:
        return None
    text = str(line)
    try:
        parts = json.loads(text if text.startswith("[") else f"[{text}]")
    except (ValueError, RecursionError):
        parts = [None]
    if any(type(part) not in (int, str) for part in parts):
        words = [word for part in text.split(",") if (word := part.strip(" []'\""))]
        parts = [int(word) if re.fullmatch(r"-?\d{1,9}", word) else word for word in words]
    return parts


def columns_line(columns: Any) -> Any:
    """Return the line that names columns, as `columns_of` reads it; empty for none that are said."""
    if columns is None:
        return None
    parts = list(columns) if isinstance(columns, list | tuple) else [columns]
    line = ", ".join(map(str, parts))
    if not parts or columns_of(line) != parts:
        line = json.dumps(parts, ensure_ascii=False)
    return line[1:-1] if parts and line.startswith("[") else line


def chosen(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form's fields with its lines of columns as a configuration has them."""
    known = {name: columns_of(fields[name]) for name in COLUMNS if name in fields}
    for name in known.keys() & {"target", "text_column"}:
        known[name] = known[name][0] if known[name] and len(known[name]) == 1 else known[name]
    if "encode" in known:
        known["encode"] = known["encode"] or []
    return {**fields, **known}


def alone(kind: str, fields: Mapping[str, Any]) -> RowsConfig:
    """Return a configuration of a form's rows and of what to read of them, all else by default; raises ConfigError."""
    own = {name: fields[name] for name in (KINDS[kind].rows_field, *Choices._fields) if name in fields}
    readout = {} if kind == "toy" else {"readout": "next-token" if fields["readout"] == "next-token" else "mean"}
    return shared_config({"task": OWN, **own, **readout, **ALONE[kind]}, kind)


def in_words(error: ConfigError, rows: str) -> str:
    """Return what is wrong with rows as the page says it, which has no field of their name."""
    return str(error).replace(f"{rows} is not allowed: ", "Your rows cannot be read: ")

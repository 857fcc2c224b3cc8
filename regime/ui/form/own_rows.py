"""The part of a form for somebody's own rows: a file or pasted lines, what to read of them, and what was read."""

import json
import re
from collections.abc import Mapping
from typing import Any

from regime.config import KINDS, shared_config
from regime.config.read import Choices
from regime.config.rows import OWN, RowsConfig
from regime.errors import ConfigError
from regime.ui.form.config_form import Part
from regime.ui.form.settings import setting

BRING = "Paste rows or upload a file, under Own rows."
AWAITED = "This link holds the settings of a run on somebody's own rows. Bring rows for it: paste or drop them under Own rows."
COLUMNS = {
    "target": ("Target", "Name or number of the column. Empty: chosen by its looks."),
    "text_column": ("Text column", "Name or number of the column. Empty: chosen by its looks."),
    "drop": ("Drop", "Columns to leave out beside those that count rows, separated by commas."),
    "encode": ("Encode", "Columns of words, separated by commas. Each word becomes an input."),
}
"""Fields that name columns, in one line: label and note."""
HEADERS = {None: "Auto", True: "Yes", False: "No"}
FOLD, SAID, READ = "own_rows", "own_said", "own_read"
"""What the server changes beside the fields: whether the part is open; what a file, or a link, says of its rows; what was read
of them, or why they are refused."""
ALONE: dict[str, dict[str, Any]] = {"toy": {}, "probe": {}, "checkpoints": {"model": "minilm", "revisions": ["main", "main"]}}
"""What a configuration of rows needs beside them, by kind of run."""


def own_rows(start: RowsConfig, note: str, example: str, *more: Part) -> Part:
    """Return the part of a form for somebody's own rows, folded: a file, or pasted lines, what is read of them, and choices.

    Args:
        start: the configuration that the form begins with.
        note: a line about what the rows hold.
        example: rows, shown while there are none.
        more: other ways to bring rows.
    """
    offers = f"{start.kind}-columns"
    lines = [(name, about) for name, about in COLUMNS.items() if name in type(start).model_fields]
    choices = [
        *(setting(start, name, *about, control="line", offers=offers, event="select") for name, about in lines),
        setting(start, "header", note="Whether the first row names the columns.", options=HEADERS, event="select"),
        setting(start, "task_type", note="", event="select"),
        setting(start, "missing", note="What to do with rows whose cells are missing or cannot be read.", event="select"),
    ]
    parts = (
        Part("upload", "Drop a file here, or press to choose: CSV or the like", control="upload"),
        *more,
        setting(start, start.rows_field, "Rows", note, control="text", example=example, event="edit"),
        Part(SAID, control="told", css="own-said"),
        Part(READ, control="told", css="own-read"),
        Part("choices", control="group", parts=choices),
    )
    return Part(FOLD, "Own rows", control="fold", css="own-rows", parts=parts)


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

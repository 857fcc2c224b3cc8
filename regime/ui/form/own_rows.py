"""What a form says of somebody's own rows: its lines of columns as a configuration has them, and back."""

import json
import re
from collections.abc import Mapping
from typing import Any

from regime.config import KINDS, shared_config
from regime.config.read import Choices, Read
from regime.config.rows import OWN, RowsConfig
from regime.errors import ConfigError
from regime.ui.text import render

BRING = "Paste rows or upload a file, under Own rows."
AWAITED = "This link holds the settings of a run on somebody's own rows. Bring rows for it: paste or drop them under Own rows."
LINES = ("target", "text_column", "drop", "encode")
"""Fields that name columns, in one line."""
COLUMNS = 24
"""Most columns of the first rows that are drawn, the target's aside."""
FOLD, SAID, READ = "own_rows", "own_said", "own_read"
"""What the server changes beside the fields: whether the part is open; what a file, or a link, says of its rows; what was read
of them, or why they are refused."""
ALONE: dict[str, dict[str, Any]] = {"toy": {}, "probe": {}, "checkpoints": {"model": "minilm", "revisions": ["main", "main"]}}
"""What a configuration of rows needs beside them, by kind of run."""


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
    known = {name: columns_of(fields[name]) for name in LINES if name in fields}
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


def rows_read(kind: str, read: Read) -> str:
    """Draw what was read: sentences, doubts marked, and the first rows, the target marked; and offer the columns' names."""
    marked = [(at, "target" if name in read.target else "") for at, name in enumerate(read.columns)]
    return render(
        "rows_read",
        kind=kind,
        read=read,
        lines=read.sentences(),
        doubts=[part[1:] for part in read.doubts],
        places=[(at, css) for at, css in marked if css or at < COLUMNS],
        names=map(columns_line, read.columns),
    )

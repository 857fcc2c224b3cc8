"""A person's own texts and labels: pasted lines, or CSV."""

import csv
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

ROW_LIMIT = 5_000
CELL_LIMIT = 10_000
FILE_LIMIT = 1_000_000
"""Characters of all rows together, and bytes of a file."""
LABELS = (2, 10)
"""How many different labels there may be."""
TEXT_NAMES = ("text", "sentence", "review", "content")
LABEL_NAMES = ("label", "class", "target", "sentiment", "category")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class OwnTexts(NamedTuple):
    """Texts, the number of each one's label in `classes`, and the labels in alphabetical order; of unlabeled texts neither."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def decode(data: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 that says so.

    Raises:
        ValueError: it is too large, or in another encoding; the message says at which byte.
    """
    if len(data) > FILE_LIMIT:
        raise ValueError(f"the file has {len(data)} bytes; allowed: at most {FILE_LIMIT}")
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the file is not UTF-8: byte {error.start} begins no character; save it as UTF-8") from None


@lru_cache(maxsize=8)
def parse_texts(source: str, labeled: bool = True) -> OwnTexts:
    """Return texts with a label each, in two columns; or texts alone, one a line or in the column that a header calls text.

    Columns are parted by commas, semicolons or tabs, and cells may be quoted. A header is a first row that names a column text
    or label; without one the label is the last column.

    Raises:
        ValueError: these are no such rows; the message names the row, its value and what is allowed.
    """
    _check_characters(source)
    rows = _rows(source, labeled)
    if not rows:
        raise ValueError("it has no rows; allowed: one text a line" + (", its label after a comma" if labeled else ""))
    header = [cell.strip().lower() for cell in rows[0]]
    text, label = (next((header.index(name) for name in names if name in header), None) for names in (TEXT_NAMES, LABEL_NAMES))
    known = text is not None or (label is not None and len(header) == 2)
    first = 1 if known else 0
    if len(rows) - first > ROW_LIMIT:
        raise ValueError(f"it has {len(rows) - first} rows; allowed: at most {ROW_LIMIT}")
    width = len(rows[0]) if known else (2 if labeled else 1)
    if known and labeled and label is None:
        label = width - 1 if text != width - 1 else 0
    if not known:
        text, label = 0, 1
    if text is None:
        text = 1 - label
    texts, names = [], []
    for number, row in enumerate(rows[first:], start=first + 1):
        if len(row) != width or (labeled and width < 2):
            wanted = width if width > 1 or not labeled else 2
            hint = "; put quotes around a text that has the separator in it" if len(row) > wanted else ""
            raise ValueError(f"row {number} has {len(row)} columns; allowed: {wanted}{hint}")
        texts.append(_cell(row[text], "text", number))
        if labeled:
            names.append(_cell(row[label], "label", number))
    if not labeled:
        return OwnTexts(tuple(texts), (), ())
    classes = sorted(set(names))
    if not LABELS[0] <= len(classes) <= LABELS[1]:
        some = ", ".join(repr(_short(name)) for name in classes[:3])
        raise ValueError(f"it has {len(classes)} different labels ({some}{', ...' * (len(classes) > 3)}); allowed: 2 to 10")
    numbers = {name: number for number, name in enumerate(classes)}
    return OwnTexts(tuple(texts), tuple(numbers[name] for name in names), tuple(classes))


def _check_characters(source: str) -> None:
    if "\ufffd" in source or any("\ud800" <= character <= "\udfff" for character in source):
        raise ValueError("it has broken characters, so its encoding was lost on the way; save the file as UTF-8")
    if found := CONTROL.search(source):
        line = source.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line} has the control character {found[0]!r}; allowed: text")


def _rows(source: str, labeled: bool) -> list[list[str]]:
    """Cells by row, blank lines left out."""
    first = source.lstrip().split("\n", 1)[0]
    separator = "\0" if not (labeled or _names_text(first)) else "\t" if "\t" in first else max(";,", key=first.count)
    if separator == "\0":
        return [[line] for line in source.splitlines() if line.strip()]
    reader = csv.reader(io.StringIO(source), delimiter=separator, strict=True, skipinitialspace=True)
    rows = []
    try:
        rows.extend(row for row in reader if any(cell.strip() for cell in row))
        return rows
    except csv.Error as error:
        if str(error).startswith("field larger"):  # the reader has a limit of its own, far above this one
            raise ValueError(
                f"row {len(rows) + 1} has a cell of over {csv.field_size_limit()} characters; allowed: at most {CELL_LIMIT}"
            ) from None
        raise ValueError(f"line {reader.line_num} cannot be read as CSV: {error}") from None


def _names_text(line: str) -> bool:
    cells: Sequence[str] = re.split(r"[\t;,]", line.lower())
    return len(cells) > 1 and any(cell.strip(' "') in TEXT_NAMES for cell in cells)


def _cell(value: str, name: str, number: int) -> str:
    value = value.strip()
    if not value:
        raise ValueError(f"row {number} has an empty {name}; allowed: none of them empty")
    if len(value) > CELL_LIMIT:
        raise ValueError(f"row {number} has a {name} of {len(value)} characters; allowed: at most {CELL_LIMIT}")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:17] + "..."

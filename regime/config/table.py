"""Somebody's own rows: CSV text as points and targets, or a refusal that says where it fails."""

import csv
import io
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

BYTES = 1_000_000
ROWS = 6144
COLUMNS = 257
CLASSES = 10


class OwnRows(NamedTuple):
    """Points, and what to predict: numbers where `classes` is empty, else indices into it."""

    x: tuple[tuple[float, ...], ...]
    y: tuple[float, ...]
    classes: tuple[str, ...]


@lru_cache(maxsize=8)
def parse_rows(text: str) -> OwnRows:
    """Return rows of comma-separated numbers as points, the target last; a first row that holds names is skipped.

    Targets that are words, or whole numbers of at most 10 values, are classes; other numbers are a regression.

    Raises:
        ValueError: naming the row, the value and what is allowed.
    """
    if len(text.encode()) > BYTES:
        raise ValueError(f"it has {len(text.encode())} bytes; allowed: at most {BYTES}")
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from None
    if rows and any(_number_or_none(cell) is None for cell in rows[0][:-1]):
        rows = rows[1:]
    if not rows:
        raise ValueError("it has no rows; allowed: rows of numbers, the target last")
    if len(rows) > ROWS:
        raise ValueError(f"it has {len(rows)} rows; allowed: at most {ROWS}")
    columns = len(rows[0])
    if not 2 <= columns <= COLUMNS:
        raise ValueError(f"it has {columns} columns; allowed: 2 to {COLUMNS}, the target last")
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise ValueError(f"data row {number} has {len(row)} columns, the first one {columns}; allowed: the same in all")
    x = tuple(tuple(_number(cell, number) for cell in row[:-1]) for number, row in enumerate(rows, 1))
    targets = [row[-1].strip() for row in rows]
    values = [_number_or_none(cell) for cell in targets]
    named = sum(value is None for value in values)
    if 0 < named < len(values):
        odd = targets[next(k for k, value in enumerate(values) if value is None)]
        raise ValueError(f"its target {odd[:40]!r} is not a finite number, others are; allowed: all numbers, or all names")
    distinct = set(targets)
    if len(distinct) < 2:
        raise ValueError("its target has one value only; allowed: at least two")
    if named or (len(distinct) <= CLASSES and all(value == int(value) for value in values if value is not None)):
        if len(distinct) > CLASSES:
            raise ValueError(f"its target has {len(distinct)} classes; allowed: 2 to {CLASSES}")
        classes = tuple(sorted(distinct, key=_class_order))
        return OwnRows(x, tuple(float(classes.index(cell)) for cell in targets), classes)
    return OwnRows(x, tuple(value for value in values if value is not None), ())


def _class_order(name: str) -> tuple[float, str]:
    value = _number_or_none(name)
    return (0.0 if value is None else value, name)


def _number_or_none(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _number(cell: str, row: int) -> float:
    value = _number_or_none(cell)
    if value is None or abs(value) > 1e30:
        raise ValueError(f"data row {row} has {cell.strip()[:40]!r}; allowed: finite numbers in every column but the last")
    return value

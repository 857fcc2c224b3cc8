"""A table with its columns named and its rows counted as the file counts them; and the refusal of cells that cannot be read."""

from collections.abc import Collection
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np

from regime.config.columns import LARGEST, Decimals, decimals_of, find_column, is_missing, names_first, numbers
from regime.config.read import Choices, Mark
from regime.config.table import COLUMNS, ROWS, SHOWN, listed, names_columns, read_table
from regime.errors import show

QUOTED = "put quotes around a cell that has the separator in it"


class Sheet(NamedTuple):
    """The rows below the header."""

    names: list[str]
    cells: list[list[str]]
    rows: list[int]
    """Number of each row, as a spreadsheet shows it."""
    decimals: Decimals
    taken: list[str]
    """How it was read."""
    ragged: frozenset[int]
    """Rows with fewer or more cells than others."""

    def column(self, at: int) -> list[str]:
        """Return the cells of a column."""
        return [row[at] for row in self.cells]

    def numbers(self, at: int) -> np.ndarray:
        """Return the numbers of a column, not a number where a cell is none."""
        return numbers(self.column(at), self.decimals)

    def places(self, chosen: "tuple[int | str, ...] | int | str | None", field: str) -> list[int]:
        """Return where the chosen columns are; raises ValueError as `find_column` does."""
        several = chosen if isinstance(chosen, tuple) else () if chosen is None else (chosen,)
        return [find_column(self.names, each, field) for each in several]


class Bad(NamedTuple):
    """A cell that cannot be read."""

    row: int
    column: str
    cell: str
    why: str


def read_sheet(text: str, choices: Choices, words: bool = False) -> Sheet:
    """Return the rows of a text, with names for its columns.

    Args:
        text: of the file.
        choices: whether it has a header.
        words: whether one column holds texts.

    Raises:
        ValueError: it is no table, or has too many rows or columns.
    """
    return _read_sheet(text, choices.header, choices.decimal, words)


@lru_cache(maxsize=4)
def _read_sheet(text: str, header: bool | None, decimal: Mark, words: bool) -> Sheet:
    """The same; what else is chosen, such as the targets along a sweep's axis, is of one sheet."""
    table = read_table(text, words)
    first, taken = table.cells[0], list(table.notes)
    if len(table.cells) < 2:
        raise ValueError("it has one row; allowed: a row for each example")
    told = header is not None
    if header is None:
        body = decimals_of(table.cells[1:], table.separator, decimal)
        header = names_columns(first) if table.rows[0] in table.ragged else names_first(table.cells, body)
    if header and table.rows[0] in table.ragged:
        raise ValueError(
            f"row {table.rows[0]} has not a name for each of the {len(first)} cells that rows have; allowed: a name for each; "
            f"{QUOTED}"
        )
    if header:
        cells, rows = table.cells[1:], table.rows[1:]
        names = unique(first)
        taken.insert(0, f"row {table.rows[0]} names the columns")
        if not told and all(cell.isdigit() for cell in first):
            taken[0] += ", though they are numbers: header = false takes it as data"
    else:
        cells, rows = table.cells, table.rows
        known = len(table.names) >= len(first) and not any(table.names[len(first) :])
        names = unique(list(table.names[: len(first)])) if known else [f"column {at}" for at in range(1, len(first) + 1)]
        taken.insert(0, "a comment names the columns" if known else "no header: columns go by their numbers")
    if len(cells) > ROWS or len(names) > COLUMNS:
        raise ValueError(f"it has {len(cells)} rows of {len(names)} columns; allowed: at most {ROWS} rows of {COLUMNS} columns")
    again = [name for name, given in zip(names, first, strict=True) if header and given not in ("", name)]
    taken += [f"columns with the name of another before are called {', '.join(map(show, again))}"[:300]] * bool(again)
    decimals = decimals_of(cells, table.separator, decimal)
    taken += [decimals.note] * bool(decimals.note)
    return Sheet(names, cells, rows, decimals, taken, frozenset(table.ragged))


def unique(names: list[str]) -> list[str]:
    """Return names that differ: those without one, or with that of another before, get the first number that is free."""
    named = [name or f"unnamed {at}" for at, name in enumerate(names, 1)]
    taken = set(named)
    for at, name in enumerate(named):
        if name in named[:at]:
            named[at] = next(free for number in count(at + 1) if (free := f"{name}.{number}") not in taken)
            taken.add(named[at])
    return named


def bad_cells(sheet: Sheet, at: int, words: bool, target: bool = False) -> list[Bad]:
    """Return cells of a column that are missing, or no numbers where there are to be some.

    Args:
        sheet: all rows.
        at: where the column is.
        words: whether words are as good as numbers.
        target: whether it is the target, whose words may be classes.
    """
    column, name = sheet.column(at), sheet.names[at]
    mend = ", though a class with task_type = 'classification'," if target else ""
    return [
        Bad(row, name, cell, _why(cell, sheet.decimals) + (mend if not is_missing(cell) else ""))
        for row, cell, value in zip(sheet.rows, column, sheet.numbers(at), strict=True)
        if (is_missing(cell) if words else value != value) and row not in sheet.ragged
    ]


def _why(cell: str, decimals: Decimals) -> str:
    if not cell:
        return "missing"
    wrong = "counts as missing" if is_missing(cell) else f"is beyond {LARGEST:g}" if decimals.typed(cell) else "is no number"
    return f"{show(cell)} {wrong}"


def sort_out(sheet: Sheet, bad: list[Bad], choices: Choices, needed: Collection[str] = ()) -> tuple[Sheet, list[str]]:
    """Return the rows without bad cells, where they are to be dropped, and a sentence about those that were.

    Args:
        sheet: all rows.
        bad: cells that cannot be read.
        choices: whether their rows are dropped.
        needed: columns that cannot be left out.

    Raises:
        ValueError: there are bad cells, and nobody said so; or no row is left. It lists them and says what mends them.
    """
    ragged = [row for row in sheet.rows if row in sheet.ragged]
    wrong = sorted({*(each.row for each in bad), *ragged})
    if not wrong:
        return sheet, []
    if choices.missing == "refuse":
        raise ValueError(f"{_listed(sheet, ragged, bad)}; {_mends(sheet, wrong, bad, needed)}")
    keep = [at for at, row in enumerate(sheet.rows) if row not in set(wrong)]
    if not keep:
        raise ValueError("every row has a cell that is missing or cannot be read; allowed: rows without any")
    left = sheet._replace(cells=[sheet.cells[at] for at in keep], rows=[sheet.rows[at] for at in keep], ragged=frozenset())
    why = f"left out, with cells that are missing or cannot be read: {listed(wrong)}"
    return left, [f"{len(wrong)} of {len(sheet.rows)} rows {why}"]


def _listed(sheet: Sheet, ragged: list[int], bad: list[Bad]) -> str:
    """All bad cells, those of a column that are alike together."""
    parts = []
    if ragged:
        has = "has" if len(ragged) == 1 else "have"
        parts = [f"{listed(ragged)} {has} not the {len(sheet.names)} cells of the others: {QUOTED}"]
    alike: dict[tuple[str, str], list[int]] = {}
    for each in bad:
        alike.setdefault((each.column, each.why), []).append(each.row)
    parts += [f"column {show(column)}: {why} in {listed(rows)}" for (column, why), rows in alike.items()]
    return "; ".join(parts[:SHOWN]) + (f"; and {len(parts) - SHOWN} kinds more" if len(parts) > SHOWN else "")


def _mends(sheet: Sheet, wrong: list[int], bad: list[Bad], needed: Collection[str]) -> str:
    """What makes the rest of the rows run."""
    rows = "this row" if len(wrong) == 1 else f"these {len(wrong)} of {len(sheet.rows)} rows"
    columns = sorted({each.column for each in bad})
    if sheet.ragged or not 1 <= len(columns) <= 3 or set(columns) & set(needed):
        return f"missing = 'drop' leaves {rows} out"
    return f"missing = 'drop' leaves {rows} out, or drop = {columns!r:.200} the column{'s' * (len(columns) > 1)}"

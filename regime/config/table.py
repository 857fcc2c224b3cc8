"""Text as a table of cells: which separator parts them, what quotes do, which lines are comments."""

import csv
import itertools
import re
from collections import Counter
from typing import NamedTuple, Self

from regime.config.columns import LABELS, SCORES, TEXTS, is_number, is_typed

ROWS, COLUMNS = 6144, 257
SAMPLE = 300
"""Rows by which a separator is judged."""
SHOWN = 12
"""Rows, or kinds of bad cells, that a message lists."""
SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Table(NamedTuple):
    """Cells of the rows that hold any, blank at the end where a row has fewer than others."""

    cells: list[list[str]]
    rows: list[int]
    """The number of each row as a spreadsheet shows it: from 1, blank lines, comments and the header counted."""
    separator: str
    notes: tuple[str, ...] = ()
    """How the text was read."""
    names: tuple[str, ...] = ()
    """What a comment above the rows calls the columns."""
    ragged: tuple[int, ...] = ()
    """Rows whose count of cells is not the usual one."""
    comments: tuple[int, ...] = ()
    """Rows that are left out as comments."""


def read_table(text: str, words: bool) -> Table:
    """Return the cells of a text in CSV or the like.

    The separator is the one that gives most rows equally many cells, and most cells that are numbers or words that recur.

    Args:
        text: of the file.
        words: whether one column holds texts: a # in one begins no comment, and spaces part no cells.

    Raises:
        ValueError: broken characters, no rows, or quotes that do not end.
    """
    check_characters(text)
    if found := re.match(r"\ufeff?\s*(\[\s*\{|\{\s*\"|<!doctype|<html|<\?xml)", text, re.IGNORECASE):
        raise ValueError(f"it begins with {found[1]}, as JSON or HTML do; allowed: rows of a table, in CSV or the like")
    lines = lines_of(text)
    comments = _comments(lines, words)
    told = re.fullmatch(r"sep=(.)", lines[0].strip().strip('"'))
    if told:
        lines[0] = ""
    tried = [_parsed(lines, each, comments) for each in ([told[1]] if told else SEPARATORS) if each != " " or not words]
    table = max(tried, key=_quality)
    broken = [each.notes[0] for each in tried if each.notes and not each.cells]
    if not table.cells or (broken and _usual(table.cells)[0] < 2):
        raise ValueError((broken or ["it has no rows; allowed: rows of a table, one a line"])[0])
    notes = []
    if table.separator != "," and _usual(table.cells)[0] > 1:
        notes.append(f"{SEPARATORS.get(table.separator, table.separator)} part the cells")
    if table.comments:
        notes.append(f"comments left out: {listed(list(table.comments))}")
    return _squared(table._replace(notes=(*notes, *table.notes)), words)


def lines_of(text: str) -> list[str]:
    """Return the lines of a file: what other line breaks Unicode has are characters of a cell."""
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def check_characters(text: str) -> None:
    """Refuse text whose encoding was lost, or that is none.

    Raises:
        ValueError: the message names the line and the character.
    """
    if "\ufffd" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it has broken characters, so its encoding was lost on the way; save the file as UTF-8")
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line} has the control character {found[0]!r}; allowed: text")


def names_columns(cells: list[str]) -> bool:
    """Return whether a row names a column of texts, labels or ratings."""
    return any(cell.strip(' "').lower() in (*TEXTS, *LABELS, *SCORES) for cell in cells)


def listed(rows: list[int]) -> str:
    """Return numbers of rows in words: `rows 3, 5 and 12 more`."""
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows[:SHOWN]))}{more}"


def _comments(lines: list[str], words: bool) -> dict[int, str]:
    """Lines that are comments unless a cell goes on in them; among texts those at the top alone, and only above a header."""
    found = {at: line.lstrip("# \t") for at, line in enumerate(lines) if line.startswith("#")}
    if not words:
        return found
    top = next((at for at, line in enumerate(lines) if line.strip() and at not in found), len(lines))
    header = top < len(lines) and names_columns(re.split(r"[\t;,|]", lines[top].strip()))
    return {at: line for at, line in found.items() if at < top} if header else {}


class _Lines:
    """Lines as a reader of rows takes them: one that is a comment is blank where a row begins, and part of a cell elsewhere."""

    def __init__(self, lines: list[str], comments: dict[int, str]) -> None:
        self._lines, self._comments = enumerate(lines), comments
        self.row: int | None = None
        """The number of the row that begins with the next line; None where one goes on."""
        self.found: dict[int, str] = {}
        """The comments that were left out, by the number of their row."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        at, line = next(self._lines)
        if self.row is not None and at in self._comments:
            self.found[self.row], line = self._comments[at], ""
        self.row = None
        return f"{line}\n"


def _parsed(lines: list[str], separator: str, comments: dict[int, str]) -> Table:
    """Cells by one separator; quotes that do not end are characters like others, if all rows have equally many cells then."""
    lines = [" ".join(line.split()) for line in lines] if separator == " " else lines
    broken = ""
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        left = _Lines(lines, comments)
        reader = csv.reader(left, delimiter=separator, quoting=quoting, strict=True, skipinitialspace=True)
        table = Table([], [], separator, ("quotes are part of the cells",) if broken else ())
        try:
            for number in itertools.count(1):
                left.row = number
                if (row := next(reader, None)) is None:
                    break
                if any(cells := [cell.strip() for cell in row]):
                    table.cells.append(cells)
                    table.rows.append(number)
                if len(table.cells) > ROWS + 1 or len(cells) > COLUMNS + 1:
                    over = f"{ROWS} rows" if len(table.cells) > ROWS + 1 else f"{COLUMNS} columns"
                    return Table([], [], separator, (f"it has over {over}; allowed: at most {ROWS} rows of {COLUMNS} columns",))
        except csv.Error as error:
            why = f"cannot be read: {error}; quotes end where they began, and are doubled inside"
            long = f"has a cell of over {csv.field_size_limit()} characters"
            broken = f"line {reader.line_num} {long if 'limit' in str(error) else why}"
            continue
        if not broken or _usual(table.cells)[1] == len(table.cells):
            last = next(csv.reader(list(left.found.values())[-1:], delimiter=separator), [])
            return table._replace(comments=tuple(left.found), names=tuple(name.strip() for name in last))
    return Table([], [], separator, (broken,))


def _usual(cells: list[list[str]]) -> tuple[int, int]:
    """The commonest count of cells in a row, and how many rows have it."""
    return max(Counter(map(len, cells)).items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))


def _quality(table: Table) -> tuple[float, ...]:
    """How well a separator reads the rows: equally many cells, then numbers, then words that recur."""
    width, count = _usual(table.cells)
    if width < 2:
        return (0.0,) if table.cells else (-1.0,)
    usual = [row for row in table.cells if len(row) == width]
    body = usual[1:SAMPLE] or usual
    columns = list(zip(*body, strict=True))
    numbers = sum(is_number(cell) for column in columns for cell in column) / (len(body) * width)
    regular = count / len(table.cells)
    return round(regular, 1), round(numbers, 2), sum(map(is_typed, columns)) / width, regular


def _names_rows(column: list[str], words: bool) -> bool:
    """Whether a first column without a name names the rows, as R and pandas write it; texts have only numbers for that."""
    whole = all(cell.isdigit() for cell in column)
    return len(set(column)) == len(column) > 0 and (whole or not (words or any(map(is_number, column))))


def _squared(table: Table, words: bool) -> Table:
    """Return rows of one width: separators that end rows make no column, and a header without a first name gets a blank one."""
    cells, notes = table.cells, table.notes
    width, _ = _usual(cells)
    used = max(at for row in cells if len(row) == width for at, cell in enumerate(row, 1) if cell)
    first = [row[0] for row in cells[1:]]
    if len(cells[0]) == used - 1 and not any(map(is_number, cells[0])) and _names_rows(first, words):
        cells = [["", *cells[0]], *cells[1:]]
        notes = (*notes, "its header has no name for the first column")
    if empty := max(len(row) for row in cells if not any(row[used:])) - used:
        notes = (*notes, f"{empty} empty last column{'s' * (empty > 1)} left out")
    ragged = tuple(number for number, row in zip(table.rows, cells, strict=True) if len(row) < used or any(row[used:]))
    return table._replace(cells=[(row + [""] * used)[:used] for row in cells], notes=notes, ragged=ragged)

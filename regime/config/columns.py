"""Columns of a table of text: numbers as they are written, what counts as missing, and whether the first row holds names."""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import NamedTuple

import numpy as np

from regime.errors import show

TEXTS = ("text", "sentence", "review", "content", "message", "comment", "tweet", "body", "document")
LABELS = ("label", "labels", "class", "target", "targets", "outcome", "species", "diagnosis", "sentiment", "category")
SCORES = ("stars", "rating", "score", "polarity")
"""What columns of texts, of labels and of ratings are called, those first that are meant where there are several."""
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "<na>", "#n/a", "#na", "-nan"})
"""Cells, in small letters, that count as missing."""
LARGEST = 1e30
"""Magnitude beyond which a number is refused: its square would not fit."""
BOOLEANS = {"true": "1", "false": "0"}
PARTS_THOUSANDS = {".": ",", ",": "."}
"""What parts thousands where a mark is decimal."""
MARKS = {".": "points", ",": "commas"}
WRITTEN = {
    point: re.compile(rf"[+-]?([1-9]\d{{0,2}}(\{part}\d{{3}})+(\{point}\d*)?|(\d+(\{point}\d*)?|\{point}\d+)([eE][+-]?\d+)?)")
    for point, part in PARTS_THOUSANDS.items()
}
"""How numbers are written where a mark is decimal."""
EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""A number whose mark could be decimal, or part thousands."""
TYPED = 64
"""Most different words of a column that is no text."""
Choice = int | str
"""A column: its number from 1, from the last as -1, or its name."""


class Decimals(NamedTuple):
    """How a table writes its numbers."""

    point: str = "."
    note: str = ""
    doubt: str = ""

    def plain(self, cell: str) -> str:
        """Return a cell's number as Python writes it, nothing where it is none."""
        if not WRITTEN[self.point].fullmatch(cell):
            return ""
        return cell.replace(PARTS_THOUSANDS[self.point], "").replace(self.point, ".")

    def typed(self, cell: str) -> str:
        """Return the same, of true and false 1 and 0."""
        return BOOLEANS.get(cell.lower()) or self.plain(cell)


def called(names: Sequence[str], places: Sequence[int], wanted: Sequence[str]) -> list[int]:
    """Return those of some places whose column has a wanted name, in small letters or large.

    Args:
        names: of all columns.
        places: the columns to look at.
        wanted: names in small letters; what is called by an earlier one comes first.
    """
    found = [at for at in places if names[at].lower() in wanted]
    return sorted(found, key=lambda at: wanted.index(names[at].lower()))


def is_missing(cell: str) -> bool:
    """Return whether a cell counts as missing."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Return whether a cell is written as a number, in whichever country."""
    return any(written.fullmatch(cell) for written in WRITTEN.values())


def is_typed(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, or a few words that recur, rather than texts."""
    known = [cell for cell in column if not is_missing(cell)]
    distinct = len(set(known))
    return sum(map(is_number, known)) * 2 > len(known) or distinct <= min(TYPED, len(known) / 2)


def decimals_of(cells: list[list[str]], separator: str, mark: str = "auto") -> Decimals:
    """Return how a table writes numbers: as makes most of its cells numbers.

    Where a mark could be decimal or part thousands in all of them, it parts thousands if these fit the whole numbers beside
    them, or if it parts the cells, too.

    Args:
        cells: below the header.
        separator: of the cells.
        mark: the decimal one, where somebody said it.
    """
    if mark != "auto":
        return Decimals(mark, f"{MARKS[mark]} are decimal, as asked")
    written = [column for column in zip(*cells, strict=True) if any("." in cell or "," in cell for cell in column)]
    columns = [list(filter(is_number, column)) for column in written]
    marked = [cell for column in columns for cell in column if "." in cell or "," in cell]
    large = [cell for column in columns if (cell := _least_of_thousands(column))]
    read = {point: [cell for cell in marked if Decimals(point).plain(cell)] for point in PARTS_THOUSANDS}
    if len(read["."]) != len(read[","]):
        point = max(read, key=lambda each: len(read[each]))
        shown = max(read[point], key=lambda cell: "," in cell)
        against = [cell for cell in large if point in cell]
    else:
        marks = [mark for mark in PARTS_THOUSANDS if any(mark in cell for cell in marked)]
        parts = large or separator in marks
        point = "." if len(marks) != 1 else PARTS_THOUSANDS[marks[0]] if parts else marks[0]
        shown, against = "", [*large, *filter(EITHER.fullmatch, marked)]
    note = _said(point, shown) if "," in shown or (shown and point == ",") else ""
    return Decimals(point, note, _said(point, against[0], doubtful=True) if against else "")


def _least_of_thousands(column: list[str]) -> str:
    """The least number with a mark, where as thousands it is nearer to the largest without, below 1000, than as a decimal."""
    whole = [abs(float(cell)) for cell in column if re.fullmatch(r"[+-]?\d+", cell)]
    either = [(abs(float(re.sub("[.,]", "", cell))), cell) for cell in column if EITHER.fullmatch(cell)]
    if not whole or not either or len(whole) + len(either) < len(column):
        return ""
    least, cell = min(either)
    return cell if max(whole) < 1000 and least**2 < 1000 * max(whole) ** 2 else ""


def _said(point: str, cell: str, doubtful: bool = False) -> str:
    """What the mark of a number does, and what else it could do."""
    mark = "," if "," in cell else "."
    does, could = ("are decimal", "part thousands") if mark == point else ("part thousands", "be decimal")
    doubt = f", though they could {could}: decimal = {PARTS_THOUSANDS[point]!r} says so" * doubtful
    return f"{MARKS[mark]} {does}, as in {cell}{doubt}"


def numbers(column: Sequence[str], decimals: Decimals) -> np.ndarray:
    """Return a column's numbers, not a number where a cell is missing, no number, or too large; true and false are 1 and 0."""
    known = {cell: float(decimals.typed(cell) or "nan") for cell in set(column)}
    values = np.array([known[cell] for cell in column])
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def standardized(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and variance 1; one whose values differ by no more than rounding is exactly 0."""
    # Less the first row, so that the mean of equal values is exact; over the range, so that no square vanishes.
    with np.errstate(all="ignore"):  # a caller may have every underflow raise
        apart, size = values - values[0], np.ptp(values, 0)
        apart = apart / np.where(size > np.finfo(float).eps * np.abs(values).max(0), size, np.inf)
        apart = apart - apart.mean(0)
        return apart / np.where(apart.any(0), apart.std(0), 1.0)


def exact(column: Sequence[str], decimals: Decimals) -> list[Decimal]:
    """Return a column's numbers with all their digits, as labels compare; what is 0 as a float is 0."""
    plain = map(decimals.typed, column)
    return [Decimal(text) if float(text) else Decimal(0) for text in plain]


def names_first(cells: list[list[str]], decimals: Decimals) -> bool:
    """Return whether the first row holds names: no number above numbers, or a word above words that recur without it.

    Raises:
        ValueError: the first row could be both.
    """
    first, body = cells[0], cells[1:]
    if not body:
        return False
    named, against, inside, long, sure = [], [], False, False, False
    for at, cell in enumerate(first):
        column = [row[at] for row in body if not is_missing(row[at])]
        numeric = sum(bool(decimals.plain(each)) for each in column) * 2 > len(column)
        if is_missing(cell) or not column:
            continue
        if numeric and is_number(cell):
            against.append(cell)
            values = [float(plain) for each in column if (plain := decimals.plain(each))]
            inside |= not re.fullmatch(r"\d+", cell) or min(values) <= float(cell) <= max(values)
        elif numeric:
            named.append(cell)
            sure = True
        elif Counter(column)[cell]:
            return False
        elif cell.lower() in (*TEXTS, *LABELS, *SCORES):
            return True
        elif is_typed(column):
            named.append(cell)
        else:  # a column of texts, whose name is shorter than they are
            long |= 2 * len(cell) > median(map(len, column))
    if not against:
        return sure or (bool(named) and not long)
    counting = len(against) > 2 and not named and _counts([*first]) and not _counts(body[0])
    if counting or (named and not inside and len(set(against)) == len(against)):
        return True
    if sure:
        raise ValueError(
            f"its first row has {show(named[0])} and the number {against[0]}: names, or a row with a bad cell? "
            "Say header = true, or header = false"
        )
    return False


def _counts(cells: list[str]) -> bool:
    """Whether cells are whole numbers that follow one another."""
    return all(re.fullmatch(r"\d{1,9}", cell) for cell in cells) and [int(cell) for cell in cells] == list(
        range(int(cells[0]), int(cells[0]) + len(cells))
    )


def find_column(names: Sequence[str], choice: Choice, field: str) -> int:
    """Return where a column is that is chosen by its name or by its number.

    Args:
        names: of all columns.
        choice: a name, in small letters or large; or a number from 1, from the last as -1.
        field: that holds the choice, for the message.

    Raises:
        ValueError: no column, or several, are called so.
    """
    text = str(choice).strip()
    if isinstance(choice, str) or not 1 <= abs(choice) <= len(names):
        same = [at for at, name in enumerate(names) if name == text]
        same = same or [at for at, name in enumerate(names) if name.lower() == text.lower()]
        if len(same) == 1:
            return same[0]
    number = int(text) if re.fullmatch(r"-?\d{1,4}", text) else 0
    if not 1 <= abs(number) <= len(names):
        known = ", ".join(map(repr, names[:12])) + ", ..." * (len(names) > 12)
        raise ValueError(f"{field} = {show(choice)} names no column; allowed: {known}, or a number from 1 to {len(names)}")
    return number - 1 if number > 0 else len(names) + number

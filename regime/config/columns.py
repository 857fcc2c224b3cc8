"""Columns of a table of text: numbers as they are written, what counts as missing, and whether the first row holds names."""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from regime.errors import show

if TYPE_CHECKING:
    import numpy as np

TEXTS = ("text", "sentence", "review", "content", "message", "comment", "tweet", "body", "document")
LABELS = ("label", "labels", "class", "target", "targets", "outcome", "species", "diagnosis", "sentiment", "category")
SCORES = ("stars", "rating", "score", "polarity")
"""What columns of texts, of labels and of ratings are called, those first that are meant where there are several."""
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "<na>", "#n/a", "#na", "-nan"})
"""Cells, in small letters, that count as missing."""
LARGEST = 1e30
"""Magnitude beyond which a number is refused: its square would not fit."""
BOOLEANS = {"true": "1", "false": "0"}
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|[.,]\d+)([eE][+-]?\d+)?")
COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
TYPED = 64
"""Most different words of a column that is no text."""
Choice = int | str
"""A column: its number from 1, from the last as -1, or its name."""


class Decimals(NamedTuple):
    """How a table writes its numbers."""

    decimal: str = "."
    thousands: str = ""
    note: str = ""

    def plain(self, cell: str) -> str:
        """Return a cell's number as Python writes it."""
        if self.thousands and (THOUSANDS if self.thousands == "," else COMMA).fullmatch(cell):
            cell = cell.replace(self.thousands, "")
        return cell.replace(self.decimal, ".", 1) if self.decimal != "." and "." not in cell else cell


def is_missing(cell: str) -> bool:
    """Return whether a cell counts as missing."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Return whether a cell is written as a number, in whichever country."""
    return NUMBER.fullmatch(cell) is not None


def is_typed(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, or a few words that recur, rather than texts."""
    known = [cell for cell in column if not is_missing(cell)]
    distinct = len(set(known))
    return sum(map(is_number, known)) * 2 > len(known) or distinct <= min(TYPED, len(known) / 2)


def decimals_of(cells: list[list[str]], separator: str) -> Decimals:
    """Return how a table writes numbers: a comma is a decimal one, or parts thousands, where all agree."""
    flat = [cell for row in cells for cell in row if "," in cell and is_number(cell)]
    if not flat:
        return Decimals()
    points = any(re.fullmatch(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", cell) for row in cells for cell in row)
    groups = all(THOUSANDS.fullmatch(cell) for cell in flat)
    if (groups and (points or separator == ",")) or any("," in cell and cell.find(",") < cell.find(".") for cell in flat):
        return Decimals(".", ",", f"commas part thousands, as in {flat[0]}")
    if points:
        return Decimals()  # commas in some cells, points in others: the cells with commas are refused as no numbers
    dots = "." if any("." in cell for cell in flat) else ""
    doubt = ", though all could part thousands" if groups else ""
    return Decimals(",", dots, f"commas are decimal, as in {flat[0]}{doubt}")


def numbers(column: Sequence[str], decimals: Decimals) -> "np.ndarray":
    """Return a column's numbers, not a number where a cell is missing, no number, or too large; true and false are 1 and 0."""
    import numpy as np
    import pandas as pd

    plain = pd.Series([decimals.plain(BOOLEANS.get(cell.lower(), cell)) for cell in column], dtype=object)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def standardized(values: "np.ndarray") -> "np.ndarray":
    """Return columns with mean 0 and variance 1; one whose values differ by no more than rounding is exactly 0."""
    import numpy as np

    # Less the first row, so that the mean of equal values is exact; over the range, so that no square vanishes.
    apart, size = values - values[0], np.ptp(values, 0)
    apart = apart / np.where(size > np.finfo(float).eps * np.abs(values).max(0), size, np.inf)
    apart = apart - apart.mean(0)
    return apart / np.where(apart.any(0), apart.std(0), 1.0)


def is_numeric(cell: str) -> bool:
    """Return whether a cell is a number among labels, as true and false are."""
    return is_number(cell) or cell.lower() in BOOLEANS


def exact(column: Sequence[str], decimals: Decimals) -> list[Decimal]:
    """Return a column's numbers with all their digits, as labels compare; what is 0 as a float is 0."""
    plain = [decimals.plain(BOOLEANS.get(cell.lower(), cell)) for cell in column]
    return [Decimal(text) if float(text) else Decimal(0) for text in plain]


def names_first(cells: list[list[str]]) -> bool:
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
        numeric = sum(map(is_number, column)) * 2 > len(column)
        if is_missing(cell) or not column:
            continue
        if numeric and is_number(cell):
            against.append(cell)
            values = [float(value.replace(",", ".")) for value in column if re.fullmatch(r"[+-]?\d+([.,]\d+)?", value)]
            inside |= not re.fullmatch(r"\d+", cell) or not values or min(values) <= float(cell) <= max(values)
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
    return all(re.fullmatch(r"\d+", cell) for cell in cells) and [int(cell) for cell in cells] == list(
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

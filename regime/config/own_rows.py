"""Somebody's own rows as points and targets: which columns are inputs, which is the target, and what was doubtful."""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from regime.config.columns import LABELS, called, exact, is_missing, is_number, numbers, standardized
from regime.config.read import FEW, MANY, Choices, Read, as_well, cased, check_classes, classes_of, few
from regime.config.sheet import Sheet, bad_cells, read_sheet, sort_out, unique
from regime.config.table import COLUMNS
from regime.errors import show

COUNTER = re.compile(r"^unnamed:? \d+$|^index$|^idx$|^row[ _]?(names|id|nr)?$|^id$|[_ .-]id$|(?-i:[a-z]I[dD]$)", re.IGNORECASE)
"""Names of a column that only counts or names the rows, if no value recurs."""
TEXT = 25
"""Characters of a cell on average, beyond which words are texts."""
SCALING = "Every input, and the target of a regression, has mean 0 and variance 1 over all rows"
OPTIONS = Choices()


class OwnRows(NamedTuple):
    """Points (n, inputs), and what to predict (n,): numbers where `classes` is empty, else indices into it."""

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    read: Read


class _Columns(NamedTuple):
    """What each column is for."""

    inputs: list[int]
    target: list[int]
    left_out: list[str]
    doubts: list[str]


@lru_cache(maxsize=8)
def parse_rows(text: str, choices: Choices = OPTIONS) -> OwnRows:
    """Return rows of a table as points and targets, with what was read.

    Unasked, the target is the column that is called so (label, class, target ...), or the last; the inputs are all others that
    do not only count the rows. Words are classes, and so are at most 10 whole numbers; other numbers are a regression.

    Raises:
        ValueError: a cell, a column or a choice is not allowed; the message lists all bad cells, and says what mends them.
    """
    sheet = read_sheet(text, choices)
    if len(sheet.names) < 2:
        raise ValueError("it has one column; allowed: at least two, parted by commas, semicolons, tabs, bars or spaces")
    encoded = sheet.places(choices.encode, "encode")
    columns = _columns(sheet, choices, encoded)
    categorical = len(columns.target) == 1 and _is_categorical(sheet, columns.target[0], choices)
    if choices.task_type == "regression" and any(_is_words(sheet, at) for at in columns.target[:1]):
        raise ValueError(
            f"target {show(sheet.names[columns.target[0]])} holds words, and a regression predicts numbers; "
            "allowed: task_type = 'classification', or another target"
        )
    bad = [cell for at in columns.inputs for cell in bad_cells(sheet, at, words=at in encoded)]
    bad += [cell for at in columns.target for cell in bad_cells(sheet, at, words=categorical, target=True)]
    target = [sheet.names[at] for at in columns.target]
    needed = target if len(columns.inputs) > 1 else sheet.names
    sheet, dropped = sort_out(sheet, bad, choices, needed)
    x, names = _inputs(sheet, columns.inputs, encoded)
    scaled = zip(names, standardized(x).T, strict=True)
    same = [f"column {show(name)} has one value only" for name, column in scaled if not column.any()]
    y, classes, task_type, doubts = _targets(sheet, columns.target, categorical, choices)
    for part in (x, y):
        part.setflags(write=False)
    read = Read(
        rows=len(x),
        inputs=names,
        target=target,
        task_type=task_type,
        classes={name: int((y == number).sum()) for number, name in enumerate(classes)},
        left_out=columns.left_out + dropped,
        scaling=SCALING,
        taken=sheet.taken,
        doubts=[*columns.doubts, *same, *doubts, *filter(None, [sheet.decimals.doubt])],
        columns=sheet.names,
        first=sheet.cells[:5],
    )
    return OwnRows(x, y, classes, read)


def _columns(sheet: Sheet, choices: Choices, encoded: list[int]) -> _Columns:
    """The target, the inputs, and what is left out."""
    chosen = sheet.places(choices.target, "target")
    out, left_out = _left_out(sheet, choices, {*chosen, *encoded})
    usable = [at for at in range(len(sheet.names)) if at not in out]
    if set(chosen) - set(usable):
        raise ValueError(f"target = {show(choices.target)} is in drop = {show(choices.drop)}, too; allowed: in one of them")
    target, doubts = (chosen, []) if chosen else _target(sheet, usable)
    inputs = [at for at in usable if at not in target]
    if choices.drop != () and len(inputs) > 1:
        doubts += [
            f"column {show(sheet.names[at])} has another whole number in every row, as an id does, and is an input: "
            f"drop = [{sheet.names[at]!r}] leaves it out"
            for at in inputs
            if _is_different(sheet.column(at))
        ]
    if not inputs:
        raise ValueError("no column is left for the inputs; allowed: a target and at least one input")
    words = [at for at in inputs if at not in encoded and _is_words(sheet, at)]
    for name in (sheet.names[at] for at in encoded if at not in inputs):
        raise ValueError(
            f"encode = {list(choices.encode)!r:.80} is not allowed: {show(name)} is no input; allowed: inputs that hold words"
        )
    if words:
        named = [sheet.names[at] for at in words]
        word = next(cell for cell in sheet.column(words[0]) if not (is_missing(cell) or sheet.decimals.typed(cell)))
        mends = "" if chosen else f"; target = {named[0]!r} predicts it"
        mends += "; texts are for a probe" if sum(map(len, sheet.column(words[0]))) > TEXT * len(sheet.cells) else ""
        raise ValueError(
            f"words, such as {show(word)}, are in {few([f'column {name!r}' for name in named])}, and inputs are numbers; "
            f"drop = {named!r:.200} leaves out, encode = {named!r:.200} makes an input of each word{mends}"
        )
    return _Columns(inputs, target, left_out, doubts)


def _left_out(sheet: Sheet, choices: Choices, needed: set[int]) -> tuple[set[int], list[str]]:
    """Columns that are no input, and why: those that were said, and those that are empty, or count or name the rows."""
    asked = sheet.places(choices.drop, "drop")
    found = {}
    for at, name in enumerate(sheet.names):
        column = sheet.column(at)
        if at in asked:
            found[at] = "as asked"
        elif at not in needed and all(map(is_missing, column)):
            found[at] = "for it is empty"
        elif at not in needed and choices.drop != () and len(sheet.names) - len(found) > 2 and _counts(name, at, column):
            found[at] = "for it only counts or names the rows: drop = [] keeps it"
    return set(found), [f"column {show(sheet.names[at])} left out, {why}" for at, why in found.items()]


def _counts(name: str, at: int, column: list[str]) -> bool:
    """Whether a column only counts or names the rows: it is called so, or has no name and is the first; and no value recurs."""
    whole, different = all(re.fullmatch(r"\d+", cell) for cell in column), len(set(column)) == len(column)
    if COUNTER.search(name):
        return different and (whole or not any(map(is_number, column)))
    if at == 0 and name == "column 1":
        return different and (not any(map(is_number, column)) or _in_order(column))
    return False


def _is_different(column: list[str]) -> bool:
    """Whether a column has another whole number in every row."""
    return len(column) > FEW and len(set(column)) == len(column) and all(re.fullmatch(r"\d+", cell) for cell in column)


def _in_order(column: list[str]) -> bool:
    """Whether a column counts from 0 or 1."""
    return len(column) > FEW and column in ([str(at + first) for at in range(len(column))] for first in (0, 1))


def _target(sheet: Sheet, usable: list[int]) -> tuple[list[int], list[str]]:
    """The target where nobody said: the column that is called so, one-hot columns at the end, or the last; and doubts."""
    if named := called(sheet.names, usable, LABELS):
        return named[:1], [as_well(sheet.names[at], "target") for at in named[1:]]
    lower = {sheet.names[at].lower(): at for at in reversed(usable)}
    if "y" in lower and all(name.startswith("x") for name in lower if name != "y"):
        return [lower["y"]], []
    if hot := _one_hot(sheet, usable):
        names = [sheet.names[at] for at in hot]
        return hot, [f"the last {len(hot)} columns are one-hot, one target: target = {names[-1]!r} predicts that one alone"]
    last, first = usable[-1], usable[0]
    doubts = []
    if sheet.names[first] == f"column {first + 1}" and _few_whole(sheet, first) and not _few_whole(sheet, last):
        count = len(set(sheet.column(first)))
        doubts = [f"the last column is the target; the first has {count} values and could be it: target = 1"]
    return [last], doubts


def _one_hot(sheet: Sheet, usable: list[int]) -> list[int]:
    """The columns at the end, two or more, of which each row has a 1 in one and 0 in the others."""
    sums = np.zeros(len(sheet.cells))
    for count, at in enumerate(reversed(usable[1:]), 1):
        values = sheet.numbers(at)
        sums += values
        if not np.isin(values, (0, 1)).all() or sums.max() > 1:
            return []
        if sums.min() == 1 and count > 1:
            return usable[-count:]
    return []


def _few_whole(sheet: Sheet, at: int) -> bool:
    values = {value for value, cell in zip(sheet.numbers(at), sheet.column(at), strict=True) if not is_missing(cell)}
    return len(values) <= FEW and all(value.is_integer() for value in values)


def _is_words(sheet: Sheet, at: int) -> bool:
    """Whether more than half of a column's cells are words."""
    known = [cell for cell in sheet.column(at) if not is_missing(cell)]
    return sum(bool(sheet.decimals.typed(cell)) for cell in known) * 2 <= len(known)


def _is_categorical(sheet: Sheet, at: int, choices: Choices) -> bool:
    """Whether a target's cells are compared as words."""
    known = [cell for cell in sheet.column(at) if not is_missing(cell)]
    if choices.task_type == "regression" or not np.isnan(numbers(known, sheet.decimals)).any():
        return False
    numeric = sum(bool(sheet.decimals.plain(cell)) for cell in known)
    return numeric * 2 <= len(known) or choices.task_type == "classification"


def _inputs(sheet: Sheet, inputs: list[int], encoded: list[int]) -> tuple[np.ndarray, list[str]]:
    """Points, and the names of their inputs; a column of words gives one input a word."""
    parts, names = [], []
    for at in inputs:
        column = sheet.column(at)
        if at in encoded:
            words, where = classes_of(column, None)
            parts.append(np.eye(len(words))[where])
            names += [f"{sheet.names[at]} = {word}" for word in words]
        else:
            parts.append(sheet.numbers(at)[:, None])
            names.append(sheet.names[at])
    if len(names) >= COLUMNS:
        raise ValueError(f"it has {len(names)} inputs; allowed: at most {COLUMNS - 1}")
    return np.concatenate(parts, 1), unique(names)


def _targets(
    sheet: Sheet, target: list[int], categorical: bool, choices: Choices
) -> tuple[np.ndarray, tuple[str, ...], str, list[str]]:
    """Targets, classes, the type of the task, and what is doubtful about it."""
    if len(target) > 1:
        hot = np.stack([sheet.numbers(at) for at in target], 1)
        if not np.isin(hot, (0, 1)).all() or not (hot.sum(1) == 1).all() or choices.task_type == "regression":
            names = [sheet.names[at] for at in target]
            raise ValueError(f"target = {names!r:.200} is not one-hot: each row has a 1 in one of them and 0 in the others")
        return hot.argmax(1).astype(float), tuple(sheet.names[at] for at in target), "classification", []
    column = sheet.column(target[0])
    values = None if categorical else sheet.numbers(target[0])
    labels = None if categorical else exact(column, sheet.decimals)
    whole = labels is not None and all(label == label.to_integral_value() for label in labels)
    distinct = len(set(column if labels is None else labels))
    if choices.task_type == "classification" or values is None or (choices.task_type == "auto" and whole and distinct <= FEW):
        classes, where = classes_of(column, labels)
        check_classes(classes, len(column))
        doubts = cased(classes)
        if values is not None and choices.task_type == "auto" and distinct > 2:
            doubts.append(f"{distinct} whole numbers are taken as classes: task_type = 'regression' predicts the number")
        return np.array(where, dtype=float), classes, "classification", doubts
    if not standardized(values).any():
        check_classes((column[0],), len(column))
    doubts = []
    if choices.task_type == "auto" and distinct <= MANY and distinct * 4 <= len(column):
        doubts = [f"{distinct} different numbers are taken as a regression: task_type = 'classification' makes them classes"]
    return values, (), "regression", doubts

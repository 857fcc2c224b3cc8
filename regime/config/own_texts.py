"""Somebody's own texts, and what to predict of each: labels, or a number."""

import re
from functools import lru_cache
from typing import NamedTuple

from regime.config.columns import LABELS, SCORES, TEXTS, Decimals, called, exact, is_missing, is_typed, standardized
from regime.config.read import FEW, MANY, Choices, Read, TaskType, as_well, cased, check_classes, classes_of
from regime.config.sheet import Bad, Sheet, bad_cells, read_sheet, sort_out
from regime.config.table import check_characters, lines_of
from regime.errors import show

CELL_LIMIT = 10_000
"""Characters of a text."""
OPTIONS = Choices()


class OwnTexts(NamedTuple):
    """Texts, and the number of each one's label in `classes`, or each one's value; of unlabeled texts neither."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    values: tuple[float, ...] = ()
    """Of a regression: mean 0, variance 1."""
    read: Read | None = None


@lru_cache(maxsize=8)
def parse_texts(source: str, labeled: bool = True, choices: Choices = OPTIONS) -> OwnTexts:
    """Return texts with a label each; or texts alone, one a line or in a column of a table.

    Unasked, the texts are in the column that is called so (text, review ...) or has the longest cells; the target is the column
    called label, class or the like, or the only other one of few different values.

    Args:
        source: rows in CSV or the like.
        labeled: whether there is something to predict.
        choices: what to read.

    Raises:
        ValueError: a cell, a column or a choice is not allowed; the message lists all bad cells, and says what mends them.
    """
    plain = not labeled and choices.text_column is None and not _has_text_header(source)
    sheet = _lines(source, choices) if plain else read_sheet(source, choices, words=True)
    if choices.encode:
        raise ValueError(f"encode = {list(choices.encode)!r:.80} is not allowed for texts; allowed: columns of a toy's rows")
    text, target, left_out, doubts = _columns(sheet, labeled, choices)
    number = target is not None and _is_regression(sheet, target, choices)
    bad = [
        Bad(row, sheet.names[text], "", why)
        for row, cell in zip(sheet.rows, sheet.column(text), strict=True)
        if (why := _wrong(cell))
    ]
    bad += bad_cells(sheet, target, words=not number, target=True) if target is not None else []
    sheet, dropped = sort_out(sheet, bad, choices, sheet.names)
    return _texts(sheet, text, target, number, left_out + dropped, doubts, choices.task_type)


def _texts(
    sheet: Sheet, text: int, target: int | None, number: bool, left_out: list[str], doubts: list[str], task_type: TaskType
) -> OwnTexts:
    """Texts and targets of sound rows."""
    texts, taken = tuple(sheet.column(text)), sheet.taken
    classes: tuple[str, ...] = ()
    labels, values = [], []
    if target is not None:
        column = sheet.column(target)
        known = sheet.numbers(target)
        numeric = bool((known == known).all())  # none is nan
        if number:
            values = standardized(known).tolist()
            if not any(values):
                check_classes((column[0],), len(column))
            if task_type == "auto" and len(set(column)) <= MANY:
                doubts.append(
                    f"{len(set(column))} numbers are taken as a regression: task_type = 'classification' makes them classes"
                )
        else:
            classes, labels = classes_of(column, exact(column, sheet.decimals) if numeric else None)
            check_classes(classes, len(column))
            doubts += cased(classes)
            if numeric and len(classes) > 2 and task_type == "auto":
                doubts.append(f"{len(classes)} numbers are taken as classes: task_type = 'regression' predicts the number")
    read = Read(
        rows=len(texts),
        inputs=[sheet.names[text]],
        target=[] if target is None else [sheet.names[target]],
        task_type=None if target is None else "regression" if number else "classification",
        classes={name: labels.count(at) for at, name in enumerate(classes)},
        left_out=left_out,
        scaling="The target has mean 0 and variance 1 over all rows" if number else "",
        taken=taken,
        doubts=[*doubts, *filter(None, [sheet.decimals.doubt])],
        columns=sheet.names,
        first=[[cell if len(cell) <= 200 else cell[:197] + "..." for cell in row] for row in sheet.cells[:5]],
    )
    return OwnTexts(texts, tuple(labels), classes, tuple(values), read)


def _columns(sheet: Sheet, labeled: bool, choices: Choices) -> tuple[int, int | None, list[str], list[str]]:
    """Where the texts are, where the target is, what is left out, and what is doubtful."""
    chosen = sheet.places(choices.target, "target")
    if len(chosen) > 1:
        raise ValueError(f"target = {list(choices.target)!r:.80} is not allowed for texts; allowed: one column")
    out = sheet.places(choices.drop, "drop")
    text = sheet.places(choices.text_column, "text_column")
    free = [at for at in range(len(sheet.names)) if at not in out and at not in chosen]
    if not free or set(text) & {*out, *chosen}:
        raise ValueError("no column is left for the texts; allowed: a column of texts, and a target unless for 'next-token'")
    named = called(sheet.names, free, TEXTS)
    long = max(free, key=lambda at: sum(map(len, sheet.column(at))) * (not _all_numbers(sheet, at)))
    where = (text or named or [long])[0]
    others = [at for at in free if at != where]
    doubts = [] if text else [as_well(sheet.names[at], "text_column") for at in named[1:]]
    target = chosen[0] if chosen else None
    if not labeled:
        target = None
    elif target is None:
        target, more = _target(sheet, others)
        doubts += more
    left = [at for at in range(len(sheet.names)) if at not in (where, target)]
    return where, target, [f"column {show(sheet.names[at])} left out, neither text nor target" for at in left], doubts


def _target(sheet: Sheet, others: list[int]) -> tuple[int, list[str]]:
    """The column of labels where nobody said, the one called so or the only one of few different values; and doubts."""
    if not others:
        raise ValueError(
            "it has one column; allowed: a text and its label in each row, parted by a comma, semicolon or tab; "
            "or readout = 'next-token', which needs no labels"
        )
    if named := called(sheet.names, others, (*LABELS, *SCORES)):
        return named[0], [as_well(sheet.names[at], "target") for at in named[1:]]
    typed = [at for at in others if is_typed(sheet.column(at)) and 2 <= len(set(sheet.column(at))) <= len(sheet.cells) / 2]
    if len(others) == 1 or len(typed) == 1:
        return (typed or others)[0], []
    names = ", ".join(repr(sheet.names[at])[:40] for at in typed or others)
    raise ValueError(f"several columns could be the target: {names}; say which, as in target = {sheet.names[others[0]]!r:.40}")


def _is_regression(sheet: Sheet, target: int, choices: Choices) -> bool:
    """Whether the target is a number to predict: as chosen, or else numbers of many values."""
    if choices.task_type != "auto":
        return choices.task_type == "regression"
    return _all_numbers(sheet, target) and len({cell for cell in sheet.column(target) if not is_missing(cell)}) > FEW


def _all_numbers(sheet: Sheet, at: int) -> bool:
    return all(sheet.decimals.plain(cell) or is_missing(cell) for cell in sheet.column(at))


def _wrong(cell: str) -> str:
    """Why a cell is no text; empty where it is one."""
    return "missing" if not cell else f"over {CELL_LIMIT} characters" if len(cell) > CELL_LIMIT else ""


def _has_text_header(source: str) -> bool:
    """Whether the first line names a column of texts beside another, or alone."""
    head = source.lstrip("\ufeff").lstrip().split("\n", 1)[0].lower()
    return any(cell.strip(' "\r') in TEXTS for cell in re.split(r"[\t;,|]", head))


def _lines(source: str, choices: Choices) -> Sheet:
    """One text a line, without labels."""
    check_characters(source)
    lines = {number: line.strip() for number, line in enumerate(lines_of(source), 1) if line.strip()}
    header, taken = "line", ["one text a line"]
    if choices.header and lines:
        first = next(iter(lines))
        header, taken = lines.pop(first), [f"row {first} names the column", *taken]
    if not lines:
        raise ValueError("it has no rows; allowed: one text a line")
    return Sheet([header], [[line] for line in lines.values()], list(lines), Decimals(), taken, frozenset())

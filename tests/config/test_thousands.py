"""Points and commas in numbers part thousands or are decimal, by one rule for both; where it could be either, that is said."""

import pytest

import regime
from regime.config.own_rows import OwnRows, parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import Choices

PRICES = list(range(700, 2700, 50))
MARKS = {".": "points", ",": "commas"}
OTHER = {".": ",", ",": "."}


def read(cells: list[str], *others: list[str], separator: str = ";") -> OwnRows:
    """Read a column, others beside it, and a target."""
    columns = [cells, *others, [str(k % 2) for k in range(len(cells))]]
    rows = [separator.join(f'"{cell}"' for cell in row) for row in zip(*columns, strict=True)]
    return parse_rows("\n".join([separator.join(f"c{at}" for at in range(len(columns) - 1)) + f"{separator}y", *rows]))


def grouped(mark: str, values: list[int]) -> list[str]:
    return [f"{value:,}".replace(",", mark) for value in values]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("values", [PRICES, [-value for value in PRICES], [5, 12, 45, 310, 1234, 2301] * 7])
def test_thousands_beside_hundreds_are_thousands(mark: str, separator: str, values: list[int]) -> None:
    own = read(grouped(mark, values), separator=separator)
    assert own.x[:, 0].tolist() == values
    assert any(f"{MARKS[mark]} part thousands, as in {'-' * (values[0] < 0)}1{mark}" in line for line in own.read.doubts)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    "cells",
    [
        ["1.234", "2.718", "3.142", "12.500"],  # three decimals alone
        ["1", "1.500", "2", "2.250"],  # small whole numbers
        ["100", "99.875", "98.125", "101"],  # whole numbers as large as decimals
        ["1500", "1.000", "950", "1.200"],  # one of these has thousands that nothing parts
    ],
)
def test_three_decimals_are_decimals_and_the_doubt_is_said(mark: str, cells: list[str]) -> None:
    own = read([cell.replace(".", mark) for cell in cells * 10])
    assert own.x[:4, 0].tolist() == [float(cell) for cell in cells]
    [doubt] = own.read.doubts
    assert doubt.startswith(f"{MARKS[mark]} are decimal, as in ")
    assert doubt.endswith(f", though they could part thousands: decimal = {OTHER[mark]!r} says so")


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    "cells", [["0.125", "0.250", "1.500"], ["1.234", "-0.125"], ["1.5", "950", "1.000", "2.000"], ["1e3", "1.500e3"]]
)
def test_what_can_be_decimal_only_leaves_no_doubt(mark: str, cells: list[str]) -> None:
    own = read([cell.replace(".", mark) for cell in cells * 10])
    assert own.x[: len(cells), 0].tolist() == [float(cell) for cell in cells]
    assert own.read.doubts == []


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("separator", [",", ";"])
def test_what_can_be_thousands_only_leaves_no_doubt(mark: str, separator: str) -> None:
    values = [700_000 + 50_000 * k for k in range(20)]
    own = read(grouped(mark, values), separator=separator)
    assert own.x[:, 0].tolist() == values
    assert own.read.doubts == []
    assert f"{MARKS[mark]} part thousands, as in 700{mark}000" in own.read.taken


@pytest.mark.parametrize("mark", MARKS)
def test_a_column_that_disagrees_with_its_table_is_doubtful(mark: str) -> None:
    decimals = [f"0.{k}5".replace(".", mark) for k in range(1, 41)]
    own = read(grouped(mark, PRICES), decimals)
    assert own.x[6].tolist() == [1.0, 0.75]
    assert (
        f"{MARKS[mark]} are decimal, as in 1{mark}000, though they could part thousands: decimal = {OTHER[mark]!r} says so"
        in own.read.doubts
    )
    assert read(grouped({".": ",", ",": "."}[mark], PRICES), decimals).x[6].tolist() == [1000, 0.75]


def test_points_and_commas_that_could_both_be_either_are_doubtful() -> None:
    own = read(["1,234", "2,345"] * 10, ["1.234", "2.345"] * 10)
    assert own.x[0].tolist() == [1234, 1.234]
    assert own.read.doubts == ["commas part thousands, as in 1,234, though they could be decimal: decimal = ',' says so"]


def test_the_way_that_reads_most_cells_is_that_of_the_table() -> None:
    commas, points = [f"{k},5" for k in range(20)], ["1.25", *map(str, range(1, 20))]
    with pytest.raises(ValueError, match=r"column 'c1': '1\.25' is no number in row 2"):
        read(commas, points)


def test_of_texts_the_doubt_is_said_too() -> None:
    rows = "".join(f"some words {k};{value}\n" for k, value in enumerate(grouped(".", PRICES)))
    own = parse_texts("text;score\n" + rows)
    assert max(own.values) < 2
    assert own.read.doubts[-1] == "points part thousands, as in 1.000, though they could be decimal: decimal = '.' says so"


@pytest.mark.parametrize(("decimal", "want"), [(".", 1.234), (",", 1234.0), ("auto", 1.234)])
def test_the_doubt_is_settled_by_saying_the_mark(decimal: str, want: float) -> None:
    text = "a;y\n" + "1.234;0\n2.718;1\n" * 10
    own = parse_rows(text, Choices(decimal=decimal))
    assert own.x[0, 0] == want
    assert bool(own.read.doubts) == (decimal == "auto")
    scores = "text;score\n" + "".join(f"words {k};{k}.250\n" for k in range(1, 20))
    values = parse_texts(scores, choices=Choices(decimal=decimal, task_type="regression"))
    assert values.read.doubts[:1] == [] or decimal == "auto"


def test_numbers_in_the_other_mark_are_refused_and_defaults_need_no_rows() -> None:
    text = "a;y\n" + "1.5;0\n2.25;1\n" * 20
    with pytest.raises(ValueError, match=r"column 'a'|words, such as '1.5'"):
        regime.ToyConfig(csv=text, decimal=",")
    assert regime.ToyConfig(csv=text, decimal=".").read.taken[-1] == "points are decimal, as asked"
    with pytest.raises(ValueError, match="decimal = ',' is not allowed with task = 'rings'"):
        regime.ToyConfig(decimal=",")
    with pytest.raises(ValueError, match="decimal = ';' is not allowed; allowed: one of 'auto'"):
        regime.ToyConfig(csv=text, decimal=";")

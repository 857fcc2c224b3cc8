"""Text as a table: names stand over their own columns, whatever separators end the rows."""

import pytest

from regime.config.own_rows import OwnRows, parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import Choices

ROWS = [f"{k % 2},{k * k % 17}.5,{k % 7}.25" for k in range(60)]
ENDS = {
    "every row": (1,),
    "every other row": (0, 1),
    "few rows": (0, 0, 0, 0, 1),
    "most rows": (1, 1, 1, 1, 0),
    "one more each": (0, 1, 2, 3),
}
"""How many separators end the rows, again and again."""


def read(*lines: str, **choices) -> OwnRows:
    return parse_rows("\n".join(lines), Choices(**choices))


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("header", ["label,a,b", "label,a,b,", "# label,a,b", "# label,a,b,"])
def test_separators_that_end_rows_make_no_column(header: str, end: tuple[int, ...]) -> None:
    plain = read(header.rstrip(","), *ROWS, target="label")
    own = read(header, *(row + "," * end[k % len(end)] for k, row in enumerate(ROWS)), target="label")
    assert own.read.columns == ["label", "a", "b"]
    assert own.read.classes == {"0": 30, "1": 30}
    assert (own.x == plain.x).all()
    assert (own.y == plain.y).all()
    assert any("empty last column" in line for line in own.read.taken)


def test_a_header_that_ends_in_a_separator_alone_names_its_columns() -> None:
    own = read("label,a,b,", *ROWS)
    assert (own.read.columns, own.read.target) == (["label", "a", "b"], ["label"])
    assert "1 empty last column left out" in own.read.taken


def test_an_index_that_the_header_does_not_name_stays_one() -> None:
    own = read("a,b,y", *(f"r{k},{row}" for k, row in enumerate(ROWS)))
    assert own.read.columns == ["unnamed 1", "a", "b", "y"]
    assert "its header has no name for the first column" in own.read.taken
    some = read("a,b,y", *(f"r{k},{k},{k % 2},{k % 3 if k else ''}" for k in range(30)), missing="drop")
    assert some.read.columns == ["unnamed 1", "a", "b", "y"]


def test_a_row_with_more_than_the_others_is_refused_still() -> None:
    lines = [row + "," for row in ROWS]
    lines[4] += "7"
    lines[9] += ",7"
    with pytest.raises(ValueError, match="row 11 has not the 4 cells of the others"):
        read("label,a,b,c", *lines)


def test_texts_that_end_in_separators_keep_their_names() -> None:
    rows = "".join(f"some words {k};{'ab'[k % 2]};\n" for k in range(20))
    own = parse_texts("text;label\n" + rows)
    assert (own.classes, own.read.columns) == (("a", "b"), ["text", "label"])

"""Own rows: what is read, what is refused, and that nothing else happens."""

import random

import pytest

from regime.config.table import ROWS, parse_rows


def test_names_numbers_and_classes() -> None:
    table = parse_rows('x,y,kind\n1,2.5,"b, c"\n\n-3,0,a\n')
    assert table.x == ((1.0, 2.5), (-3.0, 0.0))
    assert table.classes == ("a", "b, c")
    assert table.y == (1.0, 0.0)
    assert parse_rows("0,1\n2,0\n0,1").x == ((0.0,), (2.0,), (0.0,)), "a row of numbers is no header, whatever the numbers"
    assert parse_rows("1,10\n2,9\n3,10").classes == ("9", "10")
    assert parse_rows("1,0.5\n2,0.25\n3,1").classes == ()
    assert parse_rows("\n".join(f"1,{k}" for k in range(11))).classes == (), "more than ten whole numbers are a regression"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no rows"),
        ("a,b\n", "it has no rows"),
        ("1\n2\n", "it has 1 columns; allowed: 2 to 257"),
        ("1,2\n1,2,3\n", "data row 2 has 3 columns, the first one 2"),
        ("1,a\nnan,b\n", "data row 2 has 'nan'"),
        ("1,a\ninf,b\n", "data row 2 has 'inf'"),
        ("1,a\n1e31,b\n", "data row 2 has '1e31'"),
        ("1,a\nword,b\n", "data row 2 has 'word'"),
        ("1,2\n2,nan\n", "its target 'nan' is not a finite number"),
        ("1,a\n2,a\n", "its target has one value only"),
        ("\n".join(f"1,c{k}" for k in range(11)), "its target has 11 classes; allowed: 2 to 10"),
        ("\n".join(f"1,{k % 2}" for k in range(ROWS + 1)), f"allowed: at most {ROWS}"),
        (",".join("1" * 300) + "\n", "it has 300 columns"),
        ("1," + "x" * 1_000_000, "bytes; allowed: at most 1000000"),
        ('1,"open\n2,b\n', "it is not CSV"),
    ],
)
def test_refusals_name_what_and_where(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"allowed|not CSV") as error:
        parse_rows(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 200


def test_no_text_does_anything_but_parse_or_be_refused() -> None:
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choice('01.9,\n\r"-e;\0\tné=+@') for _ in range(rng.randrange(60)))
        try:
            table = parse_rows(text)
        except ValueError:
            continue
        assert len(table.x) == len(table.y) >= 2

"""Columns of a table: what is a number, and how numbers are scaled."""

import random

import numpy as np
import pytest

from regime.config.columns import Decimals, is_number, standardized
from regime.config.own_rows import parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import Choices

NUMBERS = {
    "12": (12, 12),
    "-3.5": (-3.5, None),
    "+,5": (None, 0.5),
    "5.": (5, None),
    "1.5e3": (1500, None),
    "1,5E-3": (None, 0.0015),
    "1,234": (1234, 1.234),
    "1.000": (1, 1000),
    "0.125": (0.125, None),
    "-0,125": (None, -0.125),
    "1.000.000": (None, 1e6),
    "1,000,000.5": (1e6 + 0.5, None),
    "1.234,5": (None, 1234.5),
    "12345,678": (None, 12345.678),
}
"""Cells, and what they are where points are decimal, and where commas are."""
WORDS = (
    "1.2.3",
    "1,2,3",
    "10.0.0.1",
    "1.23.456",
    "1,00,000",
    "1.234.5",
    "1,234,5",
    "1.5,5",
    "1,5.5",
    "1e",
    "--1",
    "1_000",
    ".",
    "inf",
)
CONSTANTS = ("0", "5", "0.1", "0.3", "-0.7", "1.1", "20.3", "1e-300", "1e29", "123456789.123456789")


@pytest.mark.parametrize("cell", NUMBERS)
def test_a_number_is_what_a_country_writes(cell: str) -> None:
    assert is_number(cell)
    for mark, value in zip(".,", NUMBERS[cell], strict=True):
        plain = Decimals(mark).plain(cell)
        assert (float(plain) if plain else None) == value


@pytest.mark.parametrize("word", WORDS)
def test_what_no_country_writes_is_a_word(word: str) -> None:
    assert not is_number(word)
    rows = [f"{k * k % 17},{k}" for k in range(40)]
    some = parse_rows("a,b,y\n" + "".join(f'{row},"{word if k % 2 else word + "7"}"\n' for k, row in enumerate(rows)))
    assert some.classes == tuple(sorted((word, word + "7")))
    with pytest.raises(ValueError, match=r"words, such as .*, are in column 'v', and inputs are numbers; drop = \['v'\]"):
        parse_rows("a,b,v,y\n" + "".join(f'{row},"{word}",{k % 2}\n' for k, row in enumerate(rows)))
    for target in ("a", "v"):
        with pytest.raises(ValueError, match=r"column 'v': '.*' is no number.* in row 5; missing = 'drop'") as error:
            parse_rows(
                "a,v,y\n" + "".join(f'{k * k % 17},"{k if k != 3 else word}",{k % 2}\n' for k in range(40)),
                Choices(target=target),
            )
        assert repr(word) in str(error.value)
    with pytest.raises(ValueError, match="and the number 0: names, or a row with a bad cell"):
        parse_rows("".join(f'{k * k % 17},"{k or word}",{k % 2}\n' for k in range(40)))


@pytest.mark.parametrize("word", ["1.2.3", "word", "1e31", "1,5"])
def test_a_number_to_predict_of_texts_that_is_none_is_refused(word: str) -> None:
    rows = "".join(f'some words {k},"{k + 0.5 if k != 3 else word}"\n' for k in range(40))
    what = "beyond 1e" if word == "1e31" else "no number"
    with pytest.raises(ValueError, match=f"column 'score': '{word}' is {what}.* in row 5"):
        parse_texts("text,score\n" + rows, choices=Choices(task_type="regression"))


def test_numbers_to_predict_of_texts_have_decimal_commas_too() -> None:
    rows = "".join(f"some words {k};{k},5\n" for k in range(40))
    assert (
        parse_texts("text;score\n" + rows).values
        == parse_texts("text,score\n" + rows.replace(",", ".").replace(";", ",")).values
    )


@pytest.mark.parametrize("word", ["1,5", "1.2.3", "1e31"])
def test_what_is_no_number_is_a_class_where_that_is_asked(word: str) -> None:
    rows = "a;y\n" + "".join(f"{k}.5;{(word, '2.5', '3.5')[k % 3]}\n" for k in range(30))
    what = r"beyond 1e\+30" if word == "1e31" else "no number"
    with pytest.raises(ValueError, match=f"'{word}' is {what}, though a class with task_type = 'classification', in rows 2, 5"):
        parse_rows(rows)
    assert parse_rows(rows, Choices(task_type="classification")).classes == (word, "2.5", "3.5")


def test_one_hot_columns_are_found_as_they_are_read() -> None:
    rows = [(f"{k * k % 17}", k % 2) for k in range(40)]
    own = parse_rows(
        "a,debit,credit\n" + "".join(f'{a},"{one and "1,000"}","{"1,000" if not one else 0}"\n' for a, one in rows)
    )
    assert own.read.target == ["credit"]
    assert own.read.classes == {"0": 20, "1000": 20}
    for yes, no in (("1", "0"), ("1.0", "0.0"), ("True", "False"), ("1e0", "0e0")):
        hot = parse_rows("a,b,c\n" + "".join(f"{a},{yes if one else no},{no if one else yes}\n" for a, one in rows))
        assert (hot.read.target, hot.classes) == (["b", "c"], ("b", "c"))
    comma = parse_rows("a;b;c\n" + "".join(f"{a},5;{one},0;{1 - one},0\n" for a, one in rows))
    assert comma.read.target == ["b", "c"]


def test_a_refusal_is_never_that_of_the_language() -> None:
    rng, said = random.Random(0), []
    for _ in range(400):
        cells = ["".join(rng.choice("019.,-e") for _ in range(rng.randrange(1, 7))) for _ in range(4)] + ["7", "9" * 5000]
        text = "\n".join(";".join(rng.choice(cells) for _ in range(3)) for _ in range(rng.randrange(2, 12)))
        for read in (parse_rows, parse_texts):
            try:
                read(text)
            except ValueError as error:
                said.append(str(error))
    assert said
    assert not [message for message in said if "convert" in message or "conversion" in message]


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("rows", [3, 60, 5000])
def test_a_constant_column_is_exactly_zero(constant: str, rows: int) -> None:
    column = np.full((rows, 1), float(constant))
    assert not standardized(column).any()
    assert not standardized(column[:, 0]).any()
    column[::3] = np.nextafter(column[::3], np.inf) if constant != "0" else 0
    assert not standardized(column).any(), "the last digit of a float is rounding"


def test_any_other_column_has_mean_0_and_variance_1() -> None:
    pattern = np.arange(60.0) * 7 % 11
    columns = np.stack([pattern, pattern * 1e-200, pattern * 1e28, pattern + 1e15, 1.7e18 + 1e9 * pattern, pattern == 3], 1)
    found = standardized(columns)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(0), 1, atol=1e-12)
    for same in range(1, 5):
        np.testing.assert_allclose(found[:, same], found[:, 0], atol=1e-9)


@pytest.mark.parametrize(("one", "other"), [("0.1", "0.10"), ("1e0", "1"), ("0.1", "0.10000000000000001"), ("0.3", "3e-1")])
def test_one_value_written_in_two_ways_is_one_value(one: str, other: str) -> None:
    text = "a,b,y\n" + "".join(f"{one if k % 2 else other},{k * 3 % 7},{k * k % 5}.5\n" for k in range(60))
    assert "column 'a' has one value only" in parse_rows(text).read.doubts
    with pytest.raises(ValueError, match="its target has one value only"):
        parse_rows(text, Choices(target="a", task_type="regression"))
    texts = "text,score\n" + "".join(f"some words {k},{one if k % 2 else other}\n" for k in range(60))
    with pytest.raises(ValueError, match="its target has one value only"):
        parse_texts(texts, choices=Choices(task_type="regression"))


def test_a_column_that_is_constant_in_the_rows_that_are_left_is_told() -> None:
    text = "a,b,y\n" + "".join(f"{'0.3' if k else 7},{k * 3 % 7 if k else '?'},{k % 2}\n" for k in range(60))
    assert "column 'a' has one value only" in parse_rows(text, Choices(missing="drop")).read.doubts
    words = "a,b,y\n" + "".join(f"red,{k * 3 % 7},{k % 2}\n" for k in range(60))
    assert "column 'a = red' has one value only" in parse_rows(words, Choices(encode=("a",))).read.doubts

"""Columns of a table: how their numbers are scaled."""

import numpy as np
import pytest

from regime.config.columns import standardized
from regime.config.own_rows import parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import Choices

CONSTANTS = ("0", "5", "0.1", "0.3", "-0.7", "1.1", "20.3", "1e-300", "1e29", "123456789.123456789")


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

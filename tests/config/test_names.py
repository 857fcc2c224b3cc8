"""Names of columns differ, whatever the header has."""

import pytest

from regime.config.own_rows import OwnRows, parse_rows
from regime.config.read import Choices


def read(first: str, **choices) -> OwnRows:
    rows = [",".join(str((k + 1) * (at + 2) % 7) for at in range(first.count(","))) + f",{k % 2}" for k in range(40)]
    return parse_rows("\n".join([first, *rows]), Choices(**choices))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,a,y", ["a", "a.2", "y"]),
        ("a,a.3,a,y", ["a", "a.3", "a.4", "y"]),
        ("a,a,a.2,y", ["a", "a.3", "a.2", "y"]),
        ("a,a,a.2,a.3,a,y", ["a", "a.4", "a.2", "a.3", "a.5", "y"]),
        ("unnamed 2,,b,y", ["unnamed 2", "unnamed 2.2", "b", "y"]),
        (",unnamed 1,b,y", ["unnamed 1", "unnamed 1.2", "b", "y"]),
    ],
)
def test_names_differ_and_choose_their_column(header: str, names: list[str]) -> None:
    own = read(header, header=True, drop=())
    assert own.read.columns == names
    for at, name in enumerate(names[:-1]):
        assert read(header, header=True, target=name, task_type="regression").y.tolist() == own.x[:, at].tolist()


def test_inputs_that_words_make_have_names_of_their_own() -> None:
    rows = "".join(f"{'FM'[k % 2]},{k % 5},{k % 3}\n" for k in range(40))
    assert parse_rows("Sex,Sex = F,y\n" + rows, Choices(encode=("Sex",))).read.inputs == ["Sex = F", "Sex = M", "Sex = F.3"]

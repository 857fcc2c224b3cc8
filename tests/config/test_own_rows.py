"""Own rows: what is read, what is said, what is refused with its mend, and that nothing else happens."""

import random
import warnings

import numpy as np
import pytest

from regime.config import ToyConfig
from regime.config.columns import standardized
from regime.config.own_rows import parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import CLASSES, Choices
from regime.config.table import ROWS
from regime.errors import ConfigError

IRIS = "".join(f"{k % 7}.5,{k % 5},{'abc'[k % 3]}\n" for k in range(150))


def read(text: str, **choices):
    return parse_rows(text, Choices(**choices))


def test_names_numbers_and_classes() -> None:
    own = parse_rows('x,y,kind\n1,2.5,"b, c"\n\n-3,0,a\n')
    assert own.x.tolist() == [[1, 2.5], [-3, 0]]
    assert own.classes == ("a", "b, c")
    assert own.y.tolist() == [1, 0]
    assert own.read.inputs == ["x", "y"]
    assert parse_rows("0,1\n2,0\n0,1").x.tolist() == [[0], [2], [0]], "a row of numbers is no header, whatever the numbers"
    assert parse_rows("1,10\n2,9\n3,10").classes == ("9", "10"), "numbers are in order as numbers"
    assert parse_rows("1,0.5\n2,0.25\n3,1").classes == ()
    assert parse_rows("\n".join(f"1,{k}" for k in range(11))).classes == (), "more than ten whole numbers are a regression"


def test_numbers_as_labels_compare_as_numbers() -> None:
    assert parse_rows("1,1\n2,1.0\n3,0\n4,-0\n").classes == ("0", "1")
    assert parse_rows("1,+1\n2,1\n3,-1\n").classes == ("-1", "1")
    assert parse_rows("1;1,0\n2;1\n3;2,5\n").read.task_type == "regression"
    fractions = "".join(f"{k},{('0.50', '.5', '1.25', '1e-7')[k % 4]}\n" for k in range(12))
    assert parse_rows(fractions, Choices(task_type="classification")).classes == ("1E-7", "0.5", "1.25")


@pytest.mark.parametrize(
    "labels",
    [
        ("7", "9007199254740992", "9007199254740993"),
        ("1000000000000000001", "1000000000000000002", "1000000000000000003"),
        ("-123456789012345678901234567891", "-123456789012345678901234567890", "0"),
    ],
)
def test_long_numbers_as_labels_differ_in_any_digit(labels: tuple[str, ...]) -> None:
    own = parse_rows("".join(f"{k},{labels[k % 3]}\n" for k in range(12)))
    assert own.classes == labels
    assert own.y.tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("true", "1", "0", "FALSE"), ("0", "1")),
        (("True", "False", "true", "TRUE"), ("0", "1")),
        (("true", "2", "0", "1.0"), ("0", "1", "2")),
        (("true", "false", "unknown", "true"), ("false", "true", "unknown")),  # words among words
    ],
)
def test_true_and_false_as_labels_are_one_and_zero(cells: tuple[str, ...], classes: tuple[str, ...]) -> None:
    rows = "".join(f"{k},{cells[k % 4]}\n" for k in range(16))
    assert parse_rows(rows).classes == classes
    assert parse_rows(rows, Choices(task_type="classification")).classes == classes
    texts = "text,label\n" + "".join(f"some words {k},{cells[k % 4]}\n" for k in range(16))
    assert parse_texts(texts, choices=Choices(task_type="classification")).classes == classes


@pytest.mark.parametrize(
    ("text", "choices", "inputs", "target", "classes"),
    [
        ("label,a,b\nx,1,2\ny,3,4\nx,5,6\n", {}, ["a", "b"], ["label"], ["x", "y"]),
        ("1,14.2,1.7\n2,13.2,1.78\n1,13.16,2.36\n", {"target": 1}, ["column 2", "column 3"], ["column 1"], ["1", "2"]),
        ("x,1,2\ny,3,4\nx,5,6\n", {"target": 1}, ["column 2", "column 3"], ["column 1"], ["x", "y"]),
        ("a,b,c\n1,2,3\n4,5,6\n", {"target": "B", "drop": ("c",)}, ["a"], ["b"], ["2", "5"]),
        ("a,b,c\n1,2,3\n4,5,6\n", {"target": -2, "task_type": "regression"}, ["a", "c"], ["b"], []),
        ("Sex,len,rings\nM,1,9\nF,2,8\nM,3,9\n", {"encode": ("Sex",)}, ["Sex = F", "Sex = M", "len"], ["rings"], ["8", "9"]),
        ("a,ok,label\n1,true,0\n2,FALSE,1\n3,True,0\n", {}, ["a", "ok"], ["label"], ["0", "1"]),
        ("a,c0,c1\n1,1,0\n2,0,1\n3,1,0\n", {"target": ("c0", "c1")}, ["a"], ["c0", "c1"], ["c0", "c1"]),
        ("a,c0,c1\n1,1,0\n2,0,1\n3,1,0\n", {"target": "c1"}, ["a", "c0"], ["c1"], ["0", "1"]),
        ('"a" "b"\n"r1" 1 0\n"r2" 2 1\n"r3" 3 0\n', {"target": "b"}, ["a"], ["b"], ["0", "1"]),
        ("sep=;\na;label\n1;x\n2;y\n", {}, ["a"], ["label"], ["x", "y"]),
        ("# x,y\n1,0\n2,1\n", {}, ["x"], ["y"], ["0", "1"]),
        ("0,1,2,3\n5.1,3.5,1.4,0\n4.9,3.0,1.4,1\n", {}, ["0", "1", "2"], ["3"], ["0", "1"]),
        ("0,1,2,3\n5,3,1,0\n4,3,1,1\n", {"header": False}, ["column 1", "column 2", "column 3"], ["column 4"], ["0", "1", "3"]),
        ("1,2\n3,4\n5,6\n", {"header": True}, ["1"], ["2"], ["4", "6"]),
        ("  1  2.5   7\n  2  3.5   8\n", {}, ["column 1", "column 2"], ["column 3"], ["7", "8"]),
        ("a,b,,\n1,0,,\n2,1,,\n", {}, ["a"], ["b"], ["0", "1"]),
    ],
)
def test_tables(text: str, choices: dict, inputs: list, target: list, classes: list) -> None:
    found = read(text, **choices).read
    assert (found.inputs, found.target, list(found.classes)) == (inputs, target, classes)


def test_decimal_commas_and_thousands() -> None:
    assert parse_rows("a;b\n1,5;2\n2,25;3\n").x.tolist() == [[1.5], [2.25]]
    assert parse_rows("a;b\n1.234,5;2\n2,25;3\n").x.tolist() == [[1234.5], [2.25]]
    assert parse_rows('a,b\n"1,234.5",2\n"2",3\n').x.tolist() == [[1234.5], [2]]
    assert parse_rows('a,b\n"1,234",2\n"12,345",3\n').x.tolist() == [[1234], [12345]]
    doubtful = parse_rows("a;b\n1,234;2\n2,345;3\n")
    assert doubtful.x.tolist() == [[1.234], [2.345]]
    assert any("though they could part thousands" in line for line in doubtful.read.doubts)


def test_a_mend_does_not_bring_an_id_back() -> None:
    text = "id,name,size,kind\n" + "".join(f"{1000 + 7 * k},n{k},{k % 9}.5,{'ab'[k % 2]}\n" for k in range(30))
    with pytest.raises(ValueError, match=r"drop = \['name'\] leaves out"):
        read(text)
    assert read(text, drop=("name",)).read.inputs == ["size"]
    assert read(text, drop=("name",)).read.left_out[0].startswith("column 'id' left out")


def test_doubts_name_the_choice() -> None:
    assert "target = 1" in read("1,14.25\n2,13.5\n1,13.16\n3,12.1\n2,7.5\n").read.doubts[0]
    assert "task_type = 'regression'" in read("a,b\n" + "".join(f"{k}.5,{k % 5}\n" for k in range(40))).read.doubts[0]
    assert "task_type = 'classification'" in read("a,b\n" + "".join(f"{k}.5,{k % 12}\n" for k in range(99))).read.doubts[0]
    assert "'No', 'no'" in read("a,b\n1,No\n2,no\n3,yes\n").read.doubts[0]
    assert "drop = []" in read(",a,b\n" + "".join(f"{k},{k * k},{k % 2}\n" for k in range(20))).read.left_out[0]
    assert read(",a,b\n" + "".join(f"{k},{k * k},{k % 2}\n" for k in range(20)), drop=()).read.inputs == ["unnamed 1", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no rows"),
        ("a,b\n", "it has one row"),
        ("a,b\n1,2\n", "its target has one value only"),
        ('{"a": 1}\n{"a": 2}\n', "it begins with {"),
        ("<!DOCTYPE html>\n<table>\n", "as JSON or HTML do"),
        ("1\n2\n", "it has one column"),
        ("1,2\n1,2,3\n3,4\n", "row 2 has not the 2 cells of the others: put quotes around"),
        ("1,a\nnan,b\n2,a\n", "column 'column 1': 'nan' counts as missing in row 2; missing = 'drop'"),
        ("1,a\ninf,b\n2,a\n", "column 'column 1': 'inf' is no number in row 2"),
        ("1,a\n1e31,b\n", "column 'column 1': '1e31' is beyond 1e+30 in row 2"),
        ("0.5,a\n\u22120.5,b\n\u22121.5,a\n", "words, such as '\u22120.5', are in column 'column 1'"),
        ("1,a\nword,b\n3,a\n4,b", "column 'column 1': 'word' is no number in row 2"),
        ("1,2\n2,nan\n3,4", "column 'column 2': 'nan' counts as missing in row 2"),
        ("x1.2,3.5,1\n4.5,6.5,0\n1.5,2.5,1\n", "header = true, or header = false"),
        (
            "Sex,len,rings\nM,1,9\nF,2,8\nM,3,9\n",
            "drop = ['Sex'] leaves out, encode = ['Sex'] makes an input of each word; target",
        ),
        ("1,a\n2,a\n", "its target has one value only"),
        ("\n".join(f"1,c{k}" for k in range(CLASSES + 1)), f"allowed: 2 to {CLASSES} classes"),
        ("\n".join(f"1,{k % 2}" for k in range(ROWS + 1)), f"allowed: at most {ROWS}"),
        (",".join("1" * 300) + "\n" + ",".join("1" * 300) + "\n", "over 257 columns"),
        ('1,"open,x\n2,b\n', "line 2 cannot be read"),
        ("1,\x00\n", "line 1 has the control character"),
        ("1,\ufffd\n", "its encoding was lost"),
    ],
)
def test_refusals_name_what_and_where(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_rows(text)
    assert message in str(error.value)
    assert len(str(error.value)) < 400


def test_all_bad_cells_are_told_at_once_and_their_rows_dropped() -> None:
    lines = [f"{k}.5,{k % 4},{k % 2}" for k in range(40)]
    for row in (3, 9, 20):
        lines[row] = f"?,{row},1"
    lines[11] = "1,2,3,4"
    text = "a,b,label\n" + "\n".join(lines)
    with pytest.raises(ValueError, match="missing = 'drop' leaves these 4 of 40 rows out") as error:
        parse_rows(text)
    for rows in ("row 13 has not the 3 cells", "'?' counts as missing in rows 5, 11, 22"):
        assert rows in str(error.value), "rows count as a spreadsheet shows them, the header as the first"
    own = read(text, missing="drop")
    assert len(own.x) == own.read.rows == 36
    assert "4 of 40 rows left out" in own.read.left_out[0]
    assert "rows 5, 11, 13, 22" in own.read.left_out[0]


@pytest.mark.parametrize(
    "choices", [{"target": "no"}, {"target": 9}, {"target": 0}, {"drop": ("b",), "target": "b"}, {"drop": (1,)}]
)
def test_choices_of_no_column_are_refused(choices: dict) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        read("a,b\n1,2\n3,4\n", **choices)


def test_small_files_run_and_choices_need_rows() -> None:
    config = ToyConfig(csv=IRIS)
    assert config.samples + config.test_samples + config.probe_samples <= 150
    assert min(config.samples, config.test_samples) > 40
    most = ToyConfig(csv=IRIS, samples=100)
    assert 48 <= most.probe_samples + most.test_samples <= 50
    assert ToyConfig(csv=IRIS * 4).samples == 128
    assert ToyConfig(**config.to_dict()) == config
    with pytest.raises(ConfigError, match="it has 9 rows; allowed: at least 16"):
        ToyConfig(csv="\n".join(IRIS.split("\n")[:9]))
    with pytest.raises(ConfigError, match="target = 'a' is not allowed with task = 'rings'"):
        ToyConfig(target="a")
    with pytest.raises(ConfigError, match=r"csv = rows is not allowed with task = 'rings'"):
        ToyConfig(task="rings", csv=IRIS)


def test_the_former_name_of_the_task_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="task = 'csv' is called 'own' now"):
        assert ToyConfig(task="csv", csv=IRIS) == ToyConfig(csv=IRIS)


def test_choices_travel_in_links_and_rows_do_not() -> None:
    config = ToyConfig(csv=IRIS, target=-1, drop=(2,), task_type="classification", missing="drop", header=False)
    query = config.to_query()
    assert "csv" not in query
    fields = config.changes() | {"csv": IRIS}
    assert ToyConfig(**fields) == config


SEPARATORS = (",", ";", "\t", "|")


def written(rng: random.Random) -> tuple[str, np.ndarray, list, dict]:
    """A random table as text, the points and targets that it holds, and the choices that a person would make."""
    rows, inputs = rng.randrange(20, 60), rng.randrange(1, 6)
    separator, header, index = rng.choice(SEPARATORS), rng.random() < 0.6, rng.random() < 0.2
    comma = separator in ";\t" and rng.random() < 0.5
    x = np.round(np.array([[rng.gauss(0, 10 ** rng.randrange(3)) for _ in range(inputs)] for _ in range(rows)]), 4)
    kind = rng.choice(["words", "numbers", "regression"])
    labels = {
        "words": [rng.choice(["red fox", "cat", 'big "dog"', "a, b"]) for _ in range(rows)],
        "numbers": [rng.choice(["0", "1", "2"]) for _ in range(rows)],
        "regression": [f"{rng.gauss(0, 1):.4f}" for _ in range(rows)],
    }[kind]
    if len(set(labels)) < 2:
        labels[:2] = [labels[0], "cat" if kind == "words" else "1" if labels[0] == "0" else "0"]
    quote = rng.choice(["always", "needed"])
    first = rng.random() < 0.3

    def cell(value: str) -> str:
        needed = any(mark in value for mark in (separator, '"', "\n", " "))
        return '"' + value.replace('"', '""') + '"' if quote == "always" or needed else value

    def number(value: float) -> str:
        shown = f"{value:.4f}"
        return shown.replace(".", ",") if comma else shown

    lines = []
    names = [f"input {at}" for at in range(inputs)]
    ends = rng.choice(["\n", "\r\n"])
    if header:
        heads = ["answer", *names] if first else [*names, "answer"]
        lines.append(separator.join(cell(name) for name in ([""] if index else []) + heads))
    for at in range(rows):
        answer = labels[at].replace(".", ",") if comma and kind == "regression" else labels[at]
        cells = [number(value) for value in x[at]]
        cells = [answer, *cells] if first else [*cells, answer]
        lines.append(separator.join(cell(value) for value in ([str(at)] if index else []) + cells))
    choices = {"target": "answer"} if header else {"target": (2 if index else 1) if first else -1}
    return ends.join(lines) + ends * rng.randrange(3), x, labels, choices | {"header": header}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_was_written_is_what_is_read(encoding: str) -> None:
    from regime.config.files import decode

    rng, refused = random.Random(f"tables {encoding}"), 0
    for _ in range(170):
        text, x, labels, choices = written(rng)
        asked = choices if rng.random() < 0.5 else {"target": choices["target"]}
        try:
            own = read(decode(text.encode(encoding)), **asked)
        except ValueError:
            refused += 1
            continue
        kept = own.x[:, -x.shape[1] :]
        np.testing.assert_allclose(kept, x, err_msg=text)
        told = [own.classes[int(value)] for value in own.y] if own.classes else [f"{value:.4f}" for value in own.y]
        assert told == labels, text
    assert refused == 0


def test_no_text_does_anything_but_parse_or_be_refused() -> None:
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choice('01.9,\n\r"-e;\0\tné=+@# |') for _ in range(rng.randrange(60)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                own = parse_rows(text)
            except ValueError:
                continue
        assert len(own.x) == len(own.y) >= 2
        assert np.isfinite(own.x).all()


def test_a_name_that_two_columns_share_is_said() -> None:
    rows = "\n".join(f"{k % 7},{k % 5},{k % 2}" for k in range(40))
    read = ToyConfig(task="own", csv=f"a,y,y\n{rows}", samples=8, test_samples=8, probe_samples=8).read
    assert (read.inputs, read.target) == (["a", "y"], ["y.3"])
    assert "columns with the name of another before are called 'y.3'" in read.taken
    apart = ToyConfig(task="own", csv=f"a,b,y\n{rows}", samples=8, test_samples=8, probe_samples=8).read
    assert not any("another" in said for said in apart.taken)


def test_a_line_of_a_cell_is_no_comment() -> None:
    """As Python's own reader of CSV has the cells; a comment with a quote that never ends is one all the same."""
    rows = "\n".join(f'{k % 7},{k % 5},"{("cat", "dog")[k % 2]}\n#{k % 4}"' for k in range(40))
    own = parse_rows(f'# an "open one\na,b,label\n# 5" wide\n{rows}\n#the end')
    assert own.classes == ("cat\n#0", "cat\n#2", "dog\n#1", "dog\n#3")
    assert own.read.taken[-1] == "comments left out: rows 1, 3, 44"


@pytest.mark.parametrize(
    ("header", "target", "other"), [("label,x,target", "label", "target"), ("Label,label,b", "Label", "label.1")]
)
def test_another_target_by_its_name_is_a_doubt(header: str, target: str, other: str) -> None:
    read = parse_rows(f"{header}\n" + "".join(f"{k % 2},{k % 7}.5,{k % 3}\n" for k in range(40))).read
    assert read.target == [target]
    if other in read.columns:
        assert read.doubts[0] == f"column {other!r} could be the target as well: target = {other!r} takes it"
    else:
        assert read.doubts[0].startswith("column 'label' could be the target as well")


@pytest.mark.parametrize("first", ["Mazda {}", "{}"])
def test_a_header_without_a_name_for_the_rows_names_the_others(first: str) -> None:
    rows = "".join(f"{first.format(k)},{k % 7}.5,{k % 2}\n" for k in range(1, 41))
    read = parse_rows(f"x,label\n{rows}").read
    assert (read.inputs, read.target) == (["x"], ["label"])


@pytest.mark.parametrize("header", [None, True])
def test_a_header_with_too_few_names_is_refused(header: bool | None) -> None:
    with pytest.raises(ValueError, match=r"row 1 has not"):
        parse_rows("x,label\n" + "".join(f"{k % 9}.25,{k % 7}.5,{k % 2}\n" for k in range(40)), Choices(header=header))


def test_marks_of_the_encoding_are_no_part_of_a_name() -> None:
    assert parse_rows("\ufeff\ufeffa,label\n" + "".join(f"{k}.5,{k % 2}\n" for k in range(40))).read.inputs == ["a"]


def test_numbers_are_read_whatever_a_caller_lets_raise() -> None:
    with np.errstate(all="raise"):
        own = parse_rows("a,label\n" + "".join(f"{k}e-305,{k % 2}\n" for k in range(40)))
        assert np.isfinite(standardized(own.x)).all()

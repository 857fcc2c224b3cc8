"""Own texts: which column holds them, which the target, and what is refused with its mend."""

import numpy as np
import pytest

from regime.config import ProbeConfig
from regime.config.own_texts import CELL_LIMIT, parse_texts
from regime.config.read import Choices
from regime.config.table import ROWS
from regime.errors import ConfigError

PLAIN = "good film,yes\nbad film,no\n"
RATED = "text,score\n" + "".join(f'"text, number {k}",{k / 4}\n' for k in range(60))


@pytest.mark.parametrize(
    "source",
    [
        PLAIN,
        "good film;yes\nbad film;no",
        "good film\tyes\nbad film\tno",
        '"good film","yes"\n\n"bad film",no\r\n',
        "text,label\ngood film,yes\nbad film,no",
        "label,text\nyes,good film\nno,bad film",
        "Sentence,Class\n good film , yes \nbad film,no",
        "# from a script, today\ntext,label\ngood film,yes\nbad film,no",
        "id,text,label\n7,good film,yes\n9,bad film,no",
    ],
)
def test_columns_and_headers(source: str) -> None:
    own = parse_texts(source)
    assert own.texts == ("good film", "bad film")
    assert own.classes == ("no", "yes")
    assert own.labels == (1, 0)


def test_quotes_commas_lines_and_comments_inside_a_cell() -> None:
    assert parse_texts("<b>fine</b>,x\n{well},y").texts == ("<b>fine</b>", "{well}")
    own = parse_texts('"a, ""b""\nc",x\n#plain,y')
    assert own.texts == ('a, "b"\nc', "#plain")


def test_text_alone() -> None:
    assert parse_texts("one line, with a comma\nanother\n", False).texts == ("one line, with a comma", "another")
    own = parse_texts("text,label\nfirst,a\nsecond,b", False)
    assert own.texts == ("first", "second")
    assert own.labels == own.classes == ()
    assert own.read.task_type is None


def test_choices() -> None:
    text = "title,body,stars,user\n" + "".join(f"t{k},a longer body {k},{k % 5},u{k % 3}\n" for k in range(40))
    assert parse_texts(text).read.target == ["stars"]
    assert parse_texts(text).read.inputs == ["body"]
    assert parse_texts(text, choices=Choices(target="user", text_column=1)).texts[0] == "t0"
    assert parse_texts(text, choices=Choices(target="user")).classes == ("u0", "u1", "u2")
    assert parse_texts(text, choices=Choices(target=3, task_type="regression")).classes == ()
    many = "".join(f"text {k},{k % 12}\n" for k in range(60))
    assert "task_type = 'classification'" in parse_texts(many).read.doubts[0]
    assert len(parse_texts(many, choices=Choices(task_type="classification")).classes) == 12


def test_a_regression_has_values_of_mean_0_and_variance_1() -> None:
    own = parse_texts(RATED)
    assert own.read.task_type == "regression"
    assert np.mean(own.values) == pytest.approx(0, abs=1e-12)
    assert np.std(own.values) == pytest.approx(1)
    assert ProbeConfig(texts=RATED).outputs == 1
    for refused in ({"loss": "cross-entropy"}, {"readout": "prompt", "prompt": "{text} {mask}", "words": ["a"]}):
        with pytest.raises(ConfigError, match="regression"):
            ProbeConfig(texts=RATED, **refused)


def test_small_files_run() -> None:
    config = ProbeConfig(texts=RATED)
    assert config.samples + config.held_out + config.probe_samples <= 60
    assert config.samples > 20
    with pytest.raises(ConfigError, match="it has 2 rows; allowed: at least 16"):
        ProbeConfig(texts=PLAIN)


@pytest.mark.parametrize(
    ("rows", "samples", "probe_samples"), [(500, 300, 32), (460, 300, 32), (450, 300, 22), (436, 300, 8), (380, 126, 32)]
)
def test_probe_texts_are_as_many_as_are_left(rows: int, samples: int, probe_samples: int) -> None:
    """At most 128 are held out, however many are trained on."""
    texts = "text,label\n" + "".join(f"some text {k},{'good' if k % 2 else 'bad'}\n" for k in range(rows))
    config = ProbeConfig(texts=texts, samples=samples)
    assert config.probe_samples == probe_samples
    assert config.held_out == min(samples, 128)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "no rows"),
        ("\n \n", "no rows"),
        ("a,x\nb,x", "its target has one value only"),
        ("\n".join(f"some text,c{k}" for k in range(65)), "65 different values"),
        ("t,a\n" * (ROWS + 1), f"it has {ROWS + 1} rows of 2 columns; allowed: at most {ROWS}"),
        ("x" * (CELL_LIMIT + 1) + ",a\nb,c", rf"column 'column 1': over {CELL_LIMIT} characters in row 1"),
        ("a,b\n\n" + "x" * 999_000 + ",a\nb,c", r"line 3 has a cell of over \d+ characters"),
        ("a,x\n,y\nb,x", "column 'column 1': missing in row 2; missing = 'drop' leaves this row out"),
        ("a,x\nb,\nc,y", "column 'column 2': missing in row 2"),
        ("a,x\nb\nc,y", "row 2 has not the 2 cells of the others"),
        ("a,x\nb,c,d\nc,y", "row 2 has not the 2 cells of the others: put quotes"),
        ("only text\nmore text", "it has one column"),
        (
            "text,a,b\nlong text,1,2\nother text,2,1\nmore text,1,1\nlast text,2,2",
            "several columns could be the target: 'a', 'b'",
        ),
        ("a\x00,x\nb,y", r"line 1 has the control character '\\x00'"),
        ("caf\ufffd,x\nb,y", "its encoding was lost"),
        ("caf\udce9 au lait,x\nb,y", "its encoding was lost"),
        ('"a,x\nb,y,z', "cannot be read"),
    ],
)
def test_what_is_no_such_rows_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_texts(source)


FILMS = [f"The film number {k} was long" for k in range(40)]
LINES = "\n".join(FILMS)


def test_choices_hold_for_one_text_a_line() -> None:
    own = parse_texts(f"My texts\n{LINES}", False, Choices(header=True))
    assert own.texts == tuple(FILMS)
    assert own.read.columns == ["My texts"]
    assert own.read.taken[0] == "row 1 names the column"
    long = f"{LINES}\n{'x' * (CELL_LIMIT + 1)}"
    assert parse_texts(long, False, Choices(missing="drop")).texts == tuple(FILMS)
    for choices in ({"drop": ("no such",)}, {"target": "no such"}, {"encode": ("line",)}):
        with pytest.raises(ValueError, match="allowed: "):
            parse_texts(LINES, False, Choices(**choices))
    with pytest.raises(ValueError, match="no column is left"):
        parse_texts(LINES, False, Choices(drop=("line",)))


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\u2029"])
@pytest.mark.parametrize("labeled", [True, False])
def test_a_text_keeps_line_breaks_that_files_do_not_part_lines_by(labeled: bool, sign: str) -> None:
    texts = [text.replace("was", f"was{sign}") for text in FILMS]
    ends = [",yes", ",no"] * 20 if labeled else [""] * 40
    assert parse_texts("\n".join(map("".join, zip(texts, ends, strict=True))), labeled).texts == tuple(texts)


@pytest.mark.parametrize("header", ["text,label", "text", "label,text"])
@pytest.mark.parametrize("choices", [Choices(), Choices(header=True)])
def test_commas_inside_every_text_are_refused(header: str, choices: Choices) -> None:
    cells = {"text,label": "{}, but fine,{}", "text": "{}, but fine", "label,text": "{1},{0}, but fine"}[header]
    rows = "\n".join(cells.format(text, k % 2) for k, text in enumerate(FILMS))
    with pytest.raises(ValueError, match="put quotes around a cell"):
        parse_texts(f"{header}\n{rows}", "label" in header, choices)


def test_row_numbers_that_r_writes_are_no_text() -> None:
    own = parse_texts('"text","label"\n' + "".join(f'"{k}","{text}",{k % 2}\n' for k, text in enumerate(FILMS, 1)))
    assert own.texts == tuple(FILMS)
    assert own.read.target == ["label"]


def test_another_column_by_its_name_is_a_doubt() -> None:
    rows = "".join(f"{text},{text} and good,{k % 2},{k % 3}\n" for k, text in enumerate(FILMS))
    doubts = parse_texts(f"text,review,label,sentiment\n{rows}").read.doubts
    assert doubts[0] == "column 'review' could be the text column as well: text_column = 'review' takes it"
    assert doubts[1] == "column 'sentiment' could be the target as well: target = 'sentiment' takes it"
    chosen = Choices(target="sentiment", text_column="review")
    assert not any(
        "as well" in doubt for doubt in parse_texts(f"text,review,label,sentiment\n{rows}", choices=chosen).read.doubts
    )

import pytest

from regime.config.rows import CELL_LIMIT, ROW_LIMIT, decode, parse_texts

PLAIN = "good film,yes\nbad film,no\n"


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
    ],
)
def test_columns_and_headers(source: str) -> None:
    table = parse_texts(source)
    assert table.texts == ("good film", "bad film")
    assert table.classes == ("no", "yes")
    assert table.labels == (1, 0)


def test_quotes_commas_and_lines_inside_a_cell() -> None:
    table = parse_texts('"a, ""b""\nc",x\nplain,y')
    assert table.texts == ('a, "b"\nc', "plain")


def test_text_alone() -> None:
    assert parse_texts("one line, with a comma\nanother\n", False).texts == ("one line, with a comma", "another")
    table = parse_texts("text,label\nfirst,a\nsecond,b", False)
    assert table.texts == ("first", "second")
    assert table.labels == table.classes == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "no rows"),
        ("\n \n", "no rows"),
        ("a,x\nb,x", r"1 different labels \('x'\); allowed: 2 to 10"),
        ("\n".join(f"t,{k}" for k in range(11)), "11 different labels"),
        ("t,a\n" * (ROW_LIMIT + 1), f"{ROW_LIMIT + 1} rows; allowed: at most {ROW_LIMIT}"),
        (
            "x" * (CELL_LIMIT + 1) + ",a\nb,c",
            rf"row 1 has a text of {CELL_LIMIT + 1} characters; allowed: at most {CELL_LIMIT}",
        ),
        (
            "a,b\n\n" + "x" * 999_000 + ",a\nb,c",
            rf"row 2 has a cell of over \d+ characters; allowed: at most {CELL_LIMIT}$",
        ),
        ("a,x\n,y", "row 2 has an empty text"),
        ("a,x\nb,", "row 2 has an empty label"),
        ("a,x\nb", r"row 2 has 1 columns; allowed: 2"),
        ("a,x\nb,c,d", r"row 2 has 3 columns; allowed: 2; put quotes"),
        ("only text\nmore text", r"row 1 has 1 columns; allowed: 2"),
        ("a\x00,x\nb,y", r"line 1 has the control character '\\x00'"),
        ("caf\ufffd,x\nb,y", "its encoding was lost"),
        ("caf\udce9 au lait,x\nb,y", "its encoding was lost"),
        ('"a,x\nb,y', "cannot be read as CSV"),
    ],
)
def test_what_is_no_such_rows_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_texts(source)


def test_files() -> None:
    assert decode(PLAIN.encode()) == decode(b"\xef\xbb\xbf" + PLAIN.encode()) == decode(PLAIN.encode("utf-16")) == PLAIN
    with pytest.raises(ValueError, match="byte 3 begins no character; save it as UTF-8"):
        decode("café".encode("latin-1"))
    with pytest.raises(ValueError, match="1000001 bytes; allowed: at most 1000000"):
        decode(b"x" * 1_000_001)

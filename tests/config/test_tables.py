"""Files with the quirks of public ones: what is read and said of each, or what is refused and how that is mended."""

from pathlib import Path

import pytest

from regime.config import ToyConfig
from regime.config.files import decode
from regime.config.own_rows import parse_rows
from regime.config.own_texts import parse_texts
from regime.config.read import Choices, Read

FOLDER = Path(__file__).parent / "tables"
ABCD = ["a", "b", "c", "d"]
NUMBERED = [f"column {k}" for k in range(1, 5)]
MISSING = {"missing": "drop"}

TABLE = {
    # file: inputs, target, classes, what is said, refused first with, mended by
    "01_iris_words.csv": (["sepal_length", "sepal_width", "petal_length", "petal_width"], ["species"], 3, ""),
    "04_pandas_index.csv": (ABCD, ["target"], 2, "only counts or names the rows: drop = [] keeps it"),
    "06_penguins_na.csv": (
        ["bill", "depth", "flipper", "mass"],
        ["species"],
        3,
        "rows left out",
        "column 'bill': 'NA' counts as missing in row 5",
        MISSING,
    ),
    "07_uci_question_firstrow.csv": (
        NUMBERED,
        ["column 5"],
        3,
        "row 1",
        "column 'column 1': '?' counts as missing in row 1",
        MISSING,
    ),
    "08_semicolon.csv": (["fixed acidity", "volatile acidity", "pH", "alcohol"], ["quality"], 3, "semicolons part the cells"),
    "10_tab.tsv": (ABCD, ["label"], 3, "tabs part the cells"),
    "11_bom_noheader.csv": (NUMBERED, ["column 5"], 3, "no header"),
    "14_comments.csv": (ABCD, ["label"], 3, "comments left out: rows 1, 2"),
    "16_labels_1_and_1.0.csv": (ABCD, ["label"], 3, "task_type = 'regression'"),
    "17b_case_labels.csv": (ABCD, ["label"], 3, "'No', 'no' differ in small and large letters only"),
    "18_twelve_classes.csv": (
        ABCD,
        ["month"],
        0,
        "12 different numbers are taken as a regression: task_type = 'classification'",
    ),
    "19_counts_regression.csv": (ABCD, ["rings"], 0, "are taken as a regression"),
    "20_onehot_target.csv": (ABCD, ["is_setosa", "is_versicolor", "is_virginica"], 3, "one-hot"),
    "25_numeric_header.csv": (["2018", "2019", "2020", "2021"], ["grew"], 3, "row 1 names the columns"),
    "28_missing_label.csv": (ABCD, ["label"], 3, "rows left out", "column 'label': missing in row 7", MISSING),
    "31_id_last.csv": (ABCD, ["label"], 3, "column 'id' left out"),
    "t01_imdb.csv": (["review"], ["sentiment"], 2, ""),
    "t02_sms_spam.csv": (["v2"], ["v1"], 2, "3 empty last columns left out"),
    "t03_sms_tsv_nohdr.tsv": (["column 2"], ["column 1"], 2, "no header"),
    "t04_message_spam_header.csv": (["message"], ["is_spam"], 2, ""),
    "t12b_tsv_quote_start.tsv": (["sentence"], ["label"], 2, "quotes are part of the cells"),
    "t16_ratings_1_5.csv": (["text"], ["stars"], 4, "task_type = 'regression'"),
    "t17_label_case.csv": (["text"], ["label"], 3, "differ in small and large letters only"),
    "t22_utf16.csv": (["text"], ["label"], 2, ""),
    "t24_semicolons_in_first_text.csv": (["column 1"], ["column 2"], 2, "no header"),
    "t28_text_score_user.csv": (["text"], ["rating"], 2, "column 'user' left out"),
}


def read(name: str, **choices) -> Read:
    text = decode((FOLDER / name).read_bytes())
    own = parse_texts(text, True, Choices(**choices)) if name.startswith("t") else parse_rows(text, Choices(**choices))
    return own.read


def test_every_file_is_there() -> None:
    assert set(TABLE) == {file.name for file in FOLDER.iterdir()}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_read_and_said(name: str) -> None:
    inputs, target, classes, said, *mended = TABLE[name]
    choices = {}
    if mended:
        refused, choices = mended
        with pytest.raises(ValueError, match=r"missing = 'drop'") as error:
            read(name)
        assert refused in str(error.value)
    found = read(name, **choices)
    assert (found.inputs, found.target, len(found.classes)) == (inputs, target, classes)
    sentences = found.sentences()
    assert sentences[0].startswith(f"{found.rows} rows, {len(inputs)} input")
    assert said.lower() in " ".join(sentences).lower()
    assert found.task_type == ("classification" if classes else "regression")
    assert sum(found.classes.values()) == (found.rows if classes else 0)


def test_a_name_from_right_to_left_keeps_its_place_in_a_sentence() -> None:
    name = "\u05e9\u05dc\u05d5\u05dd"
    rows = "a,kind\n" + "".join(f"{k},{(name, 'other')[k % 2]}\n" for k in range(20))
    said = ToyConfig(csv=rows).read.sentences()[0]
    assert f"other: 10, \u2068{name}: 10\u2069" in said

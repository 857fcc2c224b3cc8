"""Somebody's own rows in a form: what is read of them is said, choices count with them alone, and a link asks for them."""

import json
from urllib.parse import parse_qsl

import gradio as gr
import pytest

import regime
from regime.config.read import Choices
from regime.ui.form.own_rows import AWAITED, BRING, COLUMNS, FOLD, READ, SAID, columns_line, columns_of, rows_read
from regime.ui.run.link import linked, query
from regime.ui.run.visit import Visit
from regime.ui.screens.pretraining import pretraining_tab
from regime.ui.screens.probe import probe_tab
from regime.ui.screens.train import train_tab

HOSTILE = "<img src=x onerror=alert(1)>'{{7*7}}${alert(1)}"
IRIS = "a,b,kind\n" + "".join(f"{k % 7},{k % 5},{'xyz'[k % 3]}\n" for k in range(150))
HOLES = "a,b,kind\n" + "".join(f"{k % 7},{'NA' if k == 9 else k % 5},{'xy'[k % 2]}\n" for k in range(150))
TEXTS = "text,stars\n" + "".join(f'"number {k}, {"good" if k % 2 else "bad"}",{1 + k % 4}\n' for k in range(60))


@pytest.fixture(scope="module")
def screens():
    """Three tabs, outside a page."""
    with gr.Blocks(analytics_enabled=False):
        return {"toy": train_tab(), "probe": probe_tab()[0], "checkpoints": pretraining_tab()}


def values(screen, **fields):
    """What the form sends, as it stands at first but for some fields."""
    return screen.form.html.value | fields


def named(screen, updates):
    """What changes of a form's fields."""
    given = told(screen, updates)
    return {name: given[name] for name in screen.form.names if name in given}


def told(screen, updates):
    """What changes in a form, beside its fields, too."""
    value, _, changed = updates[screen.form.html]
    return {name: value[name] for name in changed}


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("kind", ["kind"]),
        ("a, 2, -1", ["a", 2, -1]),
        ('"2018"', ["2018"]),
        ('"a, b", 3', ["a, b", 3]),
        ("[]", []),
        ("null", ["null"]),
        ("1.5", ["1.5"]),
    ],
)
def test_a_line_names_columns_by_number_or_name(line, columns):
    assert columns_of(line) == columns
    assert columns_line(columns) == line


@pytest.mark.parametrize("columns", [["[a]"], ['say "so"'], ["'q'"], ["a,b", "2018", 7], ["true", "x]"], [" padded "], ["ü"]])
def test_every_list_of_columns_survives_its_line(columns):
    assert columns_of(columns_line(columns)) == columns
    assert columns_of(columns_line(columns[0])) == columns[:1]


@pytest.mark.parametrize("line", ["['a', 'b']", '["a", "b"]', "a,b,", "'a', b"])
def test_columns_as_messages_write_them_are_understood(line):
    assert columns_of(line) == ["a", "b"]


@pytest.mark.parametrize("line", ["[" * 100_000, "{", '"', "9" * 5000, "[[1]]", '[{"a": 1}]'])
def test_a_hostile_line_is_names_or_nothing(line):
    assert all(type(part) in (int, str) for part in columns_of(line))


def test_what_was_read_is_drawn_and_escaped():
    rows = f'a,"{HOSTILE}",kind\n' + "".join(f"{k % 7},{k % 5},{'xX'[k % 2]}\n" for k in range(24))
    drawn = rows_read("toy", regime.ToyConfig(csv=rows).read)
    assert "<img" not in drawn
    assert "24 rows, 2 inputs" in drawn
    assert drawn.count("<b>In doubt.</b>") == 1
    assert drawn.count('<td class="target"') == 5
    assert drawn.count("<tr>") == 6
    assert drawn.count("<option") == 3


def test_of_many_columns_the_first_are_drawn_and_the_target():
    rows = "\n".join(",".join(str((k * at) % 9 + at / 100) for at in range(200)) for k in range(1, 40))
    drawn = rows_read("toy", regime.ToyConfig(csv=rows, target=150).read)
    assert drawn.count("<th ") == COLUMNS + 1
    assert drawn.count("<option") == 200


def test_new_rows_are_the_task_and_ask_for_as_many_as_there_are(screens):
    screen = screens["toy"]
    config = regime.ToyConfig(csv=IRIS)
    updates = screen.take(values(screen, csv=IRIS), new=True)
    counts = {name: getattr(config, name) for name in config.shares}
    assert named(screen, updates) == {"task": "own", **counts}
    assert told(screen, updates)[FOLD]
    assert "150 rows, 2 inputs: a, b" in told(screen, updates)[READ]
    assert screen.config(values(screen, csv=IRIS, task="own", **counts)).read.rows == 150


def test_a_choice_keeps_the_counts_that_fit(screens):
    screen = screens["toy"]
    fit = {"samples": 20, "test_samples": 20, "probe_samples": 20}
    assert "samples" not in named(screen, screen.take(values(screen, csv=IRIS, task="own", drop="b", **fit)))
    assert "samples" in named(screen, screen.take(values(screen, csv=IRIS, task="own", drop="b")))
    assert named(screen, screen.take(values(screen, csv=IRIS, drop="b"))) == {}


def test_bad_rows_say_so_where_they_stand_until_they_are_mended(screens):
    screen = screens["toy"]
    updates = screen.take(values(screen, csv=HOLES), new=True)
    assert (
        "Your rows cannot be read: column &#39;b&#39;: &#39;NA&#39; counts as missing in row 11" in told(screen, updates)[READ]
    )
    assert "samples" not in named(screen, updates)
    with pytest.raises(regime.ConfigError, match="Your rows cannot be read: column 'b': 'NA' counts as missing in row 11"):
        screen.config(values(screen, csv=HOLES, task="own"))
    mended = screen.take(values(screen, csv=HOLES, task="own", missing="drop"))
    assert "149 rows" in told(screen, mended)[READ]
    assert sum(named(screen, mended).values()) <= 149


@pytest.mark.parametrize("waiting", [["select"], ["edit"], ["edit", "select"], [], 3, "edit", {}])
def test_counts_are_fitted_to_rows_whose_answer_is_still_to_come_and_refused_where_they_were_typed(screens, waiting):
    screen = screens["toy"]
    sent = values(screen, csv=IRIS, task="own", samples=1000) | {"waiting": waiting}
    if waiting in (["select"], ["edit"], ["edit", "select"]):
        assert screen.config(sent).samples == regime.ToyConfig(csv=IRIS).samples
    else:
        with pytest.raises(regime.ConfigError, match=r"samples \+ test_samples \+ probe_samples"):
            screen.config(sent)


@pytest.mark.parametrize("kind", ["toy", "probe", "checkpoints"])
def test_choices_count_with_own_rows_alone(screens, kind):
    screen = screens[kind]
    rows, target = (IRIS, 3) if kind == "toy" else (TEXTS, 2)
    chosen = {screen.rows: rows, "target": str(target), "header": True, "missing": "drop"}
    other = screen.config(values(screen, **chosen))
    assert other.choices == Choices()
    counts = named(screen, screen.take(values(screen, **chosen, task="own")))
    more = {"model": "minilm", "revisions": "main, main", "readout": "mean"} if kind == "checkpoints" else {}
    own = screen.config(values(screen, **chosen | counts | more, task="own"))
    assert (own.target, own.header, own.missing) == (target, True, "drop")
    kept = named(screen, screen.fill(other, values(screen)))
    assert not kept.keys() & chosen.keys(), "they wait in the form"


@pytest.mark.parametrize("kind", ["toy", "probe", "checkpoints"])
def test_without_rows_the_page_asks_for_them_in_words(screens, kind):
    screen = screens[kind]
    with pytest.raises(regime.ConfigError, match=BRING):
        screen.config(values(screen, task="own"))
    assert told(screen, screen.take(values(screen, task="own")))[READ] is None


def test_a_path_in_the_form_opens_no_file(screens, tmp_path):
    (tmp_path / "rows.csv").write_text(IRIS)
    screen = screens["toy"]
    updates = screen.take(values(screen, csv=str(tmp_path / "rows.csv")), new=True)
    assert "a server opens no file" in told(screen, updates)[READ]


def test_an_upload_says_what_was_guessed_and_leaves_no_other_rows(screens):
    screen = screens["probe"]
    files = TEXTS.encode("utf-16"), b"caf\xe9,x\n", b"\x00\x01\x89PNG", b" \n"
    good, old, broken, empty = (told(screen, screen.give(values(screen, texts="a,b"), screen.uploaded(data))) for data in files)
    assert good == {"texts": TEXTS, SAID: None}
    assert old["texts"] == "caf\N{LATIN SMALL LETTER E WITH ACUTE},x\n"
    assert "In doubt: the file is not UTF-8" in old[SAID]
    assert broken["texts"] is empty["texts"] is None
    assert "the file is empty" in empty[SAID]
    assert "Your rows cannot be read: the file" in broken[SAID]


@pytest.mark.parametrize("sent", [None, {}, {"file": 3}, {"file": "data:text/csv;base64,Y"}, {"file": "data:,\u20ac"}])
def test_an_upload_without_a_file_says_so(screens, sent):
    screen = screens["toy"]
    said = told(screen, screen.upload(values(screen, csv="a,b"), gr.EventData(screen.form.html, sent)))
    assert said["csv"] is None
    assert "Your rows cannot be read: the file" in said[SAID]


@pytest.mark.parametrize("target", ["2018", 2, ("a", "2018"), "none", "a"])
def test_a_link_restores_every_control_but_the_rows(screens, target):
    rows = "a,2018,none,b\n" + "".join(f"{k % 2},{1 - k % 2},{k % 2},{k}\n" for k in range(60))
    config = regime.ToyConfig(csv=rows, target=target, drop=("b",), missing="drop", samples=16, width=16, loss="mse")
    brought = linked(parse_qsl(query(config.to_dict())))
    assert brought.csv is None
    screen = screens["toy"]
    updates, run = screen.open({"config": brought.to_dict()}, values(screen))
    assert AWAITED.split(".")[0] in told(screen, updates)[SAID].replace("&#39;", "'")
    assert run is None
    asked = json.dumps({"do": "open", "config": brought.to_dict()})
    assert "refused" in json.loads(
        screen.press(Visit("toy"), asked, values(screen))[screen.feed]
    )  # so that the page offers to run
    fields = named(screen, updates)
    assert fields.pop("csv") is None
    assert screen.config(values(screen, csv=rows, **fields)) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run=toy&task=own&target=1.5e", None),
        ("run=toy&task=own&width=-1", "width = -1 is not allowed"),
        ("run=toy&task=own&missing=<b>", "missing = '<b>' is not allowed"),
        ("run=toy&task=own&drop=-2000", "drop.* is not allowed"),
        ("run=probe&task=own&evil=1", "'evil' is not a field of ProbeConfig"),
        ("run=toy&task=own&optimizer=os:system", "optimizer = 'os:system' is not allowed from a link"),
        ("run=toy&task=own&drop=" + "[" * 100_000, "drop = "),
        ("run=toy&task=own&csv=/etc/passwd", "a server opens no file"),
    ],
)
def test_a_hostile_link_of_own_rows_is_refused(text, said):
    if said is None:
        assert linked(parse_qsl(text)).target == "1.5e"
    else:
        with pytest.raises(regime.ConfigError, match=said):
            linked(parse_qsl(text))

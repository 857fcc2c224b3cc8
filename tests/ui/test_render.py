"""What the server itself writes into the page: no server, no browser."""

import json
import re

import pytest

import regime
from regime.measures.definitions import DEFINITIONS
from regime.measures.verdict import LAZY_BELOW, RICH_ABOVE, zone
from regime.plots.dial import DIAL
from regime.ui.run.examples import example
from regime.ui.run.mapframes import counts, laws, shipped_frame
from regime.ui.screens.train import summary, toy_form
from regime.ui.static_files import OWN as SCRIPTS
from regime.ui.text import duration, in_labels, number, render


def test_every_field_of_a_toy_run_that_the_page_takes_has_a_control():
    names = toy_form().names
    assert {*names, "kind", "device", "measures"} == set(regime.ToyConfig.model_fields)
    assert len(set(names)) == len(names)


def test_the_zones_of_the_dial_are_those_of_verdicts():
    assert [zone((part.low + part.high) / 2) for part in DIAL] == [part.label for part in DIAL]
    assert (DIAL[0].low, DIAL[-1].high) == (0, 1)


def test_cells_without_a_verdict_are_counted_by_reason():
    drawn = counts(example("sweep"))
    assert "<b>60</b> no verdict" in drawn
    told = {int(count): reason for count, reason in re.findall(r"<li>(\d+) of them: ([^<]+)</li>", drawn)}
    assert sum(told) == 60
    assert set(told.values()) == {f"the interval has both {sides} in it." for sides in ("lazy and mixed", "mixed and rich")}


def test_laws_are_told_in_sentences_with_links_to_their_papers():
    drawn = laws(example("sweep"))
    assert "The law fitted without the last 2 points predicts 2 of them." in drawn
    assert 'href="https://arxiv.org/abs/1906.08034"' in drawn


def test_a_lines_own_measure_and_the_regime_are_what_it_belongs_to():
    """The script draws a line over the regime, or over the measure of this name."""
    drawn = json.loads(shipped_frame())
    assert {line["measure"] for line in drawn["lines"]} <= {*drawn["measures"]}
    assert {(line["measure"], line["level"]) for line in drawn["lines"]} == {
        ("kernel_change", RICH_ABOVE),
        ("kernel_change", LAZY_BELOW),
        ("linearization_gap_max", LAZY_BELOW),
    }


def test_stop_leaves_a_finished_run_finished():
    board = example("toy")
    board.stop()
    assert board.status == "finished"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (0, "0"),
        (0.0004, "4.0\xd710\u207b\u2074"),
        (-3e-8, "\u22123.0\xd710\u207b\u2078"),
        (0.0251, "0.025"),
        (0.096, "0.096"),
        (0.0996, "0.10"),
        (0.951, "0.95"),
        (9.6, "9.6"),
        (9.96, "10"),
        (6.84, "6.8"),
        (19.2, "19"),
        (431.0, "431"),
        (-4.8e17, "\u22124.8\xd710\xb9\u2077"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_durations():
    assert [duration(t) for t in (0.2, 59.4, 60, 200, 16754)] == ["0 s", "59 s", "1 min", "3 min 20 s", "4 h 39 min"]


def test_the_folded_settings_are_summed_up_in_a_line():
    assert summary(regime.ToyConfig(seed=7)) == "ReLU, NTK parameterization, squared loss, GD, 128 points, seed 7"


def test_every_opened_term_is_defined():
    known = set(re.findall(r'id="term-([^"]+)"', render("definitions", formulas=DEFINITIONS)))
    written = "".join(path.read_text() for path in SCRIPTS.iterdir() if path.suffix in (".js", ".html"))
    used = set(re.findall(r"""\bterm\(['"]([^'"]+)['"]""", written))
    assert len(used) > 5
    assert used <= known


def test_refusals_on_the_page_name_fields_by_their_labels():
    said = "weight_std = None is not allowed; allowed: a finite number above 0"
    assert in_labels(said) == "Weight scale is empty; allowed: a finite number above 0"
    said = "model = 'my_model = x' is not allowed with optimizer = 'gd'; allowed: null"
    assert in_labels(said) == "Model = 'my_model = x' is not allowed with Optimizer = 'gd'; allowed: empty"
    assert in_labels("the queue is full: 2 runs wait") == "The queue is full: 2 runs wait"
    assert in_labels("max_seeds is too few; axes.alpha = 'x'") == "Most seeds is too few; Output scale \u03b1 = 'x'"

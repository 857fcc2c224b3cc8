"""The gallery: every link is a run that no preset has, and the quick ones do what their sentence says."""

import html
import re
from urllib.parse import parse_qsl

import pytest

import regime
from regime.ui.form.presets import GALLERY, PRESETS
from regime.ui.run.link import linked
from regime.ui.screens.train import gallery

RUNS = {run.name: run.config for run in GALLERY}


def test_every_link_is_the_run_that_it_names():
    links = [html.unescape(link) for link in re.findall(r'href="\?([^"]*)"', gallery())]
    assert [linked(parse_qsl(link)) for link in links] == list(RUNS.values())
    presets = [preset.config for kind in PRESETS.values() for preset in kind]
    assert not [title for title, config in RUNS.items() if config in presets]


@pytest.mark.physics
@pytest.mark.parametrize(("title", "verdict"), [("Large weights", "lazy"), ("Random features", "lazy")])
def test_a_run_ends_in_the_verdict_of_its_sentence(title, verdict):
    assert regime.run(RUNS[title]).verdict.label == verdict


@pytest.mark.physics
def test_the_eigenvalue_climbs_to_the_edge_and_stays():
    known = [event.measures["stability"] for event in regime.run(RUNS["Edge of stability"]).history]
    assert known[0] < 0.5
    assert all(1.8 < value < 2.3 for value in known[len(known) // 2 :])


@pytest.mark.physics
def test_a_small_map_goes_from_rich_to_lazy():
    report = regime.run(RUNS["Scale against activation"])
    labels = {(cell.point["alpha"], cell.point["activation"]): cell.verdict.label for cell in report.cells}
    for name in ("tanh", "erf", "gelu"):
        assert (labels[0.03, name], labels[30.0, name]) == ("rich", "lazy")


@pytest.mark.physics
def test_a_model_before_and_after_grokking():
    before, after = regime.run(RUNS["Before and after grokking"]).history
    assert (before.measures["train_accuracy"], after.measures["train_accuracy"]) == (1, 1)
    assert before.measures["test_accuracy"] < 0.5 < 0.99 < after.measures["test_accuracy"]
    assert after.verdict.label == "rich"

"""Lessons are readable, their terms defined before they are used, their numbers traceable; and every claim has its place."""

import re
from pathlib import Path

import pytest

from regime.config import shared_config
from regime.reproductions.registry import CLAIMS
from regime.ui import build
from regime.ui.lessons.numbers import traced
from regime.ui.lessons.read import COMMENT, LESSONS, glossary, lesson, written
from regime.ui.lessons.runs import RUNS, shipped_run
from regime.ui.run.link import linked
from regime.version import __version__

WORDS = 30
"""Most in a sentence."""
TABS = re.findall(r'gr\.Tab\("(\w+)"', Path(build.__file__).read_text())


def prose(name):
    """A lesson's text as it is read: without headings, comments, boxes, the addresses of links and the names of numbers."""
    text = re.sub(r"^#+ .*$|^- \[[ x]\] ", "", COMMENT.sub("", written(f"lessons/{name}")), flags=re.MULTILINE)
    return re.sub(r"\{\{.+?\}\}", "0", re.sub(r"\]\([^)]*\)", "]", text))


def sentences(text):
    return [" ".join(each.split()) for each in re.split(r"(?<=[.!?])\s+|\n\n", text) if each.strip()]


def test_no_sentence_is_long():
    long = [each for name in LESSONS for each in sentences(prose(name)) if len(each.split()) > WORDS]
    assert long == []
    assert [each for each in glossary().values() if len(each.split()) > WORDS] == []


def test_every_term_is_defined_in_bold_before_it_is_used():
    """Its first mention in the lessons, read in order, is in a sentence that has one of its names in bold."""
    every = [each for name in LESSONS for each in sentences(prose(name))]
    late = []
    for names in glossary():
        mention = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})(?:s|es)?\b", re.IGNORECASE)
        first = next((each for each in every if mention.search(each)), "")
        if not any(re.search(rf"\*\*{re.escape(name)}s?\*\*", first, re.IGNORECASE) for name in names):
            late.append((names, first))
    assert late == []


def test_what_is_bold_is_in_the_glossary_and_its_terms_are_in_the_lessons_order():
    bold = [term.lower().removesuffix("s") for name in LESSONS for term in re.findall(r"\*\*(.+?)\*\*", prose(name))]
    known = [[name.lower().removesuffix("s") for name in names] for names in glossary()]
    order = [next(k for k, names in enumerate(known) if term in names) for term in bold]
    assert order == list(range(len(known)))


def numbers():
    return sorted({found for name in LESSONS for found in re.findall(r"\{\{(.+?)\}\}", written(f"lessons/{name}"))})


@pytest.mark.parametrize("placeholder", numbers())
def test_a_number_leads_to_its_run_with_seed_and_version(placeholder):
    number = traced(placeholder)
    assert re.match(r"[\d.,]+( ± [\d.]+)?$", number["number"]), number
    if placeholder.startswith("bounds."):
        assert "regime/measures/verdict.py" in number["title"]
        return
    run = RUNS[placeholder.split(".")[0]]
    pairs = [tuple(pair.split("=")) for pair in number["query"].split("&")]
    if run.example is None:
        assert linked(pairs) == run.config
    version = shipped_run(placeholder.split(".")[0])["report"]["provenance"]["versions"]["regime"]
    assert f"seed {run.config.seed}" in number["title"]
    assert f"regime {version}" in number["title"]


@pytest.mark.parametrize("name", RUNS)
def test_a_shipped_run_is_of_its_configuration_and_of_this_version(name):
    run = shipped_run(name)
    assert shared_config(run["report"]["config"]) == RUNS[name].config
    assert run["report"]["provenance"]["versions"]["regime"] == __version__
    assert [event["kind"] for event in run["frame"]["events"]][:: len(run["frame"]["events"]) - 1] == ["started", "finished"]


@pytest.mark.parametrize("placeholder", ["lazy.no_such", "nobody.kernel_change", "kernel_change", "lazy.kernel_change>1e9", ""])
def test_a_number_that_there_is_not_is_refused(placeholder):
    with pytest.raises((KeyError, StopIteration)):
        traced(placeholder)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_steps_that_can_be_told_guessed_and_done(name):
    read = lesson(name)
    assert 3 <= len(read["steps"]) <= 4
    assert any("guess" in step for step in read["steps"])
    assert any("task" in step for step in read["steps"])
    for step in read["steps"]:
        assert ("runs" in step) != ("choose" in step)
        assert set((step.get("runs") or step["choose"]).split(", ")) <= set(RUNS)
        assert "guess" in step or "task" in step
        if "guess" in step:
            assert sum(option["right"] for option in step["guess"]["options"]) == 1
        if "task" in step:
            assert re.fullmatch(r"last|(run|open|go|peak) \w+|\w+ > [\d.]+", step["task"]["done"])


def test_every_place_of_a_claim_exists():
    rows = re.findall(r"^\| (?!statement|-)(.+?) \| (.+?) \|$", written("claims"), flags=re.MULTILINE)
    assert len(rows) > 20
    for _, places in rows:
        for place in re.split(r"[;,] ", places):
            kind, name, *step = place.split()
            if kind == "lesson":
                assert int(step[0]) <= len(lesson(name)["steps"]), place
            else:
                assert name in {"tab": TABS, "card": CLAIMS}[kind], place

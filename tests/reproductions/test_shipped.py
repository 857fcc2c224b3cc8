"""Results that ship: of every claim in both forms, with the texts that claims have now; two pages have tables of them."""

import json
from pathlib import Path

import jsonschema
import pytest

from regime.config import config_from_dict
from regime.reproductions.registry import CLAIMS
from regime.reproductions.reproduce import Form, reproduce, texts
from regime.reproductions.shipped import CARDS, cards, keep
from regime.schema import schemas
from tests.conftest import ROOT
from tests.reproductions.parts import claim, only
from tests.reproductions.table import PAGES, refreshed

FORMS: tuple[Form, ...] = ("quick", "full")


@pytest.mark.parametrize("form", FORMS)
def test_every_claim_has_a_card_with_its_texts(form: Form) -> None:
    known = cards(form)
    assert list(known) == list(CLAIMS)
    for id, card in known.items():
        assert card == card.model_copy(update=texts(CLAIMS[id])), "refresh with: python -m tests.reproductions.write"
        assert card.form == form
        assert card.findings
        assert card.figures


@pytest.mark.parametrize("form", FORMS)
def test_shipped_files_obey_the_schema(form: Form) -> None:
    obeys = jsonschema.Draft202012Validator(schemas()["card"])
    for card in json.loads((CARDS / f"{form}.json").read_text()).values():
        obeys.validate(card)


def test_a_paper_on_arxiv_is_of_the_year_in_which_it_came_there() -> None:
    papers = [known.paper for known in CLAIMS.values() if known.paper.arxiv]
    assert [(paper.title, paper.year) for paper in papers if paper.year != 2000 + int(paper.arxiv[:2])] == []


def test_the_runs_that_numbers_rest_on_can_be_run_again() -> None:
    for card in cards("full").values():
        for found in card.findings:
            for fields in found.configs:
                assert _holds(config_from_dict(fields, fields["kind"]).to_dict(), fields)


def _holds(config: dict, fields: dict) -> bool:
    """Whether a configuration has these fields; those that came later stand at their defaults."""
    pairs = [(config[name], value) for name, value in fields.items()]
    return all(_holds(now, value) if isinstance(value, dict) else now == value for now, value in pairs)


def test_at_least_four_cards_are_compared_with_other_implementations() -> None:
    passed = {
        card.id for card in cards("full").values() for found in card.findings if found.against and found.outcome == "pass"
    }
    assert {"S6", "S8", "S9", "S11"} <= passed


def test_all_quick_forms_take_minutes_together() -> None:
    seconds = {id: card.seconds for id, card in cards("quick").items() if not CLAIMS[id].needs}
    assert max(seconds.values()) < 60
    assert sum(seconds.values()) < 720


def test_cards_are_kept_one_by_one(tmp_path: Path) -> None:
    with only(claim("T1", 1.0), claim("T2", 1.0)):
        for id in ("T2", "T1"):
            keep("quick", [reproduce(id)], tmp_path)
    with only(claim("T1", 2.0), claim("T2", 2.0)):
        keep("quick", [reproduce("T1")], tmp_path)
    known = json.loads((tmp_path / "quick.json").read_text())
    assert [(id, card["findings"][0]["value"]) for id, card in known.items()] == [("T1", 2.0), ("T2", 1.0)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_table_of_full_cards(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text == refreshed(page), "refresh with: python -m tests.reproductions.write --full"
    assert all(f"\n| {id} | " in text for id in CLAIMS)

"""Cards as a table in Markdown."""

from regime.cli.reproduction import estimate
from regime.reproductions.reproduce import reproduce
from tests.reproductions.parts import claim, only
from tests.reproductions.table import claims_table, outcome


def test_a_row_has_the_first_number_and_how_many_pass() -> None:
    with only(claim("T1", 1.0, 2.0)):
        card = reproduce("T1")
    (row,) = claims_table({"T1": card}).splitlines()[2:]
    paper = "[Nobody et al. 2020](https://arxiv.org/abs/0000.00000)"
    assert row == f"| T1 | Numbers are one ({paper}) | number 1 | 1 | 1.000 [0.800, 1.200] | fail, 1 of 2 pass (quick form) |"
    assert outcome(card.model_copy(update={"findings": card.findings[:1], "outcome": "pass", "form": "full"})) == "pass"
    alone = card.model_copy(update={"paper": card.paper.model_copy(update={"arxiv": None})})
    assert "(Nobody et al. 2020)" in claims_table({"T1": alone})


def test_a_number_without_an_interval_stands_alone() -> None:
    with only(claim("T1", 1.0)):
        (found,) = reproduce("T1").findings
    assert estimate(found.model_copy(update={"value": 3e-7, "interval": (3e-7, 3e-7)})) == "3e-07"

"""Cards as a table in Markdown."""

from regime.cli.reproduction import estimate
from regime.reproductions.reproduce import reproduce
from tests.reproductions.parts import claim, only
from tests.reproductions.table import front, outcome, whole


def test_a_row_has_the_first_number_and_how_many_pass() -> None:
    with only(claim("T1", 1.0, 2.0)):
        card = reproduce("T1")
    (row,) = front({"T1": card}).splitlines()[2:]
    paper = "https://arxiv.org/abs/0000.00000"
    assert row == f"| T1 | [Numbers are one]({paper}) | number 1 | 1 | 1.000 [0.800, 1.200] | fail, 1 of 2 pass (quick form) |"
    assert whole({"T1": card}).splitlines()[2:] == [
        f"| T1 | Numbers are one ([Nobody et al. 2020]({paper})) | number 1 | 1 | 1.000 [0.800, 1.200] | pass |",
        "|  |  | number 2 | 1 | 2.000 [1.800, 2.200] | fail |",
    ]
    assert outcome(card.model_copy(update={"findings": card.findings[:1], "outcome": "pass", "form": "full"})) == "pass"
    alone = card.model_copy(update={"paper": card.paper.model_copy(update={"arxiv": None})})
    assert "| Numbers are one |" in front({"T1": alone})
    assert "(Nobody et al. 2020)" in whole({"T1": alone})


def test_a_number_without_an_interval_stands_alone() -> None:
    with only(claim("T1", 1.0)):
        (found,) = reproduce("T1").findings
    assert estimate(found.model_copy(update={"value": 3e-7, "interval": (3e-7, 3e-7)})) == "3e-07"

"""Cards as tables in Markdown, each between two marks of a page: a line a card in the README, all numbers in a guide."""

import re
from collections.abc import Callable, Mapping

from regime.cli.reproduction import estimate
from regime.reproductions.claim import Finding, Paper
from regime.reproductions.reproduce import Card
from regime.reproductions.shipped import cards
from tests.conftest import ROOT

BEGIN, END = "<!-- claims -->\n", "<!-- /claims -->"
HEAD = "| | claim | {} | expected | here, 95% interval | outcome |\n|---|---|---|---|---|---|\n"


def outcome(card: Card) -> str:
    """Return a card's outcome, and how many of its judged numbers pass where not all of them do."""
    judged = [finding for finding in card.findings if finding.outcome != "shown"]
    passed = sum(finding.outcome == "pass" for finding in judged)
    found = card.outcome if passed == len(judged) else f"{card.outcome}, {passed} of {len(judged)} pass"
    return found if card.form == "full" else f"{found} (quick form)"


def front(known: Mapping[str, Card]) -> str:
    """Return a table with one row a card: its first number, with what was expected of it."""
    rows = ((card.id, _linked(card.title, card.paper), *_number(card.findings[0]), outcome(card)) for card in known.values())
    return HEAD.format("first number") + "".join(map(_row, rows))


def whole(known: Mapping[str, Card]) -> str:
    """Return a table with one row a number: those of a card follow one another."""
    return HEAD.format("number") + "".join(_row(cells) for card in known.values() for cells in _numbers(card))


def _numbers(card: Card) -> list[tuple[str, ...]]:
    source = _linked(f"{card.paper.authors} {card.paper.year}", card.paper)
    named = [(card.id, f"{card.title} ({source})")] + [("", "")] * (len(card.findings) - 1)
    return [(*name, *_number(finding), finding.outcome) for name, finding in zip(named, card.findings, strict=True)]


def _number(finding: Finding) -> tuple[str, str, str]:
    return finding.what, finding.expected, estimate(finding)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _linked(text: str, paper: Paper) -> str:
    return f"[{text}](https://arxiv.org/abs/{paper.arxiv})" if paper.arxiv else text


PAGES: dict[str, Callable[[Mapping[str, Card]], str]] = {"README.md": front, "regime/guides/science.md": whole}
"""The table that each page has."""


def refreshed(page: str) -> str:
    """Return a page with its table made of the shipped cards: the full ones, else the quick ones."""
    known = cards("quick") | cards("full")
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + PAGES[page](known) + END, text, flags=re.DOTALL)

"""Cards as a table in Markdown, which the README has between two marks."""

import re
from collections.abc import Mapping

from regime.cli.reproduction import estimate
from regime.reproductions.claim import Paper
from regime.reproductions.reproduce import Card
from regime.reproductions.shipped import cards

BEGIN, END = "<!-- claims -->\n", "<!-- /claims -->"
HEAD = "| | claim | first number | expected | here, 95% interval | outcome |\n|---|---|---|---|---|---|\n"


def outcome(card: Card) -> str:
    """Return a card's outcome, and how many of its judged numbers pass where not all of them do."""
    judged = [finding for finding in card.findings if finding.outcome != "shown"]
    passed = sum(finding.outcome == "pass" for finding in judged)
    found = card.outcome if passed == len(judged) else f"{card.outcome}, {passed} of {len(judged)} pass"
    return found if card.form == "full" else f"{found} (quick form)"


def claims_table(known: Mapping[str, Card]) -> str:
    """Return a table in Markdown with one row a card: its first number, with what was expected of it."""
    return HEAD + "".join(_row(card) for card in known.values())


def refreshed(text: str) -> str:
    """Return a page with the table of the shipped cards between its marks: the full ones, else the quick ones."""
    known = cards("quick") | cards("full")
    return re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + claims_table(known) + END, text, flags=re.DOTALL)


def _row(card: Card) -> str:
    first = card.findings[0]
    cells = (card.id, f"{card.title} ({_source(card.paper)})", first.what, first.expected, estimate(first), outcome(card))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _source(paper: Paper) -> str:
    text = f"{paper.authors} {paper.year}"
    return f"[{text}](https://arxiv.org/abs/{paper.arxiv})" if paper.arxiv else text

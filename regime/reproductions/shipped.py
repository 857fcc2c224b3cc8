"""The cards that ship with the package, of quick and of full forms, and where they are kept."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from regime.data import FOLDER
from regime.reproductions.registry import CLAIMS
from regime.reproductions.reproduce import Card, Form, texts

CARDS = FOLDER / "reproductions"


def cards(form: Form) -> dict[str, Card]:
    """Return the shipped cards of one form by the id of their claim, in the order of the wall."""
    return {**_read(CARDS / f"{form}.json")}


@cache
def _read(path: Path) -> dict[str, Card]:
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {id: Card.model_validate(known[id]) for id in CLAIMS if id in known}


def keep(form: Form, new: Sequence[Card] = (), folder: Path = CARDS) -> None:
    """Put cards in the place of those that a folder has of their claims, and give all of them their claims' texts; one a line.

    Args:
        form: of the cards.
        new: cards that were not there.
        folder: where the cards of all forms are.
    """
    path = folder / f"{form}.json"
    _read.cache_clear()
    merged = {card.id: card.model_copy(update=texts(CLAIMS[card.id])) for card in [*_read(path).values(), *new]}
    lines = [f"{json.dumps(id)}: {json.dumps(merged[id].to_dict())}" for id in CLAIMS if id in merged]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    _read.cache_clear()

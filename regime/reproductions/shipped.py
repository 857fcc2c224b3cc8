"""The cards that the package ships: what each claim came to in its quick and in its full form."""

import json
from functools import cache
from importlib.resources import files

from regime.reproductions.reproduce import Card, Form


@cache
def cards(form: Form) -> dict[str, Card]:
    """Return the shipped cards of a form by their claims' ids, in the order of the wall."""
    file = files("regime").joinpath("data", "reproductions", f"{form}.json")
    return {id: Card.model_validate(card) for id, card in json.loads(file.read_text(encoding="utf-8")).items()}

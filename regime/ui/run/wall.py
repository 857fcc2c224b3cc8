"""The wall of cards as the page's script fetches it, and the files of each card, each made when it is asked for."""

import csv
import io
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from regime.config import shared_config
from regime.errors import ConfigError
from regime.plots.looks import looks
from regime.plots.words import printed
from regime.reproductions.registry import CLAIMS
from regime.reproductions.reproduce import Card
from regime.reproductions.shipped import cards
from regime.ui.run.link import query
from regime.ui.static_files import FOR_GOOD, address, offer

TYPES = {"json": "application/json", "csv": "text/csv", "png": "image/png", "svg": "image/svg+xml"}
FILE = re.compile(r"(?P<id>[\w-]+?)(-(?P<figure>[1-9]))?\.(?P<ending>json|csv|png|svg)")
SAID = ("claim", "published", "method", "what", "against", "expected", "title", "x", "y", "name")
"""Fields of a card and its parts that are text to read."""
KEPT = 256
"""Files that are kept once they are made: more than a wall has."""
HERE = 64
"""Cards measured on this server whose files can be fetched: the newest."""
_here: OrderedDict[str, Card] = OrderedDict()


def shipped() -> dict[str, Card]:
    """Return the cards of the wall by their claims' ids: of the full forms, or of the quick one where that is all there is."""
    return cards("quick") | cards("full")


@cache
def text() -> str:
    """Return the JSON of all cards, in the order of the wall."""
    return json.dumps([shown_card(card) for card in shipped().values()], separators=(",", ":"))


def folder() -> str:
    """Return where the cards' files are, relative to the page; it changes with the cards."""
    return f"{address()}/{offer('claims', text(), text).removesuffix('.json')}"


def keep(card: Card) -> str:
    """Keep a card that was measured here, and return the folder of its files, which cannot be guessed, relative to the page."""
    key = secrets.token_urlsafe()
    _here[key] = card
    while len(_here) > HERE:
        _here.popitem(last=False)
    return f"{folder()}/{key}"


def routes() -> list[BaseRoute]:
    """Return the routes of the files of the wall's cards."""
    return [Route(f"/{folder()}/{name}", _serve) for name in ("{name}", "{key}/{name}")]


def shown_card(card: Card) -> dict[str, Any]:
    """Return what the page draws of a card, with what its quick form came to, and why it cannot be run here, if so."""
    quick, fields = cards("quick").get(card.id), card.to_dict()
    findings = [found | {"configs": [_short(config) for config in found["configs"]]} for found in fields["findings"]]
    return {
        **worded(fields),
        "findings": worded(findings),
        "figures": [shown_figure(figure) for figure in fields["figures"]],
        "quick": quick and {"outcome": quick.outcome, "seconds": quick.seconds, "machine": quick.machine},
        "absent": absent(card.id),
    }


def shown_figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a figure with the color and the marker of each series."""
    both = zip(figure["series"], looks(figure["series"]), strict=True)
    return worded({**figure, "series": [series | look for series, look in both]})


def worded(part: Any) -> Any:
    """Return a card, or a part of one, that says what it measured in words rather than by the names of code."""
    if isinstance(part, list):
        return [worded(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: printed(value) if name in SAID and isinstance(value, str) else value if name == "configs" else worded(value)
        for name, value in part.items()
    }


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from their defaults, and the permalink of the run where it has one."""
    try:
        config = shared_config(fields)
        return {"fields": {"kind": config.kind, **config.changes()}, "link": query(config)}
    except ConfigError:  # it has a part that is no visitor's to choose
        return {"fields": fields, "link": None}


def absent(id: str) -> str:
    """Say why a claim cannot be run on this server; empty where it can."""
    if id not in CLAIMS:
        return "This version of the app has no code for this claim."
    missing = [package for package in CLAIMS[id].needs if find_spec(package) is None]
    return f"To run this claim, the server needs {' and '.join(missing)}, which it does not have." if missing else ""


def figure_csv(figure: Mapping[str, Any]) -> str:
    """Return a figure's numbers as CSV, a row a point; what is not there is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["series", figure["x"], figure["y"], "low", "high"])
    for series in figure["series"]:
        ends = [series[end] or [None] * len(series["x"]) for end in ("low", "high")]
        writer.writerows((series["name"], *row) for row in zip(series["x"], series["y"], *ends, strict=True))
    return out.getvalue()


def file(card: Card, figure: int, ending: str) -> bytes:
    """Return a file of a card: all of it as JSON, or one of its figures; matplotlib is loaded when the first one is drawn.

    Args:
        card: whose file it is.
        figure: its number, from 1.
        ending: json, csv, png or svg.

    Raises:
        IndexError: there is no such figure.
    """
    if ending == "json":
        return json.dumps(card.to_dict(), indent=1).encode()
    drawn = card.figures[figure - 1].to_dict()
    if ending == "csv":
        return figure_csv(drawn).encode()
    from regime.plots.claim import claim_figure

    out = io.BytesIO()
    claim_figure(drawn).savefig(out, format=ending, dpi=150)
    return out.getvalue()


@lru_cache(KEPT)
def shipped_file(id: str, *which: Any) -> bytes:
    """Return a file of a shipped card, made once; raises LookupError where there is no such card, or no such figure."""
    return file(shipped()[id], *which)


def _serve(request: Request) -> Response:
    """Send a file; not a coroutine, so that drawing does not hold up others."""
    named, key = FILE.fullmatch(request.path_params["name"]), request.path_params.get("key")
    try:
        if named is None or (named["figure"] is None) != (named["ending"] == "json"):
            raise LookupError
        which = int(named["figure"] or 0), named["ending"]
        made = shipped_file(named["id"], *which) if key is None else file(_here[key], *which)
    except LookupError:
        return Response(status_code=404)
    return Response(made, media_type=TYPES[named["ending"]], headers=FOR_GOOD)

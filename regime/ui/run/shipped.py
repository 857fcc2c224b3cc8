"""The run that each tab opens with, as the page's script fetches it: a file beside the scripts."""

import json
from functools import cache, partial

from starlette.routing import BaseRoute

from regime.ui.run.examples import CONFIGS, example, text
from regime.ui.run.frames import whole
from regime.ui.static_files import address, fingerprint, json_route


@cache
def name(kind: str) -> str:
    """Return the file's name, which changes with the run."""
    return f"{kind}-{fingerprint(text(kind))}.json"


@cache
def _frame(kind: str) -> str:
    return json.dumps({"visit": None, "serial": 0, "run": 0, **whole(example(kind))}, separators=(",", ":"))


def routes() -> list[BaseRoute]:
    """Return the routes of the files."""
    return [json_route(f"{address()}/{name(kind)}", partial(_frame, kind)) for kind in CONFIGS]

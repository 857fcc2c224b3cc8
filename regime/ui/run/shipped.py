"""The run that each tab opens with, as the page's script fetches it: a file beside the scripts."""

import json
from functools import partial

from regime.ui.run.examples import example, text
from regime.ui.run.frames import whole
from regime.ui.static_files import offer


def name(kind: str) -> str:
    """Return the file's name, which changes with the run."""
    return offer(kind, text(kind), partial(_frame, kind))


def _frame(kind: str) -> str:
    return json.dumps({"visit": None, "serial": 0, "run": 0, **whole(example(kind))}, separators=(",", ":"))

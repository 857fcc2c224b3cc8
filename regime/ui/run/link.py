"""Permalinks: a run's configuration in the page's address, `?run=toy&width=64`, and the buttons that copy it.

The address may also say how the page is framed: `embed=1` leaves one tab without its surroundings, for an iframe, and
`hide=depth,seeds` leaves out controls by their fields' names. `tab=map` opens a tab with the run that it comes with.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from regime.config import KINDS, Runnable, shared_config
from regime.config.models import ADDITION
from regime.config.rows import FORMER, OWN
from regime.errors import ConfigError, show

FOREIGN = ("_", "view", "utm_", "fbclid", "gclid")
"""Names of a query that belong to Gradio, its host or whoever passed the link on, by how they begin."""
FRAME = ("embed", "hide", "claim", "tab")
"""Names of a query that say how the page is framed, or what it shows, not what is run."""


def query(run: Runnable | Mapping[str, Any]) -> str:
    """Return a shared configuration, or its fields, as a permalink's query; own rows stay out of it."""
    config = shared_config(run) if isinstance(run, Mapping) else run
    return config.to_query().replace("kind=", "run=", 1)


def linked(pairs: list[tuple[str, str]]) -> Runnable | None:
    """Return the configuration that a page's query asks for, if any; own rows are not in it, and have to be brought.

    Raises:
        ConfigError: the query is not a permalink of a run; the message names the field, its value and what is allowed.
    """
    own = [(name, text) for name, text in pairs if not name.startswith(FOREIGN) and name not in FRAME]
    if not own:
        return None
    kind = dict(own).get("run", "toy")
    if kind not in KINDS:
        raise ConfigError(f"run = {kind!r:.80} is not allowed; allowed: one of {', '.join(map(repr, KINDS))}")
    config = KINDS[kind]
    if kind != "sweep" and dict(own).get("task") in (OWN, FORMER):
        config = config.awaiting_rows()
    said = [(name, text) for name, text in own if name != "run"]
    return config.from_query(urlencode([*said, *left_out(kind, dict(said)).items()], errors="replace"))


def left_out(kind: str, said: Mapping[str, str]) -> dict[str, object]:
    """Return what a link leaves out whose defaults do not suit what it says: nobody is refused for what they left."""
    suited: dict[str, object] = {}
    if kind in ("toy", "probe") and re.fullmatch("[0-9]{1,6}", said.get("steps", "")):
        default = KINDS[kind].model_fields["measure_every"].default
        suited["measure_every"] = max(default, -(-int(said["steps"]) // KINDS[kind].MEASUREMENTS))
    if kind == "checkpoints" and said.get("model", ADDITION) != ADDITION:
        suited |= {"task": "sentiment", "readout": "next-token"}
    return {name: value for name, value in suited.items() if name not in said}


def check_frame(pairs: list[tuple[str, str]], names: Collection[str]) -> None:
    """Check how a page's query frames the page, which itself leaves alone what is refused here.

    Raises:
        ConfigError: `embed` is not 1, or `hide` names none of the controls that there are.
    """
    for name, text in pairs:
        if name == "embed" and text != "1":
            raise ConfigError(f"embed = {show(text)} is not allowed; allowed: 1")
        if name == "hide" and (unknown := [part for part in text.split(",") if part not in names]):
            raise ConfigError(f"hide = {show(unknown[0])} is not allowed; allowed: names of controls, such as depth,seeds")

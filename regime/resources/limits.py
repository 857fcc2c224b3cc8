"""What a server allows, in one place; each limit has an environment variable, read whenever it is asked for."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from regime.errors import ConfigError

PREFIX = "REGIME_"


@dataclass(frozen=True)
class Limits:
    """The field `max_seconds` is set by REGIME_MAX_SECONDS, and so on."""

    max_seconds: float = 900.0
    """Wall-clock seconds one run may take on the server."""
    slots: int = 2
    """Short runs that compute at once, and as many long ones."""
    waiting: int = 32
    """Runs of either sort that may wait."""
    spell_seconds: float = 30.0
    """After which a run lets the next one that waits have its slot, and waits itself."""
    held_bytes: int = 2 * 2**30
    """Memory that the paused runs of all visitors may keep together."""
    max_bytes: int = 0
    """Memory one run may take; 0: nine tenths of what is free and not promised to other runs."""
    max_model_bytes: int = 5 * 2**30
    """Of a model that is not in the catalog: of all its files, and of its weights in float32."""
    max_parameters: int = 0
    """Of such a model; 0: as many as its bytes allow."""
    max_cells: int = 10_000
    """Of one sweep."""
    store: str = ""
    """File of the cells that the server's sweeps share and find again; empty: one that is gone with the process."""
    store_bytes: int = 2**30
    """Size of that file beyond which no more cells are kept in it."""
    hub: int = 1
    """1: models may be downloaded from the Hub; 0: only those that are there."""
    hub_seconds: float = 10.0
    """Within which the Hub has to answer what a model is."""
    download_seconds: float = 300.0
    """Within which all files of a model have to be here."""
    cache_bytes: int = 20 * 2**30
    """Of all models that a server has fetched; the one used longest ago is deleted. Those that it found there are not."""
    upload_bytes: int = 8_000_000
    """Of a file that the page sends; more than rows may have, so that the page itself says how large they may be."""

    def to_dict(self) -> dict[str, float | int]:
        """What visitors may know: the numbers."""
        return {name: value for name, value in asdict(self).items() if not isinstance(value, str)}


def limits() -> Limits:
    """The limits that hold now.

    Raises:
        ConfigError: a variable is not such a number; the message names it.
    """
    found = {}
    for field in fields(Limits):
        name = PREFIX + field.name.upper()
        if (text := os.environ.get(name)) is not None:
            kind = type(field.default)
            found[field.name] = text if kind is str else _read(name, text, kind)
    return Limits(**found)


def _read(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    least = 1 if name == f"{PREFIX}SLOTS" else 0
    if not least <= value < float("inf"):
        sort = "a whole" if kind is int else "a"
        raise ConfigError(f"{name} = {text!r:.80} is not allowed; allowed: {sort} number from {least}")
    return value

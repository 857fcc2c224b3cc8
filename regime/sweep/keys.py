"""The keys under which finished cells are kept: hashes of everything that a cell's numbers depend on."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from regime.composer.producers import IMPORTING
from regime.config import ProbeConfig, ToyConfig
from regime.errors import ConfigError
from regime.sweep.cell import RESULT_VERSION
from regime.version import __version__


def key(fields: dict[str, Any], at_loss: float | None, weights: str | None = None) -> str:
    """Return the SHA-256 of all that a cell's numbers depend on: the same wherever its result is.

    Args:
        fields: the cell's configuration as a dict.
        at_loss: share of the initial loss that training stops at, or None.
        weights: SHA-256 of the model's files, or None for a toy.
    """
    version = {"package": __version__, "version": RESULT_VERSION}
    asked = version | {"config": fields, "at_loss": at_loss, "weights": weights}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def keys(cells: Sequence[ToyConfig | ProbeConfig], at_loss: float | None) -> list[str | None]:
    """Return the key of each cell; None where its model cannot be had here, or a part is one's own, whose code may change.

    A model counts by what its files hold now, read once for all cells: a folder or a branch may change under its name.
    """
    models = {cell.named[0] for cell in cells if cell.kind == "probe" and not cell.own_parts()}
    known = {model: _weights(*model) for model in models}

    def of(cell: ToyConfig | ProbeConfig) -> str | None:
        if cell.own_parts():
            return None
        fields = cell.to_dict()
        newer = ["measures", *["decimal"] * (cell.decimal == "auto")]  # none here, and keys are as old as stores that hold them
        fields = {name: value for name, value in fields.items() if name not in newer}
        weights = None if cell.kind == "toy" else known[cell.named[0]]
        return None if cell.kind == "probe" and weights is None else key(fields, at_loss, weights)

    return list(map(of, cells))


def _weights(model: str, revision: str) -> str | None:
    with IMPORTING:
        from regime.models.loading import weights
    try:
        return weights(model, revision)
    except ConfigError:
        return None

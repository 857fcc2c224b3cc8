"""A run that is held, in a file: checked when it is read."""

import os
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from regime.config import ToyConfig
from regime.record.events import Measured
from regime.record.files import whole
from regime.record.saved import first_problem
from regime.version import __version__


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    history: list[Measured] = Field(min_length=1)
    past: dict[str, Tensor]
    last: dict[str, Tensor]
    points: list[dict[str, Any]]
    diverged: bool


class _Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")
    producer: dict[str, Any]
    recorder: _Record


class _Held(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    config: ToyConfig
    batches: list[_Batch] = Field(min_length=1)
    seconds: float = Field(ge=0, allow_inf_nan=False)


def write(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write tensors, numbers and text as `read` takes them back, whole or not at all; raises OSError where there is no room."""
    content = BytesIO()  # to a path, torch writes with errors of its own
    torch.save({"version": __version__, **state}, content)
    with whole(path) as partial:
        partial.write_bytes(content.getbuffer())


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `write` wrote: config, batches of seeds, seconds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a session that this version wrote; the message says where it fails.
    """
    try:
        with ZipFile(path) as parts:
            damaged = parts.testzip()  # checksums, which torch.load leaves unread
        if damaged is not None:
            raise BadZipFile(damaged)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch.load documents none of those it raises
        raise ValueError(f"{path} is not a saved session, or a damaged one: {type(error).__name__}") from None
    version = state.get("version") if isinstance(state, dict) else None
    if isinstance(version, str) and version != __version__:
        raise ValueError(f"{path} was saved by version {version!r:.40}; allowed: {__version__}")
    try:
        _Held.model_validate(state)
    except ValidationError as error:
        raise ValueError(f"{path} is not a saved session: {first_problem(error)}") from None
    return state

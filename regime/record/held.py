"""A run that is held, in a file: checked when it is read."""

import os
from hashlib import sha256
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from regime.record.files import whole
from regime.version import __version__


def write(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write tensors, numbers and text as `read` takes them back, whole or not at all; raises OSError where there is no room."""
    content = BytesIO()  # to a path, torch writes with errors of its own
    torch.save({"version": __version__, **state}, content)
    with ZipFile(content, "a") as parts:
        parts.comment = _digest(parts)
    with whole(path) as partial:
        partial.write_bytes(content.getbuffer())


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `write` wrote: config, batches of seeds, seconds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a session that this version wrote, or was changed since.
    """
    try:
        with ZipFile(path) as parts:
            damaged = parts.testzip()  # checksums, which torch.load leaves unread
            changed = parts.comment != _digest(parts)
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
    if changed:
        raise ValueError(f"{path} is not a saved session, or a damaged one: it was changed since; allowed: what `save` wrote")
    return state


def _digest(parts: ZipFile) -> bytes:
    """Return a checksum of all that a file holds: numbers that were changed by hand may fit, and would be wrong."""
    return sha256(repr([(part.filename, part.CRC) for part in parts.infolist()]).encode()).hexdigest().encode()

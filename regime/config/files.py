"""A file of somebody's own rows as text: opened in Python and on the command line, never by a server."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any

from regime.errors import show

FILE_LIMIT = 1_000_000
"""Bytes of a file."""
_CLOSED: ContextVar[bool] = ContextVar("closed", default=False)


@contextmanager
def no_files() -> Iterator[None]:
    """Open no file for any configuration that is built inside: what a stranger sends names none."""
    token = _CLOSED.set(True)
    try:
        yield
    finally:
        _CLOSED.reset(token)


def rows_of(value: Any) -> Any:
    """Return the rows that a field holds, or those in the file that it names: rows have several lines, a path has one.

    Raises:
        ValueError: a path where no file may be opened, or one that cannot be read.
    """
    path = isinstance(value, os.PathLike)
    if not path and (not isinstance(value, str) or len(value.strip().splitlines()) != 1):
        return value
    name = os.fsdecode(value) if path else value.strip()
    if _CLOSED.get():
        raise ValueError(f"{show(name)} is one line, and so no rows; allowed: the rows themselves, for a server opens no file")
    try:
        file = Path(os.path.expanduser(name))  # pathlib's own raises where nobody is called so
        if file.is_file():
            size = file.stat().st_size
            if size > FILE_LIMIT:
                raise ValueError(f"{show(name)} has {size} bytes; allowed: at most {FILE_LIMIT}")
            return decode(file.read_bytes())
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            raise ValueError(f"{show(name)} is one line and names no file; allowed: rows, or a file of rows") from None
        raise ValueError(f"{show(name)} cannot be read: {error.strerror}; allowed: rows, or a file of rows") from None
    what = "is a folder" if file.is_dir() else "is one line and names no file"
    raise ValueError(f"{show(name)} {what}; allowed: rows, or a file of rows")


def decode(data: bytes) -> str:
    """Return the text of a file in UTF-8, in UTF-16, or else, with a warning, in Windows-1252; raises as `decoded` does."""
    text, doubt = decoded(data)
    if doubt:
        warnings.warn(doubt, stacklevel=2)
    return text


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a file, and a sentence where its encoding, Windows-1252, is a guess; empty in UTF-8 and UTF-16.

    Raises:
        ValueError: it is too large, or none of these.
    """
    if len(data) > FILE_LIMIT:
        raise ValueError(f"the file has {len(data)} bytes; allowed: at most {FILE_LIMIT}")
    if data.startswith((b"PK", b"\xd0\xcf", b"\x1f\x8b", b"PAR1", b"%PDF")):
        raise ValueError("the file is no text, but a workbook, an archive or the like; save the table as CSV")
    name = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if name == "utf-8-sig" and len(data) % 2 == 0 and b"\0" in data:  # UTF-16 that does not say so: ASCII leaves one byte empty
        even, odd = data[::2].count(0), data[1::2].count(0)
        name = "utf-16-le" if odd > len(data) // 4 > even else "utf-16-be" if even > len(data) // 4 > odd else name
    try:
        return data.decode(name), ""
    except UnicodeDecodeError as error:
        where = error.start
    if name != "utf-8-sig" or b"\0" in data:
        raise ValueError(f"the file is not {name.upper()}: byte {where} begins no character; allowed: UTF-8")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise ValueError(f"the file is not UTF-8: byte {where} begins no character; save it as UTF-8") from None
    guess = f"it was read as Windows-1252, where that is {text[where]!r}"
    return text, f"the file is not UTF-8: byte {where} begins no character; {guess}"

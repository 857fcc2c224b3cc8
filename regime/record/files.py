"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` once all is written and is gone where that failed; folders are made.

    A link stays one: what it leads to is written. A device or a pipe would become a file, and is refused.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; allowed: the name of a file, in it or elsewhere")
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{target} is a device, a pipe or a socket; allowed: the name of a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid4().hex}")  # of a length that every name may have
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)

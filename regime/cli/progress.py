"""Progress on standard error: one line that is written over on a terminal, now and then a line elsewhere."""

import sys
import time
from typing import Self

from regime.cli.streams import tell

PACE = {True: 0.2, False: 10.0}
"""Seconds between two lines of progress, on a terminal and elsewhere."""


class Progress:
    """A context whose line of progress is gone when it ends."""

    def __enter__(self) -> Self:
        self._terminal, self._told = sys.stderr.isatty(), 0.0
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            tell("\r\033[K")

    @property
    def due(self) -> bool:
        """Whether it is time for another line."""
        return time.monotonic() - self._told > PACE[self._terminal]

    def tell(self, line: str) -> None:
        """Write a line, in the place of the one before where that can be."""
        self._told = time.monotonic()
        tell(f"\r{line}\033[K" if self._terminal else f"{line}\n")

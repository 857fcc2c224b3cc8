"""What a command prints: its result on standard output, all else on standard error. Either may be closed, or its disk full."""

import os
import sys
from typing import TextIO

STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


class UnwrittenError(Exception):
    """The result could not be written."""


def fill_in() -> list[str]:
    """Put an empty stream in the place of each standard stream that is closed; return their names.

    What is opened next, a store for instance, would get its number, and libraries in C would write their remarks into it.
    """
    closed = [name for name in STREAMS if getattr(sys, name) is None]
    for name in closed:
        setattr(sys, name, open(os.devnull, STREAMS[name]))  # noqa: SIM115 - it stays open
    return closed


def say(text: str = "") -> None:
    """Write the result, and what is not written yet, to standard output.

    Raises:
        BrokenPipeError: nobody reads it any more.
        UnwrittenError: it cannot be written, as on a full disk.
    """
    if (error := _refused(sys.stdout, text)) is not None:
        raise UnwrittenError(f"standard output cannot be written: {error.strerror}; allowed: a disk with room")


def tell(text: str) -> None:
    """Write to standard error, if that can be: nothing that is told there is worth the loss of a result.

    Raises:
        BrokenPipeError: nobody reads it any more.
    """
    _refused(sys.stderr, text)


def _refused(stream: TextIO, text: str) -> OSError | None:
    """Write; return why that cannot be."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # what is left in the buffer would be tried again at the end of the process
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return error
    return None

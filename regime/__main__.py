"""Run `python -m regime toy|probe|checkpoints|sweep|reproduce` for a terminal, a script or a queue; `app` serves the page."""

import json
import os
import sys
import warnings
from io import TextIOWrapper

from regime.cli.signals import Interrupted, Interrupts
from regime.cli.streams import UnwrittenError, fill_in, say, tell
from regime.errors import ConfigError
from regime.resources.container import keep_to_cores
from regime.ui.launch import launch

CLOSED = 141
"""Exit status where nobody reads the output any more: 128 + SIGPIPE, as shells have it."""
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",  # of processes that this one starts
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Settings that keep libraries' remarks off the terminal, where what is wrong is told in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status of one command line, `sys.argv` where no arguments are given."""
    closed = fill_in()
    try:
        try:
            with Interrupts() as interrupts:
                from regime.cli.parser import parse

                asked = parse(arguments)
                if "stdout" in closed and asked.kind != "app":
                    raise ConfigError("standard output is closed; allowed: a terminal, a file or a pipe")
                if asked.kind == "reproduce":
                    from regime.cli.reproduction import reproduction

                    return reproduction(asked, interrupts)
                if asked.estimate or asked.kind == "catalog":
                    from regime.cli.answers import answer

                    return answer(asked)
                if asked.kind != "app":
                    from regime.cli.command import command

                    return command(asked, interrupts)
        except ConfigError as error:
            return _refuse(str(error), 2, arguments)
        except Interrupted as stop:
            return _refuse(f"{stop} before anything was measured", stop.status, arguments)
        finally:
            say()
    except BrokenPipeError:
        return CLOSED
    except UnwrittenError as error:
        tell(f"{error}\n")
        return 1
    launch()
    return 0


def _refuse(line: str, status: int, arguments: list[str] | None) -> int:
    """Say why there is no result, also as JSON where that was asked for; return the exit status."""
    tell(f"{line}\n")
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        say(json.dumps({"error": line}) + "\n")
    return status


if __name__ == "__main__":
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    keep_to_cores()
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may not know the letters of columns and classes
        sys.stdout.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    status = main()
    if status > 1:
        os._exit(status)  # a thread may still wait for the network, and what is left in a buffer has no reader
    sys.exit(status)

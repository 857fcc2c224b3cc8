"""neural-tangents in a process and an environment of its own, which answers in turn."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.report import NotRunError
from tests.benchmarks.timing import Turn

WORKER = Path(__file__).with_name("neural_tangents_worker.py")
REQUIREMENTS = ("jax==0.4.20", "jaxlib==0.4.20", "neural-tangents==0.6.5", "numpy<2", "scipy<1.12", "tf2jax==0.3.6")
"""With jax 0.4.26 the structured derivatives of this version of neural-tangents fail with an AttributeError."""
CHECK = "import neural_tangents"
TAIL = 1500
"""Characters of an error that are shown."""


class PeerError(NotRunError):
    """The peer cannot be had, or stopped; the message says why and what to do."""


class Peer:
    """One worker process; ask it one thing at a time."""

    def __init__(self, process: subprocess.Popen, errors: Path) -> None:
        self._process, self._errors = process, errors

    def ask(self, **request: str) -> dict:
        """Send a request and wait for its answer.

        Raises:
            PeerError: the process ended instead.
        """
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerError(f"the peer stopped at {request}:\n{self._errors.read_text(errors='replace')[-TAIL:]}")
        return json.loads(line)

    def turn(self, network: str) -> Turn:
        """A turn in the peer's process; it starts the clock itself, so talking to it costs nothing."""
        return lambda: self.ask(time=network)["seconds"]


@contextmanager
def running(python: Path) -> Iterator[Peer]:
    """The peer under this python, until the block ends."""
    quiet = {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "errors"
        with errors.open("w") as file:
            process = subprocess.Popen(
                [python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True, env=os.environ | quiet
            )
        try:
            yield Peer(process, errors)
        finally:
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment_in(folder: Path) -> Path:
    """The python of an environment with the peer in this folder, made there unless it already is.

    Raises:
        PeerError: it cannot be made.
    """
    python = folder / "bin" / "python"
    if python.is_file() and _run(python, "-c", CHECK).returncode == 0:
        return python
    make = [sys.executable, "-m", "venv", folder]
    install = [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS]
    for command in (make, install, [python, "-c", CHECK]):
        done = _run(*command)
        if done.returncode:
            words = " ".join(map(str, command))
            raise PeerError(
                f"no environment with neural-tangents could be made: {words!r} failed:\n{done.stderr[-TAIL:]}\n"
                f"Make one by hand with {', '.join(REQUIREMENTS)} (Python 3.11) and pass its python as --peer."
            )
    return python


def _run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

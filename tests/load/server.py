"""The app in a process of its own, on this machine alone: what it holds, and how it is called over plain HTTP."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
MINUTES = 120.0


@dataclass
class Server:
    """A server that runs."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    """Its temporary files and its log."""

    def get(self, path: str, seconds: float = 30.0) -> bytes:
        """Return the body of a GET."""
        with urlopen(self.url + path, timeout=seconds) as answer:
            return answer.read()

    def health(self) -> dict[str, Any]:
        """Return what /health says."""
        return json.loads(self.get("/health"))

    def post(self, name: str, *data: Any, seconds: float = 30.0) -> str:
        """Call an endpoint and return the event's id.

        Raises:
            HTTPError: it was refused.
        """
        body = json.dumps({"data": data}).encode()
        request = Request(f"{self.url}/gradio_api/call/{name}", body, {"content-type": "application/json"})
        with urlopen(request, timeout=seconds) as answer:
            return json.loads(answer.read())["event_id"]

    def read(self, name: str, event: str, seconds: float = MINUTES) -> Iterator[tuple[str, Any]]:
        """Yield what a call sends, (kind of message, data), to its end; closing the iterator leaves it."""
        with urlopen(f"{self.url}/gradio_api/call/{name}/{event}", timeout=seconds) as answer:
            kind = ""
            for raw in answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    yield kind, json.loads(line[6:])

    def run(self, name: str, *data: Any, seconds: float = MINUTES) -> tuple[str, Any]:
        """Call an endpoint, read to its end and return the last message; one that was refused at once is an error, too."""
        try:
            *_, last = self.read(name, self.post(name, *data, seconds=seconds), seconds)
        except HTTPError as error:
            return "error", json.loads(error.read())["detail"]
        return last

    def holds(self) -> dict[str, int]:
        """Return the process' memory, threads, open files, children and temporary files."""
        about = Path(f"/proc/{self.process.pid}")
        fields = dict(line.split(":\t", 1) for line in (about / "status").read_text().splitlines() if ":\t" in line)
        return {
            "memory": int(fields["VmRSS"].split()[0]) * 1024,
            "threads": int(fields["Threads"]),
            "files": len(list((about / "fd").iterdir())),
            "children": len((about / "task" / str(self.process.pid) / "children").read_text().split()),
            "temporary": sum(1 for path in (self.folder / "tmp").rglob("*") if path.is_file()),
        }

    @property
    def log(self) -> str:
        """What the server has printed."""
        return (self.folder / "log").read_text()


def free_port() -> int:
    """A port for a server that starts later: below 32768, where no system's own choice for a connection takes it before."""
    while True:
        port = secrets.choice(range(10_000, 32_768))
        with closing(socket.socket()) as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


@contextmanager
def served(folder: str | Path | None = None, **environment: str) -> Iterator[Server]:
    """Serve the app until the block ends; more environment variables may be given."""
    with tempfile.TemporaryDirectory() as own:
        place = Path(folder or own)
        (place / "tmp").mkdir(exist_ok=True)
        port = free_port()
        known = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
        own_files = {"TMPDIR": str(place / "tmp"), "GRADIO_TEMP_DIR": str(place / "tmp" / "gradio"), "REGIME_HUB": "0"}
        with (place / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), **known, **own_files, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        server = Server(f"http://127.0.0.1:{port}", process, place)
        try:
            for _ in range(600):
                if process.poll() is not None:
                    raise RuntimeError(server.log)
                try:
                    server.health()
                    break
                except OSError:
                    time.sleep(0.1)
            yield server
        finally:
            process.kill()
            process.wait()

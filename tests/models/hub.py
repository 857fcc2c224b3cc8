"""A Hub on this machine: enough of its HTTP API for the real client, serving folders and refusing as the Hub does."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DROPS = 40
"""Parts that a file is sent in where that takes time."""


@dataclass
class Repository:
    """A model on the Hub."""

    folder: Path
    gated: bool = False
    private: bool = False
    revisions: tuple[str, ...] = ("main", COMMIT)
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes to claim instead of the true ones."""
    parameters: int | None = None
    """Number of parameters to claim."""
    missing: tuple[str, ...] = ()
    """Files that it lists and does not have."""
    slow: dict[str, float] = field(default_factory=dict)
    """Seconds until a file, or under "" the description, is sent."""
    drip: dict[str, float] = field(default_factory=dict)
    """Seconds over which the bytes of a file are sent."""
    cut: dict[str, int] = field(default_factory=dict)
    """How often the connection breaks in the middle of a file, or under "" of the description."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self.info("/".join(parts[2:4]), unquote(parts[5]) if len(parts) > 5 else "main")
        elif len(parts) > 4 and parts[2] == "resolve":
            self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.refuse(404, "RepoNotFound")

    def known(self, name: str, revision: str) -> Repository | None:
        repository = self.server.repositories.get(name)  # type: ignore[attr-defined]
        if repository is None:
            self.refuse(401, "RepoNotFound")
        elif revision not in repository.revisions:
            self.refuse(404, "RevisionNotFound")
            return None
        return repository

    def info(self, name: str, revision: str) -> None:
        if (repository := self.known(name, revision)) is None:
            return
        if repository.gated:
            self.refuse(403, "GatedRepo")
            return
        time.sleep(repository.slow.get("", 0))
        there = {str(path.relative_to(repository.folder)): path for path in sorted(repository.folder.rglob("*"))}
        sizes = {file: path.stat().st_size for file, path in there.items() if path.is_file()} | repository.sizes
        siblings = [{"rfilename": file, "size": size, "blobId": "0"} for file, size in sizes.items()]
        answer = {
            "_id": "1",
            "id": name,
            "modelId": name,
            "sha": COMMIT,
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "siblings": siblings,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "cardData": {"license": "mit"},
        }
        if repository.parameters is not None:
            answer["safetensors"] = {"parameters": {"F32": repository.parameters}, "total": repository.parameters}
        self.send(json.dumps(answer).encode(), {"Content-Type": "application/json"}, cut=self.breaks(repository, ""))

    def file(self, name: str, revision: str, file: str) -> None:
        if (repository := self.known(name, revision)) is None:
            return
        path = repository.folder / file
        time.sleep(repository.slow.get(file, 0))
        if not path.is_file() or file in repository.missing:
            self.refuse(404, "EntryNotFound")
            return
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self.send(data, headers, repository.drip.get(file, 0), self.breaks(repository, file))

    def breaks(self, repository: Repository, file: str) -> bool:
        """Whether the connection breaks this time."""
        left = repository.cut.get(file, 0)
        if self.command == "GET":
            repository.cut[file] = left - 1
        return self.command == "GET" and left > 0

    def send(self, data: bytes, headers: dict[str, str], seconds: float = 0, cut: bool = False) -> None:
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            count = DROPS if seconds else 1 + cut
            for drop in range(count):
                time.sleep(seconds / count)
                try:
                    self.wfile.write(data[len(data) * drop // count : len(data) * (drop + 1) // count])
                except ConnectionError:
                    return  # whoever asked has gone
                if cut:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[tuple[str, list[str]]]:
    """The Hub's address, and the paths that it was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.repositories, server.asked = repositories, []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()

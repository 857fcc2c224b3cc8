"""The page's scripts and styles as files."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from regime.ui.static_files import OWN, UPLOT, VENDOR, address, contents

UPLOT_HASH = "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2"
"""SHA-256 of npm's uPlot 1.6.31."""


def test_uplot_is_npms_own():
    assert hashlib.sha256((VENDOR / UPLOT[0]).read_bytes()).hexdigest() == UPLOT_HASH


def test_files_are_served_for_good_and_nothing_else_is(server):
    for name, text in contents().items():
        with urllib.request.urlopen(f"{server.url}{address()}/{name}") as answer:
            assert answer.read().decode() == text
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Type"].startswith("text/javascript" if name.endswith(".js") else "text/css")
    request = urllib.request.Request(f"{server.url}{address()}/style.css", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
    for name in ("..%2Fscreen.py", "none.js", "..%2Fstatic%2Fstyle.css"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{server.url}{address()}/{name}")


def test_the_page_comes_compressed_and_a_stream_is_not_held(server):
    request = urllib.request.Request(server.url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer, urllib.request.urlopen(server.url) as plain:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        small, whole = answer.read(), plain.read()
    assert len(gzip.decompress(small)) == pytest.approx(len(whole), rel=0.01)
    assert len(small) < len(whole) / 5
    call = f"{server.url}gradio_api/call/toy"
    asked = {"data": [{"width": 8, "steps": 2, "measure_every": 1, "seeds": 1}]}
    posted = urllib.request.Request(call, json.dumps(asked).encode(), {"content-type": "application/json"})
    event = json.load(urllib.request.urlopen(posted))["event_id"]
    request = urllib.request.Request(f"{call}/{event}", headers={"Accept-Encoding": "gzip, br"})
    with urllib.request.urlopen(request) as stream:
        assert "Content-Encoding" not in stream.headers
        assert stream.readline().startswith(b"event: ")


def test_the_address_changes_with_the_content(monkeypatch):
    before = address()
    address.cache_clear()
    monkeypatch.setattr("regime.ui.static_files.contents", lambda: {"style.css": "other"})
    assert address() != before
    address.cache_clear()


def test_a_linter_finds_nothing_in_the_scripts():
    linter = shutil.which("oxlint", path=str(Path(sys.executable).parent)) or pytest.skip("oxlint is not installed")
    found = subprocess.run([linter, "--deny-warnings", str(OWN)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout

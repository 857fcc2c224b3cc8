"""`python -m tests.fuzz.files [EXAMPLES] [--write]`: what comes from outside as a text or a file, broken in many ways.

Rows and texts as CSV, the query of a link, reports and sessions that were saved, folders of models. Each is read, or refused
with a line that shows nothing of the inside. Nothing else is raised, and nothing takes longer than PATIENCE.
"""

import argparse
import json
import os
import shutil
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn

import regime
from regime.composer.session import Session
from regime.config.own_rows import parse_rows
from regime.config.own_texts import parse_texts
from regime.models import loading
from regime.models.checks import ModelError
from regime.ui.run.link import linked
from tests.benchmarks.environment import environment
from tests.fuzz.configs import HOSTILE, ODD
from tests.fuzz.endpoints import INTERNALS, RESULTS
from tests.models import tiny

PATIENCE = 20.0
TABLES = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "config" / "tables").iterdir()) if path.is_file()]
TOY = {"task": "rings", "width": 8, "samples": 16, "test_samples": 8, "probe_samples": 8, "steps": 4, "measure_every": 1}
Read = Callable[[DataObject], Any]


@st.composite
def spoiled(draw: DrawFn, sound: bytes) -> bytes:
    """Return bytes that were sound: cut off, overwritten in places, with something put in, or others altogether."""
    at = draw(st.integers(0, len(sound)))
    other = draw(st.one_of(st.binary(max_size=40), st.sampled_from([text.encode("utf-8", "replace") for text in HOSTILE])))
    return draw(
        st.sampled_from([sound[:at], sound[:at] + other + sound[at + len(other) :], sound[:at] + other + sound[at:], other])
    )


@st.composite
def altered(draw: DrawFn, tree: Any) -> Any:
    """Return a tree of JSON with something odd in one place, something missing, or a part twice as deep."""
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 3)) == 0:
        return draw(st.one_of(ODD, st.just([tree]), st.just({"": tree})))
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw(st.sampled_from(keys))
    if draw(st.integers(0, 5)) == 0:
        return {k: v for k, v in tree.items() if k != key} if isinstance(tree, dict) else tree[:key] + tree[key + 1 :]
    new = draw(altered(tree[key]))
    return {**tree, key: new} if isinstance(tree, dict) else [*tree[:key], new, *tree[key + 1 :]]


def dumped(tree: Any) -> bytes:
    """Return JSON as bytes; halves of characters as escapes."""
    return json.dumps(tree).encode()


class Files:
    """Sound files, made once, and what reads a spoiled copy of each."""

    def __init__(self, folder: Path) -> None:
        """Make them in `folder`."""
        self.folder = folder
        session = Session(regime.ToyConfig(**TOY))
        for _ in session.stream(measurements=2):
            pass
        session.save(folder / "session")
        self.session = (folder / "session").read_bytes()
        self.report = json.loads(regime.run(regime.ToyConfig(**TOY)).save(folder / "report").read_text())
        self.model = tiny.write(folder / "model", "bert", language_model=True)
        self.root = folder / "models"
        os.environ["REGIME_MODELS_DIR"] = str(self.root)

    def rows(self, data: DataObject) -> Any:
        """Read spoiled tables of numbers."""
        return parse_rows(data.draw(spoiled(data.draw(st.sampled_from(TABLES)))).decode("utf-8", "replace"))

    def texts(self, data: DataObject) -> Any:
        """Read spoiled tables of texts."""
        return parse_texts(data.draw(spoiled(data.draw(st.sampled_from(TABLES)))).decode("utf-8", "replace"))

    def queries(self, data: DataObject) -> Any:
        """Read the query of a link, as a server splits it."""
        names = st.sampled_from(
            ["run", "task", "width", "alpha", "steps", "model", "base", "axes", "seeds", "config", "kind", "own"]
        )
        value = st.one_of(
            st.sampled_from(HOSTILE), st.text(max_size=12), ODD.map(str), st.sampled_from(["toy", "probe", "sweep"])
        )
        return linked(data.draw(st.lists(st.tuples(st.one_of(names, st.text(max_size=8)), value), max_size=5)))

    def reports(self, data: DataObject) -> Any:
        """Load a report that was saved; one that is read can be told again."""
        path = self.folder / "report.json"
        path.write_bytes(data.draw(st.one_of(altered(self.report).map(dumped), spoiled(dumped(self.report)))))
        return regime.Report.load(path).to_dict()

    def sessions(self, data: DataObject) -> Any:
        """Take up a session that was saved, and go on for a measurement."""
        path = self.folder / "spoiled"
        path.write_bytes(data.draw(st.one_of(spoiled(self.session), self._parts())))
        return list(Session.load(path).stream(measurements=1))

    def _parts(self) -> st.SearchStrategy[bytes]:
        """Return a session's archive with one of its files spoiled, or with a bomb beside them."""
        with zipfile.ZipFile(BytesIO(self.session)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}

        @st.composite
        def made(draw: DrawFn) -> bytes:
            name = draw(st.sampled_from(sorted(parts)))
            new = {name: draw(st.one_of(spoiled(parts[name]), self._trees(parts[name]), st.just(bytes(10**7))))}
            extra = draw(st.sampled_from([{}, {"../evil": b"x"}, {"/evil": b"x"}, {"bomb": bytes(10**8)}]))
            out = BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in (parts | new | extra).items():
                    archive.writestr(name, content)
            return out.getvalue()

        return made()

    @staticmethod
    def _trees(content: bytes) -> st.SearchStrategy[bytes]:
        try:
            return altered(json.loads(content)).map(dumped)
        except ValueError:
            return st.just(b"{}")

    def models(self, data: DataObject) -> Any:
        """Load a model from a folder with one of its files spoiled, gone, a link, huge by its header, or one more beside."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.model, self.root / "fuzzed")
        path = self.root / "fuzzed" / data.draw(st.sampled_from(sorted(path.name for path in self.model.iterdir())))
        sound = path.read_bytes()
        how = data.draw(st.sampled_from(["bytes", "tree", "gone", "link", "folder", "more"]))
        if how != "more":
            path.unlink()
        match how:
            case "bytes":
                path.write_bytes(data.draw(spoiled(sound)))
            case "tree" if path.suffix == ".json":
                path.write_bytes(dumped(data.draw(altered(json.loads(sound)))))
            case "tree":
                length = struct.unpack("<Q", sound[:8])[0]
                header = dumped(data.draw(altered(json.loads(sound[8 : 8 + length]))))
                size = data.draw(st.sampled_from([len(header), 0, 2**40, 2**64 - 1]))
                path.write_bytes(struct.pack("<Q", size) + header + sound[8 + length :])
            case "link":
                path.symlink_to(data.draw(st.sampled_from(["/etc/passwd", "/dev/zero", ".", path.name, "/nowhere"])))
            case "folder":
                path.mkdir()
            case "more":
                (
                    path.parent / data.draw(st.sampled_from(["pytorch_model.bin", "evil.py", "model.pkl", "a.safetensors"]))
                ).write_bytes(data.draw(st.sampled_from([sound, b"", b"\x80\x04."])))
        return sum(parameter.numel() for parameter in loading.load("fuzzed").model.parameters())


REFUSALS = (regime.ConfigError, ModelError, ValueError, FileNotFoundError)
"""What a reader may raise, by its docstring."""


def fuzzed(name: str, read: Read, examples: int, number: int) -> dict[str, Any]:
    """Read so many spoiled files of one sort, and judge how each is answered.

    Args:
        name: of the sort.
        read: draws one, and reads it.
        examples: how many.
        number: of the random seed.
    """
    seen: Counter[str] = Counter()
    longest = 0.0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: DataObject) -> None:
        nonlocal longest
        began = time.monotonic()
        try:
            read(data)
            seen["read"] += 1
        except REFUSALS as raised:
            refusal = raised
            seen["refused"] += 1
        else:
            refusal = None
        longest = max(longest, took := time.monotonic() - began)
        assert took < PATIENCE, (name, took)
        if refusal:
            check_refusal(name, refusal)

    one()
    return {**seen, "longest_seconds": round(longest, 2)}


def check_refusal(name: str, refusal: Exception) -> None:
    """Check that a refusal is one of those that a reader promises, in a line that can be shown."""
    assert type(refusal) in REFUSALS, (name, refusal)
    said = str(refusal)
    assert 0 < len(said) < 5000, (name, said[:300])
    found = INTERNALS.search(said.replace(tempfile.gettempdir(), ""))  # the path that was given may be told
    assert not found or found[0] in (".py", "/root"), (name, said)


SORTS = {"rows": 0.3, "texts": 0.2, "queries": 0.2, "reports": 0.1, "sessions": 0.1, "models": 0.1}
"""Shares of all examples."""


def main() -> int:
    """Fuzz every sort, and print or write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.files", description=__doc__)
    parser.add_argument("examples", nargs="?", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="write tests/fuzz/results/files.json")
    asked = parser.parse_args()
    known = environment()
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        found = {name: fuzzed(name, getattr(files, name), round(share * asked.examples), 0) for name, share in SORTS.items()}
    text = json.dumps({"environment": known, "files": found}, indent=1)
    sys.stdout.write(text + "\n")
    if asked.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "files.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

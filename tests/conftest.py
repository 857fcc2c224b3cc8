"""What all tests share: checked shape annotations, no network beyond this machine, and the app in a process of its own."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as in app.py

if "PYTEST_XDIST_WORKER" not in os.environ:  # what tests leave behind goes with this process, which workers share
    TEMPORARY = tempfile.TemporaryDirectory(prefix="regime-tests-")
    os.environ["TMPDIR"] = tempfile.tempdir = TEMPORARY.name

import pytest
import torch
from jaxtyping import install_import_hook

from regime.resources.stubs import without_stubs
from tests.load.server import free_port

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in a shell's background ignore it, and so do their children

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # processes that share the cores: more threads than cores wait for each other
    torch.set_num_threads(max(1, torch.get_num_threads() // int(workers)))

if os.environ.get("CHECK_SHAPES"):  # several times slower: tests/test_shapes.py runs some tests so
    sys.dont_write_bytecode = True  # what a checked module imports would be kept as if it were checked, too
    random.getrandbits = random.Random(0).getrandbits  # beartype's own: passes that draw the process's numbers look random
    kernels = [f"regime.kernels.{name}" for name in ("jacobian", "linearization", "planning", "spectrum")]
    install_import_hook(kernels, "beartype.beartype")

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
APP = """
import runpy

from regime.composer import trial

trial.AFFORDABLE = 0.04
runpy.run_path("app.py", run_name="__main__")
"""
"""The app, trying the advice of none but the smallest runs: it takes several times as long as the run itself."""


@dataclass(frozen=True)
class Server:
    url: str
    pid: int
    cache: Path

    def cpu(self) -> float:
        """Processor seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def busy(self, seconds: float) -> float:
        """Share of one processor used over the next seconds."""
        before = self.cpu()
        time.sleep(seconds)
        return (self.cpu() - before) / seconds

    def computes(self) -> bool:
        """Whether it is at work, within some seconds: other load may take a share of any one moment."""
        return any(self.busy(0.2) > 0.4 for _ in range(25))

    def rests(self, within: int) -> bool:
        """Whether it computes nothing for a second that begins within so many."""
        return any(self.busy(1.0) < 0.2 for _ in range(within + 1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Files of tests import Gradio; its stubs take as long as all else that it does."""
    with without_stubs():
        return (yield)


@pytest.fixture(autouse=True)
def advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advice is extrapolated: trying it takes longer than most runs. Where it is tested, a file has its own fixture."""
    monkeypatch.setattr("regime.composer.trial.AFFORDABLE", 0.0)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.models import tiny

    folder = tmp_path_factory.mktemp("models")
    tiny.write(folder / "tiny-bert", "bert", language_model=False)
    return folder


@pytest.fixture
def tiny_bert(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A random BERT of two narrow blocks by its name, for what does not depend on the weights."""
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tiny_models))
    return "tiny-bert"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[Server]:
    port = free_port()
    folder = tmp_path_factory.mktemp("app")
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "REGIME_MODELS_DIR": str(tiny_models),
        "HF_HUB_OFFLINE": "1",
    }
    url = f"http://127.0.0.1:{port}/"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", APP], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        else:
            pytest.fail("the app did not start within a minute: " + (folder / "log").read_text())
        yield Server(url, process.pid, folder / "cache")
    finally:
        process.terminate()
        process.wait(10)

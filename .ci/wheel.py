"""Build the wheel, install it into the environment of the Python that runs this file, and use it in a folder of its own.

The environment is meant to be empty, so that a dependency that is not declared is missed. Nothing of the checkout can be
imported there: the folder is another one and PYTHONPATH is gone.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "regime")
PYTHON = {
    "the wheel's own modules": """
        import regime, sys, sysconfig
        assert regime.__file__.startswith(sysconfig.get_path("purelib")), regime.__file__
        assert not any(path == CHECKOUT or path.startswith(CHECKOUT + "/") for path in sys.path), sys.path
        print(regime.__version__, regime.__file__)""",
    "a toy": """
        import regime
        print(regime.run(regime.ToyConfig(task="rings", width=32, steps=40, seeds=2)).verdict.label)""",
    "a probe of minilm": """
        import regime
        print(regime.run(regime.ProbeConfig(model="minilm", samples=8, steps=2, max_tokens=8)).verdict.label)""",
    "checkpoints of the shipped trajectory": """
        import regime
        config = regime.CheckpointConfig(model="modular-addition", samples=16, revisions=("step-00200", "step-02600"))
        print(regime.run(config).verdict.label)""",
}


def main() -> None:
    """Build, install, then run Python code, the command line and the app, two at a time; a failure ends it."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        run("-m", "pip", "install", "-q", str(build(folder)), cwd=folder)
        (folder / "toy.json").write_text(json.dumps({"width": 16, "steps": 20}))
        uses = {what: partial(run, "-c", _alone(code), cwd=folder) for what, code in PYTHON.items()}
        uses["python -m regime toy"] = partial(run, "-m", "regime", "toy", "toy.json", cwd=folder)
        uses["python -m regime app"] = partial(serve, folder)
        with ThreadPoolExecutor(2) as pool:  # each spends most of its time on imports
            for what, done in [(what, pool.submit(use)) for what, use in uses.items()]:
                done.result()
                print(f"+ {what}", flush=True)


def _alone(code: str) -> str:
    """Return code as a program that knows where the checkout is."""
    return f"CHECKOUT = {str(CHECKOUT)!r}\n{textwrap.dedent(code)}"


def build(folder: Path) -> Path:
    """Return the wheel, made of copies of the sources; it holds all of the package and nothing else."""
    sources = folder / "sources"
    sources.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, sources / name)
    for cache in [*sources.rglob("__pycache__")]:
        shutil.rmtree(cache)
    package = {str(file.relative_to(sources)) for file in (sources / "regime").rglob("*") if file.is_file()}
    run("-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(sources), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == package, f"missing {sorted(package - held)}, too much {sorted(held - package)}"
    shutil.rmtree(sources)
    return wheel


def run(*arguments: str, cwd: Path) -> None:
    """Run this environment's Python; a failure ends everything."""
    subprocess.run([sys.executable, *arguments], cwd=cwd, env=ENVIRONMENT, check=True)


def serve(folder: Path) -> None:
    """Start the app and fetch its first page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = ENVIRONMENT | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    app = subprocess.Popen([sys.executable, "-m", "regime", "app"], cwd=folder, env=environment)
    page, end = "", time.monotonic() + 120
    try:
        while not page:
            assert app.poll() is None, "the app ended"
            assert time.monotonic() < end, "no page was served in time"
            time.sleep(0.2)
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                page = answer.read().decode()
        assert "Lazy or rich?" in page
    finally:
        app.terminate()
        app.wait(10)


if __name__ == "__main__":
    main()

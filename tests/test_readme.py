"""Every Python snippet of the README runs as written, in an empty folder; those that call the API, against the app."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
ADDRESS = "http://127.0.0.1:7860"
RESULTS = sorted((ROOT / "tests" / "benchmarks" / "results").glob("*.md"))
COMMANDS = sorted(
    {name for text in (README, *map(Path.read_text, RESULTS)) for name in re.findall(r"python -m ([\w.]+)", text)}
)


def test_the_readme_has_its_parts() -> None:
    assert README.startswith("---\ntitle: Lazy or rich?\n")
    assert len(SNIPPETS) == 15
    for link in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / link).exists(), link


def test_the_space_asks_for_the_installed_gradio() -> None:
    (version,) = re.findall(r"^sdk_version: (.*)$", README, flags=re.MULTILINE)
    assert f"gradio=={version}\n" in (ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_named_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(command, run_name="__main__")
    assert end.value.code == 0
    assert f"usage: python -m {command}" in capsys.readouterr().out


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_runs_as_written(number: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    code = SNIPPETS[number]
    if ADDRESS in code:
        code = code.replace(ADDRESS, request.getfixturevalue("server").url)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

"""README and guides tell the truth: their code runs, the commands they name start, their links and paths lead somewhere."""

import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from regime.resources.limits import PREFIX, Limits

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "regime" / "guides").glob("*.md"))
PAGES = [ROOT / "README.md", *GUIDES]
RESULTS = sorted((ROOT / "tests" / "benchmarks" / "results").glob("*.md"))
ADDRESS = "http://127.0.0.1:7860"


def name(page: Path) -> str:
    return page.stem


def found(pattern: str, pages: list[Path]) -> list[str]:
    """What a pattern finds on any of the pages, each once."""
    return sorted({match for page in pages for match in re.findall(pattern, page.read_text(), flags=re.MULTILINE)})


def snippets() -> Iterator[object]:
    for page in PAGES:
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)):
            yield pytest.param(code, id=f"{name(page)}-{number}")


@pytest.mark.parametrize("code", list(snippets()))
def test_a_snippet_runs_alone_in_an_empty_folder(
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if "from mcp" in code:
        pytest.importorskip("mcp", reason="the extra mcp is not installed")
    if ADDRESS in code:
        code = code.replace(ADDRESS, request.getfixturevalue("server").url.rstrip("/"))
    monkeypatch.chdir(tmp_path)
    Path("snippet.py").write_text(code)
    runpy.run_path("snippet.py", run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_a_part_of_ones_own_takes_ten_lines() -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "regime/guides/own.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [len([line for line in code.splitlines() if line]) for code in examples]
    assert len(lines) == 5
    assert max(lines) <= 10


COMMANDS = found(r"python -m ([\w.]+[^`\n>]*)", [*PAGES, *RESULTS])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_named_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its help is shown, with every option that it is named with."""
    module, *arguments = command.split()
    kind = arguments[:1] if module == "regime" else []
    monkeypatch.setattr(sys, "argv", [module, *kind, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert f"usage: {' '.join(['python -m', module, *kind])}" in said
    assert {word for word in arguments if word.startswith("--")} <= set(re.findall(r"--[\w-]+", said))


BENCHMARKS = sorted({command.split()[0] for command in COMMANDS if command.startswith("tests.benchmarks.")})
LACKING = {"p1", "p4", "p5"}
"""Sections that may be skipped: no environment is made for the peer, there may be no Chromium, and starts take their time."""


@pytest.mark.parametrize("module", BENCHMARKS)
def test_a_benchmark_that_is_named_runs(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its form of seconds: every section ends in a table, or says what it lacks."""
    monkeypatch.setattr(sys, "argv", [module, "--quick"])
    threads = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_module(module, run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    said, lacking = capsys.readouterr()
    assert end.value.code == 0, lacking
    assert re.search("^=+$", said, flags=re.MULTILINE)
    assert set(re.findall(r"^(\w+) was not run: ", lacking, flags=re.MULTILINE)) <= LACKING


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    for link in found(r"\]\((?!http)([^)#]+)", [page]):
        assert (page.parent / link).exists(), link
    for path in found(r"`((?:regime|tests|assets)/[\w./-]+)`", [page]):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_a_guide_says_first_what_it_answers_and_the_readme_links_it(page: Path) -> None:
    title, empty, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ")
    assert not empty
    assert first.startswith("This page answers ")
    assert f"(regime/guides/{page.name})" in PAGES[0].read_text()


def test_the_layout_names_every_folder_of_code() -> None:
    rows = found(r"^\| `(regime/[\w/]+)` \| \w", [ROOT / "regime" / "guides" / "contributing.md"])
    assert rows == sorted({str(path.parent.relative_to(ROOT)) for path in (ROOT / "regime").glob("*/**/*.py")})


def test_every_limit_has_its_variable_in_the_settings() -> None:
    limits = {PREFIX + field.name.upper() for field in fields(Limits)}
    assert limits <= set(found(r"`(REGIME_\w+)`", [ROOT / "regime" / "guides" / "settings.md"]))

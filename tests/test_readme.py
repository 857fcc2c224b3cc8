"""The README is a front page: short, with what the Space and `.ci/run` read of it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LARGEST = 12_000
"""Bytes; what is longer belongs into a guide."""


def test_the_readme_has_its_parts() -> None:
    assert README.startswith("---\ntitle: Lazy or rich?\n")
    assert len(README.encode()) <= LARGEST
    assert len(re.findall("^```python$", README, flags=re.MULTILINE)) == 3
    for command in ("run", "test"):
        assert f"<!-- {command} -->\n```bash\n" in README


def test_the_space_asks_for_the_installed_gradio() -> None:
    (version,) = re.findall(r"^sdk_version: (.*)$", README, flags=re.MULTILINE)
    assert f"gradio=={version}\n" in (ROOT / "requirements.txt").read_text()

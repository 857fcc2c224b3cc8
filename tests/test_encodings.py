"""Text files are UTF-8 on every system: Windows reads and writes another encoding unless it is named."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "regime"


def unnamed(code: str) -> list[int]:
    """Lines on which a file is read or written as text without its encoding."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FILES:
            given = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            text = node.func.attr != "open" or (bool(given) and "b" not in str(given[0]))
            if text and not any(keyword.arg == "encoding" for keyword in node.keywords):
                found.append(node.lineno)
    return found


FILES = ("read_text", "write_text", "open")


def test_every_text_file_names_its_encoding() -> None:
    found = {str(path): unnamed(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("code", "lines"),
    [("p.read_text()", [1]), ("p.write_text('a', encoding='utf-8')", []), ("p.open('w')", [1]), ("p.open('rb')", [])],
)
def test_what_is_looked_for_is_found(code: str, lines: list[int]) -> None:
    assert unnamed(code) == lines

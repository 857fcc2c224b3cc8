"""Files and functions are small enough to be read in one sitting."""

import ast
from pathlib import Path

import pytest

import regime

ROOT = Path(regime.__file__).parent
LINES = 300
"""Of a file."""
BODY = 50
"""Lines of a function, without its docstring."""


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) is not None else 0
            assert node.end_lineno - node.lineno + 1 - docstring <= BODY, node.name

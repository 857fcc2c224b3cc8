"""Every public definition says what it does in a first line that ends in a period, and explains three arguments or more."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import regime

ROOT = Path(regime.__file__).parent
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FEW = 3
"""Arguments from which on a docstring has `Args`."""


DOCUMENTED = {
    (node.name, each.name)
    for path in ROOT.rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
    for each in node.body
    if isinstance(each, Definition) and ast.get_docstring(each)
}
"""Classes and their documented methods: what overrides one of these says nothing new."""


def public(tree: ast.Module) -> Iterator[Definition]:
    """Yield the public definitions of a module, and of its public classes."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                for each in node.body:
                    inherited = isinstance(each, Definition) and any((base, each.name) in DOCUMENTED for base in bases)
                    if isinstance(each, Definition) and not each.name.startswith("_") and not inherited:
                        yield each


def problems(node: Definition) -> Iterator[str]:
    """What is missing from a definition's docstring."""
    if any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list):
        return
    text = ast.get_docstring(node)
    if text is None:
        yield "no docstring"
        return
    if not text.splitlines()[0].endswith("."):
        yield "its first line does not end in a period"
    if not isinstance(node, ast.ClassDef):
        parts = node.args
        names = [a.arg for a in (*parts.posonlyargs, *parts.args, *parts.kwonlyargs) if a.arg not in ("self", "cls")]
        if len(names) >= FEW and "Args:" not in text:
            yield f"{len(names)} arguments and no Args"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_public_definitions_are_documented(path: Path) -> None:
    found = [
        f"{path}:{node.lineno} {node.name}: {what}" for node in public(ast.parse(path.read_text())) for what in problems(node)
    ]
    assert not found, "\n".join(found)

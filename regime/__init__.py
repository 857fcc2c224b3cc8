"""Which regime is a network training in, lazy or rich, how sure are we, and in which layers?

A name is imported when it is first used, so that `import regime` alone loads neither torch nor pydantic. `__init__.pyi` lists
the names with their modules, once for type checkers and for this file.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

_LISTED = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
_MODULES = {name.name: node.module for node in _LISTED if isinstance(node, ast.ImportFrom) for name in node.names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

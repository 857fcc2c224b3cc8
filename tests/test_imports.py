"""The package's imports: downward only, as pyproject.toml has it, and `import regime` alone loads next to nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import regime

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
PLANTED = [
    ("kernels/spectrum.py", "from regime.toy import tasks", "regime.kernels is not allowed to import regime.toy"),
    ("kernels/spectrum.py", "import pydantic", "regime.kernels is not allowed to import pydantic"),
    ("models/hub.py", "def late():\n    from regime.toy import tasks", "regime.models is not allowed to import regime.toy"),
    ("errors.py", "from regime.kernels import spectrum", "regime.errors is not allowed to import regime.kernels"),
    ("toy/tasks.py", "from regime.measures import verdict", "regime.toy is not allowed to import regime.measures"),
    ("sweep/fits.py", "import matplotlib", "regime.sweep is not allowed to import matplotlib"),
    ("config/toy.py", "import torch", "regime.config is not allowed to import torch"),
    ("loose.py", "", "regime.loose"),
]
"""File, line that is added to it, and what is said of it."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_planted_imports_are_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in (ROOT / "regime").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for file, line, _ in PLANTED:
        with (tmp_path / "regime" / file).open("a") as module:
            module.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    for _, _, expected in PLANTED:
        assert expected in said, done.stdout


def test_the_package_alone_loads_neither_torch_nor_pydantic() -> None:
    heavy = "{'torch', 'numpy', 'pydantic', 'gradio', 'transformers', 'matplotlib'}"
    assert python(f"import sys, regime; print({heavy} & {{*sys.modules}})") == "set()"


def test_the_page_waits_for_nothing_that_only_some_runs_need() -> None:
    heavy = {"transformers", "sklearn", "scipy.stats", "scipy.integrate", "matplotlib"}
    assert python(f"import sys, regime.ui.build; print({heavy} & {{*sys.modules}})") == "set()"


def test_the_command_line_leaves_torch_to_the_command() -> None:
    """How torch's threads wait is read when it loads, and the app sets it."""
    parsed = "regime.cli.parser.parse(['toy', '--width', '8'])"
    assert python(f"import sys, regime.__main__, regime.cli.parser; {parsed}; print('torch' in sys.modules)") == "False"


def test_every_public_name_is_there() -> None:
    assert {*regime.__all__} <= {*dir(regime)}
    names: dict[str, object] = {}
    exec("from regime import *", names)
    assert {*regime.__all__} <= {*names}
    assert all(names[name] is getattr(regime, name) for name in regime.__all__)


def test_a_module_of_a_public_name_does_not_take_its_place() -> None:
    assert not {f"{name}.py" for name in regime.__all__} & {path.name for path in (ROOT / "regime").glob("*.py")}
    assert not {*regime.__all__} & {path.name for path in (ROOT / "regime").iterdir() if path.is_dir()}


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="'regime' has no attribute 'nothing'"):
        _ = regime.nothing

"""The package as it is installed: the wheel, used away from the checkout. `pytest -m package`, for it takes minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.package
@pytest.mark.timeout(1800)
def test_the_wheel_runs_in_an_empty_environment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    subprocess.run([str(tmp_path / "bin" / "python"), str(ROOT / ".ci" / "wheel.py")], check=True)

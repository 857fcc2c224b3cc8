"""What a run's numbers depend on."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Protocol

import torch

from regime.version import __version__


@cache
def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the packages that compute."""
    packages = {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")}
    return {"regime": __version__, "python": platform.python_version(), **packages}


class Made(Protocol):
    """What a report says of the run it is of."""

    device: torch.device
    parameters: int
    source: str


class Run(Made, Protocol):
    """What the start says of it, too."""

    def view(self) -> dict[str, object]:
        """Return numbers that only pictures need."""

"""What all runs on pretrained transformers have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from regime.config.models import MAIN
from regime.errors import ConfigError, show
from regime.models.checks import ModelError, at_revision
from regime.models.functions import Inputs
from regime.record.events import Reference
from regime.resources.device import pick_device

CHUNK_TOKENS = {"cpu": 512, "cuda": 16384}
"""Tokens that go through the model at once: some tenths of a second on two cores, so that a stop is never far."""
ENGINE = "model: "
"""What refusals of a model begin with, where nobody knows its name."""


@contextmanager
def refused(name: str, revision: str = MAIN) -> Iterator[None]:
    """Refuse under its name, and its revision's where it has one, a model that the kernel engine refuses."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        if not str(error).startswith(ENGINE):
            raise
        raise ModelError(
            f"model = {show(at_revision(name, revision))} is not allowed: {str(error).removeprefix(ENGINE)}"
        ) from error


class TransformerRun:
    """A device with texts on it, and nothing random but the weights that there are."""

    def __init__(self, device: str) -> None:
        self.device = pick_device(device)

    def placed(self, inputs: dict[str, Inputs]) -> dict[str, Inputs]:
        """Return tokens of several groups of texts, moved to the run's device."""
        return {name: {key: tensor.to(self.device) for key, tensor in part.items()} for name, part in inputs.items()}

    def chunk_of(self, length: int) -> int:
        """Return how many texts of so many tokens go through the model at once."""
        return max(1, self.tokens // length)

    @property
    def tokens(self) -> int:
        """How many tokens go through the model at once."""
        return CHUNK_TOKENS[self.device.type]

    def references(self) -> list[Reference]:
        """Return no references: no measure of a transformer has a value at which training is known to turn unstable."""
        return []

    def independent(self) -> None:
        """Return None: there is no other initialization of a pretrained transformer to compare with."""
        return

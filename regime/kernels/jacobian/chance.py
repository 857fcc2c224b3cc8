"""Networks that draw random numbers: whether their outputs depend on them."""

import pickle
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from regime.kernels.jacobian.generators import reseed
from regime.kernels.jacobian.verify import near

SEEDS = 64
"""Passes of a few examples; a coin that falls one way in ten is missed once in 800 times."""
RANDOM = "model: it is random: two passes of the same examples differ; call model.eval(), or fix the noise"


def outside() -> bytes:
    """Return the state of the random numbers that torch does not draw: Python's, and numpy's where it is loaded."""
    return pickle.dumps((random.getstate(), _numpy() and _numpy().get_state(legacy=False)))


def restore_outside(state: bytes) -> None:
    """Put them back."""
    python, numpy = pickle.loads(state)
    random.setstate(python)
    if numpy:
        _numpy().set_state(numpy)


def check_settled(again: Callable[[], Tensor], outputs: Tensor, tolerance: float, generators: Iterable[Any] = ()) -> None:
    """Refuse outputs that are others with other random numbers; the state of these comes back.

    Two passes of a network that flips one coin a pass are often alike, so there are many.

    Args:
        again: gives the outputs once more.
        outputs: of a few examples.
        tolerance: relative error that rounding may make.
        generators: that the network owns; whoever asks puts them back.

    Raises:
        ValueError: they are random.
    """
    before = outside()
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()):
            for seed in range(SEEDS):
                torch.manual_seed(seed)
                random.seed(seed)
                for generator in generators:
                    reseed(generator, seed)
                if _numpy():
                    _numpy().seed(seed)
                if not near(again(), outputs, tolerance):
                    raise ValueError(RANDOM)
    finally:
        restore_outside(before)


def _numpy() -> Any:
    return sys.modules.get("numpy.random")

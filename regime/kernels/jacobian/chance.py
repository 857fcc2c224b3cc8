"""Generators of random numbers, Python's, NumPy's and torch's: their states, and networks whose outputs depend on them."""

import pickle
import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regime.kernels.jacobian.verify import near

SEEDS = 64
"""Passes of a few examples; a coin that falls one way in ten is missed once in 800 times."""
RANDOM = (
    "model: it is random: two passes of the same examples differ; call model.eval(), or fix the noise, or what goes on from "
    "one pass to the next and cannot be put back, such as an iterator"
)
EVERYBODYS = (random._inst, np.random.mtrand._rand)
"""Those that Python and NumPy draw from unless told."""


def state_of(generator: Any) -> Any:
    """Return what a generator will go on from; None for one that draws from outside, such as random.SystemRandom."""
    if isinstance(generator, random.SystemRandom):
        return None
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.bit_generator.state if isinstance(generator, np.random.Generator) else generator.get_state()


def set_state(generator: Any, state: Any) -> None:
    """Let a generator go on from there."""
    if state is None:
        return
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def reseed(generator: Any, seed: int) -> None:
    """Let a generator begin with a seed."""
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(seed).state
    else:
        generator.seed(seed)


def same_state(one: Any, two: Any) -> bool:
    """Tell whether two states are the same."""
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else pickle.dumps(one) == pickle.dumps(two)


def check_settled(again: Callable[[], Tensor], outputs: Tensor, tolerance: float, generators: Iterable[Any]) -> None:
    """Refuse outputs that are others with other random numbers; the state of torch's own comes back.

    Two passes of a network that flips one coin a pass are often alike, so there are many.

    Args:
        again: gives the outputs once more.
        outputs: of a few examples.
        tolerance: relative error that rounding may make.
        generators: others that it may draw from; whoever asks puts them back.

    Raises:
        ValueError: they are random.
    """
    with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()):
        for seed in range(SEEDS):
            if torch.cuda.is_initialized():  # where it is not, torch.manual_seed notes who asked, for as long as a pass takes
                torch.cuda.manual_seed_all(seed)
            for generator in (torch.default_generator, *generators):
                reseed(generator, seed)
            if not near(again(), outputs, tolerance):
                raise ValueError(RANDOM)

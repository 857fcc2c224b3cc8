"""States of generators of random numbers: Python's, NumPy's and torch's."""

import pickle
import random
from typing import Any

import numpy as np
import torch


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

"""Random numbers of one's own, whatever other threads draw or seed."""

from typing import Any

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

DRAWING = {
    *("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_"),
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"),
    *(name for name, each in vars(init).items() if "generator" in getattr(each, "__annotations__", ())),
}
"""Functions of torch that take a generator, by name: transformers has its own for those that initialize."""


class OwnDraws(TorchFunctionMode):
    """Have what this thread draws on the CPU come from a seed, as after `torch.manual_seed`, not from the process's numbers.

    Args:
        seed: of the numbers.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Call a function, with the generator where it draws and was given none."""
        del types
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in DRAWING and kwargs.get("generator") is None:
            kwargs = kwargs | {"generator": self.generator}
        return function(*args, **kwargs)

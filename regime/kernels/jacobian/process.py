"""Settings of the whole process that a pass needs otherwise, and that threads share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

_lock = threading.Lock()


class _OfProcess:
    """A setting of the whole process: made by the first thread that needs it, and put back by the last."""

    def __init__(self, make: Callable[[], AbstractContextManager]) -> None:
        self.make, self.users = make, 0

    @contextmanager
    def held(self) -> Iterator[None]:
        with _lock:
            if not self.users:
                self.made = self.make()
                self.made.__enter__()
            self.users += 1
        try:
            yield
        finally:
            with _lock:
                self.users -= 1
                if not self.users:
                    self.made.__exit__(None, None, None)


@contextmanager
def _settings(wanted: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Objects with other values of their attributes, and with their own again."""
    before = [getattr(of, name) for of, name, _ in wanted]
    for of, name, value in wanted:
        setattr(of, name, value)
    try:
        yield
    finally:
        for (of, name, _), value in zip(wanted, before, strict=True):
            setattr(of, name, value)


def _single() -> AbstractContextManager:
    """Multiply float32 as float32: GPUs may round its factors to 10 bits, in convolutions by default."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cuda, "fp32_precision"):
        return _settings([(part, "fp32_precision", "ieee") for part in (cuda, cudnn.conv, cudnn.rnn)])
    return _settings([(part, "allow_tf32", False) for part in (cuda, cudnn)])  # before torch 2.9


EAGER = _OfProcess(lambda: torch.compiler.set_stance("force_eager"))
"""Compiled modules run as they were written."""
_SINGLE = _OfProcess(_single)
NATIVE = _OfProcess(lambda: _settings([(torch.backends.cudnn, "enabled", False)]))


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, and the rounding of factors on a GPU."""
    with _SINGLE.held(), torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        yield

"""Settings of the whole process that a computation needs otherwise, and that threads share."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import Any

import torch

from regime.resources.processor import of_processor

_lock = threading.Lock()


class OfProcess:
    """A setting of the whole process: made by the first thread that needs it, and put back by the last."""

    def __init__(self, make: Callable[[], AbstractContextManager]) -> None:
        self.make, self.users = make, 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the setting while the context lasts."""
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
        for (of, name, own), value in zip(wanted, before, strict=True):
            if getattr(of, name) == own:  # what somebody else has set meanwhile stays
                setattr(of, name, value)


def _single() -> AbstractContextManager:
    """Multiply float32 as float32: GPUs may round its factors to 10 bits, in convolutions by default; processors to 8."""
    cuda, cudnn, onednn = torch.backends.cuda.matmul, torch.backends.cudnn, torch.backends.mkldnn
    if hasattr(cuda, "fp32_precision"):
        whole = [(part, "fp32_precision", "ieee") for part in (cuda, cudnn.conv, cudnn.rnn, onednn.conv, onednn.rnn)]
        return _settings([*whole, (onednn.matmul, "fp32_precision", "bf16" if onednn_is_faster() else "ieee")])
    return _settings([(part, "allow_tf32", False) for part in (cuda, cudnn)])  # before torch 2.9


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN multiplies float32 as float32, and faster than MKL, where it is allowed to round factors to bfloat16.

    On AMD's processors MKL makes no use of AVX-512 and has half of oneDNN's rate (measured on Zen 5). torch calls oneDNN only
    where rounding is allowed; oneDNN rounds only where a processor has tiles for it (AMX). That it does not is tried.
    """
    if of_processor("vendor_id") != "AuthenticAMD" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    one, finer = (torch.full((256, 256), value, dtype=torch.float32, device="cpu") for value in (1.0, 1 + 2**-12))
    with torch.autocast("cpu", enabled=False), _settings([(torch.backends.mkldnn.matmul, "fp32_precision", "bf16")]):
        products = [finer @ one, torch.addmm(one - one, one, finer.mT), torch.bmm(finer[None], one[None])]
    return all(bool((product == 256 + 2**-4).all()) for product in products)


def _eager() -> AbstractContextManager:
    """Keep torch from compiling; its compiler takes seconds to load, and is loaded only if somebody asks for it meanwhile."""
    if "torch._dynamo" in sys.modules:
        return torch.compiler.set_stance("force_eager")
    stack, own = ExitStack(), torch.compile

    def compiled(*args: Any, **kwargs: Any) -> Any:
        if torch.compile is compiled:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        return own(*args, **kwargs)

    stack.enter_context(_settings([(torch, "compile", compiled)]))
    return stack


EAGER = OfProcess(_eager)
"""Compiled modules run as they were written."""
_SINGLE = OfProcess(_single)
NATIVE = OfProcess(lambda: _settings([(torch.backends.cudnn, "enabled", False)]))


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, and the rounding of factors; products of float32 take the faster of torch's libraries."""
    with _SINGLE.held(), torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        yield

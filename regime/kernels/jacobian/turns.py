"""Networks that several threads measure: one of them at a time has any module of theirs."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn


@dataclass
class Turn:
    """A module that may be measured, and whose turn it is."""

    number: int = field(default_factory=count().__next__)
    turn: Any = field(default_factory=threading.RLock)
    passes: Any = None
    """Those of a measurement that has begun."""
    moving: set[int] = field(default_factory=set)
    """Tensors that passes were seen to write into, by id."""
    writes: bool = False
    """Whether passes were seen to write into what they are given: then they are given copies."""
    moves: bool = False
    """Whether passes were seen to give tensors other memory, which their graphs read as long as nobody moves them back."""


_lock = threading.Lock()
_known: "WeakKeyDictionary[nn.Module, Turn]" = WeakKeyDictionary()


@contextmanager
def in_turn(*models: nn.Module) -> Iterator[Turn]:
    """Have networks to oneself, as soon as no other thread measures a module of theirs; what is known of the first is given."""
    with _lock:
        turns = [_known.setdefault(module, Turn()) for model in models for module in model.modules()]
    with ExitStack() as taken:
        for each in sorted(turns, key=lambda each: each.number):  # in one order: no circle waits
            taken.enter_context(each.turn)
        yield turns[0]

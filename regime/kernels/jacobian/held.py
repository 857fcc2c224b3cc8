"""The memory that the operations of a pass give, and how much of it something holds when the pass is over."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from regime.kernels.jacobian.undisturbed import Passes


class Memory:
    """What operations gave, by where it lies."""

    def __init__(self, own: list[Tensor]) -> None:
        self.own = {StorageWeakRef(tensor.untyped_storage()) for tensor in own}
        """The network's, which does not count."""
        self.bytes: dict[StorageWeakRef, int] = {}

    def note(self, tensor: Tensor) -> None:
        """Count the memory of a result."""
        if torch._C._has_storage(tensor):
            storage = tensor.untyped_storage()
            self.bytes[StorageWeakRef(storage)] = storage.nbytes()

    def held(self) -> int:
        """Return the bytes that something still refers to."""
        return sum(nbytes for place, nbytes in self.bytes.items() if place not in self.own and not place.expired())


@contextmanager
def noting(passes: Passes) -> Iterator[Memory]:
    """Note what operations of a network's passes give meanwhile."""
    memory = Memory([tensors[0] for tensors in passes.storages.values()])
    passes.note = memory.note
    try:
        yield memory
    finally:
        passes.note = None

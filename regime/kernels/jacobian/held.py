"""The memory that the operations of a pass give, and how much of it something holds when the pass is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from regime.kernels.jacobian.undisturbed import Passes


@contextmanager
def noting(passes: Passes) -> Iterator[Callable[[], int]]:
    """Note what operations of a network's passes give meanwhile; the function that is given says how much of it is held."""
    own = {StorageWeakRef(tensors[0].untyped_storage()) for tensors in passes.storages.values()}
    made: dict[StorageWeakRef, int] = {}

    def note(tensor: Tensor) -> None:
        if torch._C._has_storage(tensor):
            storage = tensor.untyped_storage()
            made[StorageWeakRef(storage)] = storage.nbytes()

    passes.note = note
    try:
        yield lambda: sum(nbytes for place, nbytes in made.items() if place not in own and not place.expired())
    finally:
        passes.note = None

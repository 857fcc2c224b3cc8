"""A network with other tensors in the place of some of its own, for a while."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from regime.kernels.jacobian.attributes import attributes, memory_of, view_like


@contextmanager
def placed(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Put other tensors in the place of parameters and buffers, wherever the network uses them, and its own back afterwards.

    Tensors of the same kind lend their memory to the network's own, so that lists, closures and views that hold these go with
    them; others stand in modules alone. Gradients, hooks and versions of the network's own stay as they are.

    Args:
        tensors: by full names; those in the place of parameters require gradients where they are parameters themselves, and
            else as the network's own do.

    Raises:
        ValueError: a module keeps memory of a parameter in a way that cannot go with it.
    """
    if not tensors:
        yield
        return
    with ExitStack() as changed:
        with torch._C.DisableTorchFunction():  # modes may see others in the place of some of these
            own = dict(model.named_parameters()) | dict(model.named_buffers())
            lent = {name: tensor for name, tensor in tensors.items() if _alike(own[name], tensor)}
            for view, other in [*_views(model, own, lent), *((own[name], tensor) for name, tensor in lent.items())]:
                changed.enter_context(_lent(view, other))
            others = {id(own[name]): _suited(tensor, own[name]) for name, tensor in tensors.items() if name not in lent}
            changed.enter_context(_standing(model, others))
        yield


def _alike(own: Tensor, other: Tensor) -> bool:
    """Whether a tensor may use the memory of the other, with nothing else about it changed."""
    kinds = [(type(t.data), t.dtype, t.device, t.shape, t.layout, t.is_inference()) for t in (own, other)]
    return kinds[0] == kinds[1] == (Tensor, own.dtype, own.device, own.shape, torch.strided, False)


@contextmanager
def _lent(own: Tensor, other: Tensor) -> Iterator[None]:
    before = own.data, own.requires_grad
    _use(own, other.data, other.requires_grad if isinstance(other, nn.Parameter) else own.requires_grad)
    try:
        yield
    finally:
        _use(own, *before)


def _use(own: Tensor, data: Tensor, requires_grad: bool) -> None:
    with torch._C.DisableTorchFunction():
        own.data = data
        if own.requires_grad != requires_grad:
            own.requires_grad_(requires_grad)


def _views(model: nn.Module, own: Mapping[str, Tensor], lent: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """What the network keeps of the memory of tensors, beside these, and the same of others' memory."""
    memory = {memory_of(own[name]): name for name in lent}
    for name, kept in (*model.named_buffers(), *attributes(model)):
        if name in lent or not isinstance(kept, Tensor | np.ndarray) or (of := memory.get(memory_of(kept))) is None:
            continue
        mine, other = own[of], lent[of]
        same = isinstance(kept, Tensor) and kept.dtype == mine.dtype and mine.stride() == other.stride()
        first = kept.storage_offset() - mine.storage_offset() if same else -1
        if not 0 <= first <= _span(mine) - _span(kept):
            raise ValueError(f"model: {name.lstrip('.')} lies in the memory of the parameter {of}; keep a copy there instead")
        yield kept, view_like(other.data, kept, other.storage_offset() + first)


def _span(tensor: Tensor) -> int:
    """Entries of memory from a tensor's first to its last."""
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


@contextmanager
def _standing(model: nn.Module, others: Mapping[int, Tensor]) -> Iterator[None]:
    """Have modules hold other tensors, by the ids of their own."""
    places = [
        (module, name, tensor)
        for module in (model.modules() if others else ())
        for part in (module._parameters, module._buffers)
        for name, tensor in part.items()
        if id(tensor) in others
    ]
    try:
        for module, name, tensor in places:
            setattr(module, name, others[id(tensor)])  # recurrent layers keep lists of their own up to date by it
        yield
    finally:
        for module, name, tensor in places:
            setattr(module, name, tensor)


def _suited(tensor: Tensor, own: Tensor) -> Tensor:
    bare = isinstance(own, nn.Parameter) and not isinstance(tensor, nn.Parameter)
    return nn.Parameter(tensor, requires_grad=own.requires_grad and tensor.is_floating_point()) if bare else tensor

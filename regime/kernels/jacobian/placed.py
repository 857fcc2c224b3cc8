"""A network with other tensors in the place of some of its own, for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def placed(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Put other tensors in the place of parameters and buffers, wherever the network uses them, and its own back afterwards.

    Its own are not touched: their gradients, hooks and versions stay as they are.

    Args:
        tensors: by full names; those in the place of parameters require gradients where they are parameters themselves.
    """
    if not tensors:
        yield
        return
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    others = {id(own[name]): _suited(tensor, own[name]) for name, tensor in tensors.items()}
    places = [
        (module, name, tensor)
        for module in model.modules()
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
    return nn.Parameter(tensor, requires_grad=False) if bare else tensor

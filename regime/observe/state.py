"""What a network's function depends on beside trained parameters, as it can be compared from one time to another."""

from collections.abc import Set
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regime.kernels.jacobian.attributes import VALUES, attributes, memory_of

LAYOUTS = {torch.strided, torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}
"""Of tensors that can be compared."""


def state_of(model: nn.Module, trained: Set[str]) -> dict[str, Any]:
    """Return buffers, frozen parameters and what modules keep, but for views of what is trained, and what a pass left: graphs.

    Args:
        model: any module.
        trained: full names of its trained parameters.
    """
    parameters = dict(model.named_parameters())
    moving = {memory_of(parameter) for name, parameter in parameters.items() if name in trained} - {0}
    state: dict[str, Any] = {n: p.detach() for n, p in parameters.items() if n not in trained}
    for path, value in (*model.named_buffers(), *attributes(model)):
        if isinstance(value, Tensor):
            comparable = value.layout in LAYOUTS and not (value.is_nested or value.is_meta)
            if comparable and value.grad_fn is None and memory_of(value) not in moving:
                state[path] = value.detach()
        elif isinstance(value, VALUES):
            state[path] = value
    return state


def copied(value: Any) -> Any:
    """Return a copy of a tensor, an array or a set; anything else as it is."""
    if isinstance(value, Tensor):
        return value.clone()
    return value.copy() if isinstance(value, np.ndarray | set) else value


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Return whether two dicts hold the same names and the same tensors and numbers, nan and all."""
    return one.keys() == two.keys() and all(same_value(value, two[name]) for name, value in one.items())


def same_value(one: Any, two: Any) -> bool:
    """Whether two tensors, arrays or plain values are the same, nan and all."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        if (one.shape, one.dtype, one.device, one.layout) != (two.shape, two.dtype, two.device, two.layout):
            return False
        if one.layout != torch.strided:
            one, two = one.to_sparse_coo(), two.to_sparse_coo()
            return same_value(one._indices(), two._indices()) and same_value(one._values(), two._values())
    elif type(one) is not type(two):
        return False
    elif not isinstance(one, np.ndarray | np.generic):
        return one == two or (one != one and two != two)
    return one.shape == two.shape and one.dtype == two.dtype and bool(((one == two) | ((one != one) & (two != two))).all())

"""Group norms whose channels come last in memory: on a processor, torch crashes in their gradient, and the process with it.

It does where the gradients of parameters alone are asked for (torch 2.13), as where a layer is looked at by itself.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.nn import functional

_NATIVE = torch.ops.aten.native_group_norm
GROUP_NORMS = {
    functional.group_norm, torch.group_norm, torch.native_group_norm, torch.ops.aten.group_norm,
    torch.ops.aten.group_norm.default, _NATIVE, _NATIVE.default,
}  # fmt: skip
"""Functions that call it."""


def in_order(input: Tensor, *args: Any, **kwargs: Any) -> tuple[tuple, dict[str, Any]]:
    """Return a group norm's arguments, channels first in memory.

    Args:
        input: examples (n, channels, ...).
        args, kwargs: whatever else it is given.
    """
    return (input.clone(memory_format=torch.contiguous_format) if _last(input) else input, *args), kwargs


def check_order(graph: Iterable[Any]) -> None:
    """Refuse what would crash: what a scripted module calls is out of sight until it is in the graph.

    Args:
        graph: autograd's nodes under a model's outputs.

    Raises:
        ValueError: one is a group norm whose channels come last.
    """
    if any(node.name() == "NativeGroupNormBackward0" and _last(node._saved_input) for node in graph):
        raise ValueError(
            "model: torch crashes in the gradient of a scripted group norm whose channels come last in memory; give the model "
            "a batch whose channels come first, or make its input contiguous"
        )


def _last(x: Tensor) -> bool:
    """Whether torch takes the channels of a tensor to come last, as it may of one pixel in any order."""
    return x.is_cpu and suggest_memory_format(x) != torch.contiguous_format

"""Attention where oneDNN multiplies."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from regime.resources.process import onednn_is_faster

SHORT = 256
"""Positions from which on fused attention multiplies blocks that are large enough."""


class ShortAttention(TorchFunctionMode):
    """Takes attention over few positions by whole products, on processors where oneDNN multiplies.

    Fused attention multiplies 32 positions by 32, for which oneDNN takes 4 to 9 times as long as MKL (measured).
    """

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        if function is scaled_dot_product_attention and onednn_is_faster():
            query, key = (args[k] if len(args) > k else kwargs[name] for k, name in enumerate(("query", "key")))
            if query.device == torch.device("cpu") and key.shape[-2] < SHORT:
                with sdpa_kernel(SDPBackend.MATH):
                    return function(*args, **kwargs)
        return function(*args, **kwargs)

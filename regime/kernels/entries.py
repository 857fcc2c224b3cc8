"""Refusals of tensors that hold no numbers to compute with."""

import torch
from torch import Tensor


def check_dense(name: str, value: Tensor) -> None:
    """Refuse a tensor that is sparse, or on the meta device; raises ValueError with its name."""
    if value.layout != torch.strided or value.device.type == "meta":
        got = "one without numbers, on the meta device" if value.device.type == "meta" else f"a sparse one ({value.layout})"
        raise ValueError(f"{name}: {got} is not allowed; allowed: a dense tensor that holds its numbers")


def check_finite(name: str, value: Tensor) -> None:
    """Refuse what `check_dense` does, and entries that are not finite; raises ValueError with its name."""
    check_dense(name, value)
    if not value.isfinite().all():
        raise ValueError(f"{name}: it has entries that are not finite; allowed: finite numbers")

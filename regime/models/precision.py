"""In which precision a transformer is trained; it is always measured in float32."""

import torch
from torch import Tensor, nn

AGREE = 0.995
"""Cosine of the gradients in bfloat16 and in float32 from which on they are the same direction."""
AMPERE = 8
"""Compute capability from which on tensor cores multiply bfloat16 many times as fast as float32."""


def training_dtype(model: nn.Module, inputs: dict[str, Tensor]) -> torch.dtype:
    """Return bfloat16 on a GPU that is fast in it, if a gradient there agrees with that in float32; else float32.

    The choice does not depend on timings, so a run that is made again makes the same.
    """
    device = next(iter(inputs.values())).device
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < AMPERE:
        return torch.float32
    return torch.bfloat16 if agreement(model, inputs) > AGREE else torch.float32


def agreement(model: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Return the cosine between the gradients of the summed squares of the outputs in bfloat16 and in float32."""
    one, two = (_gradient(model, inputs, dtype) for dtype in (torch.bfloat16, torch.float32))
    products = [
        sum((a.double() * b.double()).sum() for a, b in zip(*pair, strict=True))
        for pair in ((one, two), (one, one), (two, two))
    ]
    return float(products[0] / (products[1] * products[2]).sqrt())


@torch.enable_grad()
def _gradient(model: nn.Module, inputs: dict[str, Tensor], dtype: torch.dtype) -> list[Tensor]:
    device = next(iter(inputs.values())).device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        value = model(**inputs).float().square().sum()
    trained = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(value, trained, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, trained, strict=True)]

"""Numbers that only pictures need, small enough to send with every event: float16, little-endian, as base64."""

import base64

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

LARGEST = 99.0


def pack(values: Tensor) -> str:
    """All values in one text; what is not a number becomes 0, what is too large for a picture `LARGEST`."""
    finite = values.detach().cpu().double().flatten().nan_to_num(0.0, LARGEST, -LARGEST).clamp(-LARGEST, LARGEST)
    return base64.b64encode(finite.numpy().astype("<f2").tobytes()).decode()


def unpack(text: str) -> np.ndarray:
    """Inverse of `pack`, to 3 significant digits."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float64)


def evenly(of: int, most: int) -> Int[Tensor, "k"]:
    """Return indices of at most so many things, spread evenly from the first to the last."""
    return torch.linspace(0, of - 1, min(of, most), dtype=torch.float32, device="cpu").round().long()

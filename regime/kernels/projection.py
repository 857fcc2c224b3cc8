"""How far off a kernel is that random projections of the outputs estimate: from groups of them, which are independent."""

import torch
from torch import Tensor

GROUPS = 8
"""Groups of projections, at most: seven degrees of freedom for 8% more time; a group for each of 16 took 22% (measured)."""

PROJECTIONS = 4096
"""Projections, at most: the error is a 64th of one projection's then, and the signs of a vocabulary still fit a memory."""


def groups(count: int) -> list[slice]:
    """Return which of so many projections are in each group."""
    parts = torch.arange(count, device="cpu").tensor_split(min(count, GROUPS))
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts]


def left_out(sums: Tensor, count: int) -> Tensor:
    """Return the mean over all projections but one group's, for each group, from the sums over each: both are (G, ...)."""
    others = [count - (some.stop - some.start) for some in groups(count)]
    return (sums.sum(0) - sums) / torch.tensor(others, dtype=sums.dtype, device=sums.device).view(-1, *(1,) * (sums.dim() - 1))


def jackknife(values: Tensor, dim: int = 0) -> Tensor:
    """Return the standard error of an estimate from what it is with each group left out (Efron 1982, section 3)."""
    count = values.shape[dim]
    spread = (values - values.mean(dim, keepdim=True)).square().sum(dim)
    return (spread * (count - 1) / count).sqrt()

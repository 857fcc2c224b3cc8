"""The machine a run happens on: which device, and how fast it multiplies."""

import time
from functools import cache

import torch

from regime.config import ConfigError


def pick_device(name: str) -> torch.device:
    """The device a configuration names; "auto" is CUDA where there is one.

    Raises:
        ConfigError: "cuda" where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda' is not allowed: this machine has no CUDA device; allowed: 'auto', 'cpu'")
    return torch.device(name)


@cache
def matmul_rate(device: torch.device) -> float:
    """Floating-point operations a second in a 1024-cubed fp32 matmul, the best of three; measured once."""
    a = torch.ones(1024, 1024, device=device)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best

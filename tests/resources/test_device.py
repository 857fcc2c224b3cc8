"""What is known of the machine."""

import pytest
import torch

from regime.resources.device import free_memory


def test_what_torch_keeps_to_give_out_again_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a kernel is taken in blocks, with a pass for each, whenever something large ran before it."""
    known = {"mem_get_info": (10, 80), "memory_reserved": 60, "memory_allocated": 5}
    for name, value in known.items():
        monkeypatch.setattr(f"torch.cuda.{name}", lambda _, value=value: value)
    assert free_memory(torch.device("cuda")) == 10 + 60 - 5

"""Packed numbers come back, and whatever a diverged run holds can be packed."""

import numpy as np
import torch

from regime.record.packing import pack, unpack


def test_numbers_come_back_to_three_digits():
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(unpack(pack(values)), values.flatten().numpy(), rtol=1e-3)


def test_what_no_picture_can_show_is_bounded():
    values = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -5.0], dtype=torch.float64)
    assert unpack(pack(values)).tolist() == [0, 99, -99, 99, -5]

"""What rounding is measured to be: results move by their last digit, and stay finite, or infinite, as they were."""

import pytest
import torch
from torch import Tensor, nn

import regime
from regime.kernels.jacobian.rounding import Jitter

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masks_stay_what_they_are(dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    ends = torch.tensor([-torch.inf, torch.inf, limits.min, limits.max, 0.7], dtype=dtype).repeat(64, 1)
    with Jitter():
        moved = ends + 0
    assert torch.equal(moved[:, :2], ends[:, :2])
    assert moved[:, 2:].isfinite().all()
    torch.testing.assert_close(moved, ends, rtol=limits.eps, atol=0)
    assert not torch.equal(moved, ends)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_counts_are_not_rounded(dtype: torch.dtype) -> None:
    """Or a position that was counted in such numbers would be another one."""
    ones = torch.ones(4, 9, dtype=dtype)
    with Jitter():
        counted = (ones.cumsum(1) - 1).long()
        large = ones * (2 / torch.finfo(dtype).eps)
    assert torch.equal(counted, torch.arange(9).expand(4, 9))
    assert not torch.equal(large, ones * (2 / torch.finfo(dtype).eps)), "where all numbers are whole, they may be rounded"


class Masked(nn.Module):
    """Attention by plain products, with a mask, beside a cast that makes its rounding coarse."""

    def __init__(self, mask: float) -> None:
        super().__init__()
        self.mask, self.query, self.value = mask, nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.zeros(x.shape[1], x.shape[1]).masked_fill(torch.ones(x.shape[1], x.shape[1]).triu(1).bool(), self.mask)
        scores = self.query(x) @ x.mT + seen
        return (scores.softmax(-1) @ self.value(x)).mean(1).bfloat16().float()


@pytest.mark.parametrize("mask", [-torch.inf, torch.finfo(torch.float32).min])
def test_masks_beside_coarse_numbers(mask: float) -> None:
    torch.manual_seed(0)
    model, x = Masked(mask), torch.randn(6, 5, 4)
    want = regime.empirical_ntk(model, x, method="dense").total
    torch.testing.assert_close(regime.empirical_ntk(model, x).total, want, rtol=0.02, atol=0.02)

"""Standard errors from groups of random projections."""

import pytest
import torch

from regime.kernels.projection import groups, jackknife, left_out


@pytest.mark.parametrize("count", [2, 8, 11, 16])
def test_each_group_is_left_out_once(count: int) -> None:
    values = torch.randn(count, 3, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    parts = groups(count)
    assert [k for part in parts for k in range(count)[part]] == list(range(count))
    means = left_out(torch.stack([values[part].sum(0) for part in parts]), count)
    for part, mean in zip(parts, means, strict=True):
        assert torch.allclose(mean, torch.cat([values[: part.start], values[part.stop :]]).mean(0))


@pytest.mark.parametrize("count", [2, 8])
def test_the_jackknife_of_a_mean_is_its_standard_error(count: int) -> None:
    values = torch.randn(count, 4, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    assert torch.allclose(jackknife(left_out(values, count)), values.std(0) / count**0.5)

import pytest
import torch

from regime.measures.function import linear_gap
from regime.measures.kernel import StartKernel, center, kernel_change, kernel_distance, kernel_distance_centered


def kernel(seed: int) -> torch.Tensor:
    a = torch.randn(3, 10, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a @ a.mT


def test_growth_changes_a_kernel_without_turning_it() -> None:
    k = kernel(0)
    assert torch.allclose(kernel_change(3 * k, k), torch.full((3,), 2.0, dtype=torch.float64))
    assert kernel_distance(3 * k, k).max() < 1e-12


def test_distance_is_one_minus_the_cosine() -> None:
    k, m = kernel(0), kernel(1)
    cosine = torch.nn.functional.cosine_similarity(k.flatten(1), m.flatten(1))
    assert torch.allclose(kernel_distance(m, k), 1 - cosine)


def test_centering_removes_a_constant_part() -> None:
    k, m = kernel(0), kernel(1)
    h = torch.eye(10, dtype=torch.float64) - 0.1
    centered = kernel_distance(h @ m @ h, h @ k @ h)
    assert torch.allclose(kernel_distance_centered(m + 1000, k + 1000), centered)
    assert kernel_distance(m + 1000, k + 1000).max() < 1e-4 < centered.min()


def test_gap_is_relative_to_how_far_the_function_moved() -> None:
    start = torch.zeros(2, 5, 1)
    now, linear = start + 2, start + torch.tensor([1.0, 2.0])[:, None, None]
    assert linear_gap(now, linear, start).tolist() == [0.5, 0.0]
    assert linear_gap(start, start, start).isnan().all()


@pytest.mark.parametrize(
    ("apart", "constant", "tolerance"), [(1.0, 0.0, 1e-10), (1.0, 1e6, 1e-10), (1e-6, 0.0, 1e-9), (1e-6, 1e6, 1e-4)]
)
def test_resampled_measures_are_those_of_the_subset(apart: float, constant: float, tolerance: float) -> None:
    """Also where a constant part is a million times the rest, or kernels hardly turn: a cosine's rounding would hide it."""
    generator = torch.Generator().manual_seed(5)
    a, b = (torch.randn(2, 12, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    start = a @ a.mT + constant
    now = 1.3 * (start + apart * b @ b.mT)
    subsets = torch.stack([torch.randperm(12, generator=generator) < 6 for _ in range(5)])
    got = StartKernel(start, subsets.double()).resampled(now).drawn
    for function in (kernel_change, kernel_distance, kernel_distance_centered):
        want = torch.stack([function(now[:, s][:, :, s], start[:, s][:, :, s]) for s in subsets], 1)
        name = function.__name__
        assert torch.allclose(got[name], want, rtol=tolerance, atol=0), name


def test_centering_keeps_what_is_small_beside_a_constant() -> None:
    k = kernel(0).round(decimals=6)
    h = torch.eye(10, dtype=torch.float64) - 0.1
    assert torch.allclose(center(k + 2.0**20) - h @ k @ h, torch.zeros_like(k), atol=1e-9)
    assert torch.allclose(center(k + k[:, :1] + k[:, :, :1]), h @ k @ h, atol=1e-12)

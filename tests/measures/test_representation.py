import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from regime.measures.representation import (
    StartFeatures,
    aligned,
    debiased_cka,
    feature_movement,
    principal_plane,
    representation_change,
)


def biased_cka(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    n = x.shape[-2]
    h = torch.eye(n, dtype=x.dtype) - 1 / n
    a, b = (h @ z @ z.mT @ h for z in (x, y))
    return (a * b).sum((-2, -1)) / ((a * a).sum((-2, -1)) * (b * b).sum((-2, -1))).sqrt()


def test_independent_gaussians_have_debiased_cka_zero_where_the_biased_one_is_high() -> None:
    generator = torch.Generator().manual_seed(0)
    debiased, biased = [], []
    for _ in range(10):
        x, y = (torch.randn(100, 32, 768, generator=generator, dtype=torch.float64) for _ in range(2))
        debiased.append(debiased_cka(x, y))
        biased.append(biased_cka(x, y))
    debiased, biased = torch.cat(debiased), torch.cat(biased)
    assert len(debiased) == 1000
    assert abs(debiased.mean()) < 0.01
    assert abs(biased.mean() - 0.96) < 0.005


def test_unbiased_hsic_against_its_formula() -> None:
    """Song et al. 2012, equation 4: tr(KL) + 1K1 1L1 / (n-1)(n-2) - 2 1KL1 / (n-2), diagonals removed."""
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(9, d, generator=generator, dtype=torch.float64) for d in (4, 6))

    def hsic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        k, m = ((z @ z.T).fill_diagonal_(0) for z in (x, y))
        n = len(x)
        return (k @ m).trace() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m).sum() / (n - 2)

    want = hsic(x, y) / (hsic(x, x) * hsic(y, y)).sqrt()
    assert abs(debiased_cka(x, y) - want) < 1e-12


def test_rotation_and_scale_change_no_representation() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    assert representation_change(3 * x @ rotation + 1, x) < 1e-12
    assert abs(feature_movement(3 * x, x) - 2) < 1e-12


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 points, got 3"):
        debiased_cka(torch.ones(3, 2), torch.ones(3, 2))


def test_subsets_are_the_measures_of_the_points_they_have() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(2, 12, d, generator=generator, dtype=torch.float64) + 1 for d in (4, 4))
    weights = torch.ones(3, 12, dtype=torch.float64)
    weights[0, :5] = weights[1, ::3] = weights[2, 11] = 0
    drawn = StartFeatures(y, weights).resampled(x).drawn
    for measure in (representation_change, feature_movement):
        for k, row in enumerate(weights):
            want = measure(x[:, row > 0], y[:, row > 0])
            assert torch.allclose(drawn[measure.__name__][:, k], want, rtol=1e-10), (measure, k)


def test_principal_planes_are_those_of_a_singular_value_decomposition() -> None:
    x = torch.randn(12, 30, generator=torch.Generator().manual_seed(4), dtype=torch.float64) + 3
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    plane = principal_plane(x)
    assert torch.allclose(plane.abs(), (u[:, :2] * s[:2]).abs(), atol=1e-10)
    assert torch.allclose(principal_plane(x[:, :1])[:, 1], torch.zeros(12, dtype=torch.float64), atol=1e-6), "a line"


def test_clouds_are_aligned_as_scipy_does_and_what_only_turned_is_where_it_was() -> None:
    now, start = torch.randn(2, 12, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    want = now.numpy() @ orthogonal_procrustes(now.numpy(), start.numpy())[0]
    assert torch.allclose(aligned(now, start), torch.tensor(want), atol=1e-12)
    mirrored = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=torch.float64)
    assert torch.allclose(aligned(start @ mirrored, start), start, atol=1e-12)

import torch

from regime.kernels.spectrum import top_eigenvalue


def test_top_eigenvalue_against_a_full_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(5, 60, 200, generator=generator, dtype=torch.float64)
    kernels = a @ a.mT
    want = torch.linalg.eigvalsh(kernels)[:, -1]
    assert ((top_eigenvalue(kernels) - want).abs() / want).max() < 1e-8


def test_small_singular_and_not_finite_matrices() -> None:
    assert top_eigenvalue(torch.full((1, 1), 3.0)).item() == 3.0
    assert abs(top_eigenvalue(torch.ones(4, 4, dtype=torch.float64)).item() - 4) < 1e-12
    assert top_eigenvalue(torch.zeros(4, 4)).item() == 0
    assert torch.isnan(top_eigenvalue(torch.full((3, 3), torch.inf)))

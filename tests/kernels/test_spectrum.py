import pytest
import torch
from torch import Tensor

from regime.kernels import spectrum
from regime.kernels.spectrum import alignment, effective_rank, lanczos_top, top_eigenvalue


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(params=[0, spectrum.SMALL], ids=["by Lanczos", "small ones whole"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "SMALL", request.param)


@pytest.mark.usefixtures("small")
def test_top_eigenvalue_against_a_full_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(5, 60, 200, generator=generator, dtype=torch.float64)
    kernels = a @ a.mT
    want = torch.linalg.eigvalsh(kernels)[:, -1]
    assert ((top_eigenvalue(kernels) - want).abs() / want).max() < 1e-8


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_top_eigenvalue_scales(scale: float) -> None:
    a = normal(3, 30, 6)  # of rank 6: the Krylov space is soon exhausted
    kernels = a @ a.mT
    want = torch.linalg.eigvalsh(kernels)[:, -1]
    assert (top_eigenvalue(scale * kernels) / scale / want - 1).abs().max() < 1e-12


@pytest.mark.usefixtures("small")
def test_small_singular_and_not_finite_matrices() -> None:
    assert top_eigenvalue(torch.full((1, 1), 3.0)).item() == 3.0
    assert abs(top_eigenvalue(torch.ones(4, 4, dtype=torch.float64)).item() - 4) < 1e-12
    assert top_eigenvalue(torch.zeros(4, 4)).item() == 0
    assert torch.isnan(top_eigenvalue(torch.full((3, 3), torch.inf)))


@pytest.mark.usefixtures("small")
def test_one_matrix_of_a_batch_that_is_not_finite_leaves_the_others() -> None:
    kernels = torch.stack([torch.eye(3), torch.full((3, 3), torch.nan), 2 * torch.eye(3)]).double()
    top = top_eigenvalue(kernels)
    assert top[1].isnan()
    assert (top[[0, 2]] - torch.tensor([1.0, 2.0])).abs().max() < 1e-12


@pytest.mark.usefixtures("small")
def test_an_exhausted_krylov_space_adds_no_zero_eigenvalue() -> None:
    assert abs(top_eigenvalue(-torch.eye(5, dtype=torch.float64)).item() + 1) < 1e-12


def test_lanczos_without_a_formed_kernel() -> None:
    """J J^T through J and J^T alone, batched, exact once the products reach n."""
    j = normal(3, 30, 50)
    want = torch.linalg.eigvalsh(j @ j.mT)[:, -1]

    def product(v: Tensor) -> Tensor:
        return (j @ (j.mT @ v.unsqueeze(-1))).squeeze(-1)

    start = normal(3, 30, seed=1)
    assert ((lanczos_top(product, start, 30) - want) / want).abs().max() < 1e-13
    short = lanczos_top(product, 1e-3 * start, 8)
    assert (short < want * (1 + 1e-13)).all()
    assert (short > 0.8 * want).all()


def _counted(values: Tensor, iterations: int | None = None) -> tuple[float, int]:
    """The largest of some eigenvalues by Lanczos, and the products that it took."""
    products = []

    def product(v: Tensor) -> Tensor:
        products.append(v)
        return values.to(v) * v

    return lanczos_top(product, torch.ones(len(values), dtype=torch.float64), iterations).item(), len(products)


@pytest.mark.parametrize("n", [7, 40, 500, 2000])
def test_lanczos_goes_on_until_the_largest_eigenvalue_is_right(n: int) -> None:
    """Evenly spread eigenvalues, the last as near to the next as any: 40 products are 1e-3 off."""
    top, products = _counted(torch.arange(1, n + 1, dtype=torch.float64) / n)
    assert abs(top - 1) < 1e-9
    assert products <= n


def test_few_products_do_where_the_largest_eigenvalue_stands_apart() -> None:
    values = torch.arange(1, 501, dtype=torch.float64) / 500
    values[-1] = 10
    top, products = _counted(values)
    assert abs(top - 10) < 1e-12
    assert products <= 16
    assert _counted(values, 5)[1] == 5


def test_effective_rank_of_equal_eigenvalues_is_their_number() -> None:
    q = torch.linalg.qr(normal(12, 12)).Q
    for rank in (1, 5, 12):
        projector = 3e-7 * q[:, :rank] @ q[:, :rank].mT
        assert abs(effective_rank(projector).item() - rank) < 1e-8
    share = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    want = torch.exp(-(share * share.log()).sum())
    assert abs(effective_rank(7 * torch.diag(share)) - want) < 1e-12


def test_effective_rank_in_batches_and_where_undefined() -> None:
    kernels = torch.stack([torch.eye(4), torch.zeros(4, 4), torch.full((4, 4), torch.nan), torch.ones(4, 4)]).view(2, 2, 4, 4)
    rank = effective_rank(kernels)
    assert rank.shape == (2, 2)
    assert abs(rank[0, 0].item() - 4) < 1e-12
    assert rank[0, 1].isnan()
    assert rank[1, 0].isnan()
    assert abs(rank[1, 1].item() - 1) < 1e-6


def test_alignment_is_the_cosine_of_explicitly_centered_kernels() -> None:
    a, y = normal(2, 9, 5), normal(2, 9, 3, seed=1) + 4
    kernel = a @ a.mT
    h = torch.eye(9, dtype=torch.float64) - 1 / 9
    want = torch.nn.functional.cosine_similarity((h @ kernel @ h).flatten(1), (h @ y @ y.mT @ h).flatten(1), dim=1)
    assert (alignment(kernel, y) - want).abs().max() < 1e-13


def test_alignment_does_not_see_constants_and_scales() -> None:
    a, y = normal(8, 4), normal(8, 1, seed=1)
    kernel = a @ a.mT
    want = alignment(kernel, y)
    assert abs(alignment(5 * kernel + 100, -2 * y + 30) - want) < 1e-12
    assert abs(alignment(y @ y.mT + 7, y) - 1) < 1e-12
    for scale in (1e-15, 1e15):
        assert abs(alignment(scale * kernel, y) - want) < 1e-12
        assert abs(alignment(kernel, scale * y) - want) < 1e-12
    assert 0 < want < 1


@pytest.mark.parametrize("targets", [torch.full((6, 2), 0.1), torch.zeros(6, 2), torch.full((6, 2), 1e9 / 7).double()])
def test_alignment_with_constant_targets_is_undefined(targets: Tensor) -> None:
    a = normal(6, 4)
    assert alignment(a @ a.mT, targets.double()).isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alignment_of_a_kernel_that_is_constant_to_rounding_is_undefined(dtype: torch.dtype) -> None:
    a, y = normal(6, 2), normal(6, 2, seed=1)
    assert alignment(torch.full((6, 6), 0.1, dtype=dtype), y).isnan()
    assert alignment((1 + torch.finfo(dtype).eps * a @ a.mT).to(dtype), y).isnan()
    coarse = (1 + 1e4 * torch.finfo(dtype).eps * a @ a.mT).to(dtype)
    assert abs(alignment(coarse, y) - alignment(a @ a.mT, y)) < 1e-2

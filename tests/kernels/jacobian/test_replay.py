"""Calls that are differentiated by themselves: what torch says of them is nobody's business but ours."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import regime


class Applied(nn.Module):
    """A function of a module or a matrix of its own and the examples."""

    def __init__(self, inner: nn.Module | Tensor, function: Callable) -> None:
        super().__init__()
        self.inner = nn.Parameter(inner) if isinstance(inner, Tensor) else inner
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.inner, x)


X, IDS = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)), torch.arange(16).view(8, 2) % 7
CALLS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "bilinear": (lambda: Applied(nn.Bilinear(4, 4, 3), lambda inner, x: inner(x, x)), X),
    "bag of embeddings": (lambda: Applied(nn.EmbeddingBag(7, 3), lambda inner, x: inner(x)), IDS),
    "taken": (lambda: Applied(torch.randn(3, 4), lambda w, x: w.take(x.argsort(1))), X),
}


def slow(x: Tensor) -> Tensor:
    return torch.func.vmap(lambda each: functional.bilinear(each, each, torch.ones(2, 4, 4)))(x)


@pytest.mark.parametrize("name", CALLS)
def test_which_functions_torch_batches_slowly_is_not_said(name: str) -> None:
    make, x = CALLS[name]
    model = make()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        regime.empirical_ntk(model, x)
        regime.plan_ntk(model, x)
        regime.Linearization.of(model, x)
        regime.Monitor(model, x).measure(1)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: regime.empirical_ntk(make(), x), range(6)))
    assert not said
    with pytest.warns(UserWarning, match="performance drop"):
        slow(X)

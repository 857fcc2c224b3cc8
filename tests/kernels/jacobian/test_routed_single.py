"""Rows that belong to examples by data, in single precision and less: what many networks compute in."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regime import empirical_ntk
from regime.kernels.jacobian.capture import capture
from regime.kernels.jacobian.parts import StackedPart
from tests.kernels.jacobian.architectures import prepared, relative
from tests.kernels.jacobian.test_composed import evaluations
from tests.kernels.jacobian.test_routed import MODELS, D


@pytest.fixture(autouse=True)
def _alike() -> None:
    torch.manual_seed(0)


class Grouped(nn.Module):
    """Tokens of one expert after those of another, as transformers multiplies them by default, in single precision at most."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.up, self.out = nn.Linear(D, 4), nn.Parameter(torch.randn(4, 8, D)), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, D)
        shares, best = self.router(flat).softmax(-1).max(-1)
        expert, order = best.sort()
        ends = torch.searchsorted(expert, torch.arange(4), right=True).int()
        found = functional.grouped_mm(flat[order], self.up.mT, offs=ends) * shares[order, None]
        return self.out(torch.tanh(found[order.argsort()]).view(len(x), -1, 8).mean(1))


@pytest.mark.parametrize("build", [MODELS["one stack"], Grouped])
def test_many_examples_in_single_precision(build: Callable[[], nn.Module]) -> None:
    """More than one backward pass can tell apart."""
    model, x = prepared(build()).float(), torch.randn(150, 3, D)
    got, want = (empirical_ntk(model, x, method=method) for method in ("auto", "dense"))
    assert all(relative(got.layers[path], want.layers[path]) < 1e-4 for path in got.layers)
    assert evaluations(model, x) < 8
    assert any(isinstance(part, StackedPart) for each in capture(model, x).values() for part in each.parts)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_few_bits_tell_rows_apart(dtype: torch.dtype) -> None:
    model, x = prepared(MODELS["modules, all called"]()).to(dtype), torch.randn(20, 3, D, dtype=dtype)
    assert evaluations(model, x) < 8

"""Which models are known from one probe, and that the others still go through two."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regime import empirical_ntk, plan_ntk
from regime.kernels.jacobian.capture import learn_structure
from regime.kernels.jacobian.trace import ENTRYWISE
from tests.kernels.jacobian.architectures import relative


class Forward(nn.Module):
    """Two dense layers, used as `function(first, second, x)` says."""

    def __init__(self, function: Callable[[nn.Linear, nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Linear(5, 5), nn.Linear(5, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.first, self.second, x)


APART = {
    "relu": lambda one, two, x: two(one(x).relu()),
    "residual": lambda one, two, x: two(x + torch.tanh(one(x)) * 0.5),
    "twice": lambda one, two, x: two(functional.gelu(one(one(x)))),
    "no bias": lambda one, two, x: functional.linear(one(x).sigmoid(), two.weight),
    "last of two": lambda _, two, x: functional.linear(x, two.weight, two.bias),
}
OTHERWISE = {
    "transposed": lambda one, two, x: two((one.weight @ x.T).T),
    "in a loop": lambda one, two, x: torch.stack([two(one(row)) for row in x]),
    "sorted features": lambda one, two, x: two(one(x).sort(dim=1).values),
    "normalized": lambda one, two, x: two(functional.layer_norm(one(x), (5,))),
    "weights of a weight": lambda one, two, x: two(functional.linear(x, one.weight.tanh())),
    "constant rows": lambda one, two, x: two(one(x) + torch.ones(x.shape[1])),
    "branch": lambda one, two, x: two(one(x)) if x.isfinite().all() else two(x),
}
COUPLED = {
    "by number": lambda one, two, x: two(one(x) / len(x)),
    "by mean": lambda one, two, x: two(one(x) - x.mean(0)),
    "by a factor": lambda one, two, x: two(one(x) * len(x)),
    "by a share": lambda one, two, x: two(one(x).mul(1 / x.shape[0])),
    "by a sum": lambda one, two, x: two(one(x) + x.numel()),
}


def _model(function: Callable) -> Forward:
    torch.manual_seed(0)
    return Forward(function).double()


def _passes(model: nn.Module, x: Tensor) -> int:
    """How often it takes a look at the model to know its structure."""
    seen: list[int] = []
    handle = model.register_forward_hook(lambda *_: seen.append(1))
    learn_structure(model, x, None)
    handle.remove()
    return len(seen)


def _inputs() -> Tensor:
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", [*APART, *OTHERWISE])
@pytest.mark.parametrize("outputs", ["trace", "full"])
def test_either_way_the_kernel_is_the_oracles(name: str, outputs: str) -> None:
    model, x = _model({**APART, **OTHERWISE}[name]), _inputs()
    # a call for each example: what two probes do not tell, a look at rows does; a truth of the batch: two examples alone
    looks = {"in a loop": 3, "branch": 4}.get(name, 2)
    assert _passes(model, x) == (1 if name in APART else looks)
    fast = empirical_ntk(model, x, outputs=outputs)
    slow = empirical_ntk(model, x, outputs=outputs, method="dense")
    assert [k for k, v in fast.layers.items() if v is None] == [k for k, v in slow.layers.items() if v is None]
    assert relative(fast.total, slow.total) < 1e-12
    turned = fast.total.mT if outputs == "trace" else fast.total.permute(1, 0, 3, 2)
    assert relative(fast.total, turned) < 1e-15


@pytest.mark.parametrize("n", [6, 3])
@pytest.mark.parametrize("name", COUPLED)
def test_models_that_couple_examples_are_not_taken_for_rows(name: str, n: int) -> None:
    model, x = _model(COUPLED[name]), _inputs()[:n]
    assert _passes(model, x) == 2
    with pytest.raises(ValueError, match="the output for one example changes"):
        empirical_ntk(model, x)


def test_plans_and_blocks_of_rows() -> None:
    model, x = _model(APART["relu"]), _inputs()
    plan = plan_ntk(model, x)
    assert plan.layers["first"].method == "token-gram"
    assert plan.examples == len(x)
    least = next(b for b in range(2**16, 2**17, 64) if _fits(model, x, b))
    assert relative(empirical_ntk(model, x, memory=least).total, empirical_ntk(model, x).total) < 1e-12


def _fits(model: nn.Module, x: Tensor, memory: int) -> bool:
    try:
        return plan_ntk(model, x, memory=memory).examples >= 1
    except ValueError:
        return False


def test_what_is_called_as_a_function_is_one() -> None:
    """`float` is a method of tensors and a dtype of torch."""
    assert Tensor.float in ENTRYWISE
    assert all(map(callable, ENTRYWISE))

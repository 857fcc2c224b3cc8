"""Rows that belong to examples by data, such as tokens that a router sends to experts, against the dense oracle."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regime import empirical_ntk, plan_ntk
from regime.kernels.jacobian.capture import capture, explicit, learn_structure
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import owned
from regime.kernels.jacobian.part import product_of
from regime.kernels.jacobian.parts import StackedPart
from tests.kernels.jacobian.architectures import assert_equals_oracle, doubles, prepared, relative
from tests.kernels.jacobian.test_composed import SOME, evaluations

D = 4


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with doubles():
        torch.manual_seed(0)
        yield


class Experts(nn.Module):
    """A mixture of experts: each token goes to the best two, which a loop over the experts gathers, as in Mixtral."""

    def __init__(
        self, expert: Callable[[nn.Module, int, Tensor], Tensor], hit: bool = True, **weights: nn.Module | Tensor
    ) -> None:
        super().__init__()
        self.router, self.out, self.expert, self.hit = nn.Linear(D, 4), nn.Linear(D, 2), expert, hit
        for name, weight in weights.items():
            setattr(self, name, nn.Parameter(weight) if isinstance(weight, Tensor) else weight)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, D)
        shares, best = self.router(flat).softmax(-1).topk(2)
        result = torch.zeros_like(flat)
        for number in range(4):
            token, rank = torch.where(best == number)
            if self.hit and not len(token):
                continue
            result.index_add_(0, token, self.expert(self, number, flat[token]) * shares[token, rank, None])
        return self.out(torch.tanh(result + flat).view_as(x).mean(1))


def _stacked(m: nn.Module, number: int, x: Tensor) -> Tensor:
    gate, up = functional.linear(x, m.gate_up[torch.tensor(number)]).chunk(2, dim=-1)
    return functional.linear(functional.silu(gate) * up, m.down[number])


def _turned(m: nn.Module, number: int, x: Tensor) -> Tensor:
    return torch.tanh(x @ m.up[number] + m.bias[number]) @ m.down[number]


MODELS: dict[str, Callable[[], nn.Module]] = {
    "modules": lambda: Experts(
        lambda m, k, x: m.experts[k](x),
        experts=nn.ModuleList(nn.Sequential(nn.Linear(D, 3), nn.LayerNorm(3), nn.Tanh(), nn.Linear(3, D)) for _ in range(4)),
    ),
    "modules, all called": lambda: Experts(
        lambda m, k, x: m.experts[k](x), hit=False, experts=nn.ModuleList(nn.Linear(D, D) for _ in range(4))
    ),
    "one stack": lambda: Experts(_stacked, gate_up=torch.randn(4, 6, D), down=torch.randn(4, D, 3)),
    "one stack, inputs first": lambda: Experts(
        _turned, up=torch.randn(4, D, 3), bias=torch.randn(4, 3), down=torch.randn(4, 3, D)
    ),
}


class Forward(nn.Module):
    """Two dense layers, used as `function(first, second, x)` says."""

    def __init__(self, function: Callable[[nn.Linear, nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.function = nn.Linear(D, D), nn.Linear(D, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.first, self.second, x)


def _longest_first(one: nn.Linear, two: nn.Linear, x: Tensor) -> Tensor:
    order = x.square().sum((1, 2)).argsort(descending=True)
    return two(torch.tanh(one(x[order])).mean(1))[order.argsort()]


MODELS |= {
    "tokens first, on one axis": lambda: Forward(
        lambda one, two, x: two(torch.tanh(one(x.transpose(0, 1).reshape(-1, D))).view(-1, len(x), D).mean(0))
    ),
    "longest first": lambda: Forward(_longest_first),
    "positive tokens": lambda: Forward(
        lambda one, two, x: two(torch.zeros_like(x).index_put((x[..., 0] > 0,), torch.tanh(one(x[x[..., 0] > 0]))).mean(1))
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("n", "tokens"), [(1, 5), (4, 4), (5, 3)])
def test_routed_rows_equal_the_oracle(name: str, n: int, tokens: int) -> None:
    model = prepared(MODELS[name]())
    assert_equals_oracle(model, torch.randn(n, tokens, D), None, None, SOME)
    assert_equals_oracle(model, torch.randn(n, tokens, D), None, torch.randn(3, tokens + 1, D), SOME[:1])


@pytest.mark.parametrize("name", MODELS)
def test_routed_rows_are_not_evaluated_example_by_example(name: str) -> None:
    model, x = prepared(MODELS[name]()), torch.randn(40, 5, D)
    assert evaluations(model, x) < 8
    assert not learn_structure(model, x, None).alone


@pytest.mark.parametrize("name", MODELS)
def test_blocks_meet_other_experts(name: str) -> None:
    """Few examples at once: some blocks leave an expert out, and others have more tokens an example."""
    model, x = prepared(MODELS[name]()), torch.randn(6, 2, D)
    structure = learn_structure(model, x, None)
    least = structure.bytes_of_jacobian() + structure.bytes_of_stream(structure.outputs.shape[1])
    with pytest.raises(ValueError, match="too little") as refusal:
        empirical_ntk(model, x, outputs="full", memory=1)
    memory = int(str(refusal.value).split("too little: ")[1].split()[0]) + 2 * least
    assert plan_ntk(model, x, outputs="full", memory=memory).examples < 6
    blocks, want = (empirical_ntk(model, x, outputs="full", **own) for own in ({"memory": memory}, {"method": "dense"}))
    assert relative(blocks.total, want.total) < 1e-10
    parts = [capture(model, x, rows=rows) for rows in (slice(0, 2), slice(2, 6))]
    for path, jacobian in capture(model, x).items():
        if all(part[path] is not None and part[path].form == jacobian.form for part in parts):
            joined = LayerJacobian.join([part[path] for part in parts])
            assert relative(joined.kernel(joined, "full"), jacobian.kernel(jacobian, "full")) < 1e-10, path


@pytest.mark.parametrize("name", ["one stack", "one stack, inputs first"])
def test_a_stack_is_its_explicit_gradients(name: str) -> None:
    model, x = prepared(MODELS[name]()), torch.randn(5, 3, D)
    stacks = [(path, part) for path, each in capture(model, x).items() for part in each.parts if isinstance(part, StackedPart)]
    own = owned(model)
    assert len(stacks) == 2
    for path, part in stacks:
        rows = next(each for each in explicit(model, x, None, own)[path] if each.names == part.names)
        direction, v = {part.name: torch.randn_like(own[path][part.name])}, torch.randn(5, 2)
        assert relative(part.explicit(), rows.j) < 1e-12
        assert relative(part.product(direction), rows.product(direction)) < 1e-12
        assert relative(part.pullback(v)[part.name], rows.pullback(v)[part.name]) < 1e-12
        assert not product_of(part, {}).any()
        bare = part.each(lambda tensor: tensor.to("meta"))
        assert bare.cost(5, None, "trace", "auto") == part.cost(5, None, "trace", "auto")


def test_rows_of_several_examples_are_refused() -> None:
    """A result that two examples share: the check finds them coupled."""
    model = prepared(Forward(lambda one, two, x: two(torch.tanh(one(x.mean(1)))) + one(x.reshape(-1, D)).mean()))
    with pytest.raises(ValueError, match="other examples"):
        empirical_ntk(model, torch.randn(4, 3, D))

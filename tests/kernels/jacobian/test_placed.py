"""Other tensors in the place of a network's own: whatever else of it holds these goes with them."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import regime
from regime.kernels.jacobian.placed import placed

X = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


class Slot:
    __slots__ = ("view",)

    def __init__(self, view: Tensor) -> None:
        self.view = view


class Holding(nn.Module):
    """A layer whose parameters are used from where they are held beside, in one of many ways."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.inner, self.out, self.kind = nn.Linear(4, 5).double(), nn.Linear(5, 2).double(), kind
        weight, bias = self.inner.weight, self.inner.bias
        view = weight.detach()
        ways: dict[str, Callable[[], object]] = {
            "list": lambda: [weight, bias],
            "dict in a list": lambda: [{"w": weight}, {"b": bias}],
            "closure": lambda: lambda x: functional.linear(x, weight, bias),
            "partial": lambda: partial(functional.linear, weight=weight, bias=bias),
            "view in a closure": lambda: lambda x, view=view: functional.linear(x, 2 * weight - view, bias),
            "view in a slot": lambda: Slot(view),
            "transpose": lambda: weight.T,
            "rows": lambda: (weight[:2], weight[2:]),
            "cached property": lambda: None,
        }
        self.held = ways[kind]()

    def forward(self, x: Tensor) -> Tensor:
        inner, held = self.inner, self.held
        hidden = {
            "list": lambda: functional.linear(x, *held),
            "dict in a list": lambda: functional.linear(x, held[0]["w"], held[1]["b"]),
            "closure": lambda: held(x),
            "partial": lambda: held(x),
            "view in a closure": lambda: held(x),
            "view in a slot": lambda: functional.linear(x, 2 * inner.weight - held.view, inner.bias),
            "transpose": lambda: torch.addmm(inner.bias, x, held),
            "rows": lambda: torch.cat([functional.linear(x, rows) for rows in held], -1) + inner.bias,
            "cached property": lambda: functional.linear(x, *self.parts),
        }
        return self.out(hidden[self.kind]().tanh())

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        """Both parameters, kept in a way of their own when they are first asked for."""
        return vars(self).setdefault("made", (self.inner.weight, self.inner.bias))


KINDS = ["list", "dict in a list", "closure", "partial", "view in a closure", "view in a slot", "transpose", "rows"]
KINDS += ["cached property"]


def kernel(model: nn.Module) -> Tensor:
    """The definition, with the gradients of one example after another."""
    own = [*model.parameters()]
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(value, own, retain_graph=True)])
        for x in X
        for value in model(x[None])[0]
    ]
    j = torch.stack(rows).view(len(X), -1, len(rows[0]))
    return torch.einsum("ncp,mcp->nm", j, j) / j.shape[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_a_parameter_is_at_the_start_with_it(kind: str) -> None:
    torch.manual_seed(0)
    model = Holding(kind)
    monitor, start = regime.Monitor(model, X), kernel(model)
    first = model(X).detach()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = [(parameter, parameter.clone(), parameter._version) for parameter in model.parameters()]
    now = kernel(model)
    found = monitor.measure(1).measures
    assert found["kernel_change"] == pytest.approx(float((now - start).norm() / start.norm()), rel=1e-6)
    assert torch.allclose(monitor.observer.start, first)
    assert all(torch.equal(own, value) and own._version == version for own, value, version in before)
    assert [id(p) for p in model.parameters()] == [id(own) for own, *_ in before]


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_a_parameter_goes_with_another_checkpoint(kind: str) -> None:
    torch.manual_seed(0)
    before, after = Holding(kind), Holding(kind)
    report = regime.compare(before, after, X)
    start, now = kernel(before), kernel(after)
    assert report.final["kernel_change"] == pytest.approx(float((now - start).norm() / start.norm()), rel=1e-6)


@pytest.mark.parametrize("kind", ["closure", "hook"])
def test_a_block_that_moves_alone_takes_views_of_it_along(kind: str) -> None:
    """Where functions hold them, of the network's own or of a hook on it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    view = model[0].weight.detach()

    def scaled(hidden: Tensor) -> Tensor:
        return hidden * (1 + view.square().mean())

    if kind == "hook":
        model[2].register_forward_hook(lambda *values: scaled(values[-1]))
    else:
        model[2].forward = lambda x: scaled(functional.linear(x, model[2].weight, model[2].bias))
    last = {name: value.clone() for name, value in model[2].state_dict().items()}
    monitor = regime.Monitor(model, X)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    outputs = monitor.observer.observe().moved["0"][0]
    model[2].load_state_dict(last)
    assert torch.allclose(outputs, model(X))


def test_memory_that_cannot_go_with_a_parameter_is_refused() -> None:
    model = Holding("list")
    model.seen = model.inner.weight.detach().numpy()[1:]
    with pytest.raises(ValueError, match=r"seen lies in the memory of the parameter inner\.weight; keep a copy there"):
        regime.Monitor(model, X)
    assert regime.empirical_ntk(model, X).total.shape == (9, 9)


def test_parameters_that_lie_in_one_memory_move_apart() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
    model[1].weight.data = model[0].weight.data
    other = torch.zeros(4, 4, dtype=torch.float64)
    with placed(model, {"0.weight": nn.Parameter(other)}):
        assert not model[0].weight.any()
        assert model[1].weight.any()
    assert model[0].weight.data_ptr() == model[1].weight.data_ptr() != other.data_ptr()


@pytest.mark.parametrize("turn", [lambda w: w.detach().conj(), lambda w: w.detach().conj().imag], ids=["conjugate", "negative"])
def test_views_keep_their_signs(turn: Callable[[Tensor], Tensor]) -> None:
    model = nn.Module()
    model.weight = nn.Parameter(torch.randn(3, 2, dtype=torch.complex64))
    model.seen, other = turn(model.weight), torch.randn(3, 2, dtype=torch.complex64)
    if model.seen.is_complex():
        with placed(model, {"weight": nn.Parameter(other)}):
            assert torch.equal(model.seen, turn(other))
    else:
        with (
            pytest.raises(ValueError, match="seen lies in the memory of the parameter weight"),
            placed(model, {"weight": other}),
        ):
            pass
    assert torch.equal(model.seen, turn(model.weight))

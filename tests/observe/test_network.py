"""State beside parameters, of any kind that modules keep: the start is taken again with it as it is."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import regime

X = torch.randn(9, 4, generator=torch.Generator().manual_seed(1)).double()


class Scaled(nn.Module):
    """The hidden layer is multiplied with what a function reads in the state."""

    def __init__(self, state: Any, read: Callable[[Any], Any]) -> None:
        super().__init__()
        self.body, self.head, self.state, self.read = nn.Linear(4, 6), nn.Linear(6, 2), state, read

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.body(x) * self.read(self.state)).tanh())


class Config:
    """A plain object of one's own."""

    def __init__(self, scale: float) -> None:
        self.scale, self.names = scale, ["a", "b"]


def rebound(value: Any) -> Callable[[nn.Module], None]:
    return lambda model: setattr(model, "state", value)


def target() -> list[nn.Module]:
    return [nn.Linear(2, 2).double()]


STATES: dict[str, tuple[Any, Callable[[Any], Any], Callable[[nn.Module], Any]]] = {
    "tensor": (torch.ones(()), lambda t: t, rebound(torch.tensor(3.0))),
    "tensor in place": (torch.ones(()), lambda t: t, lambda m: m.state.fill_(3)),
    "sparse tensor": (torch.eye(3).to_sparse(), lambda t: t.to_dense().sum(), rebound((2 * torch.eye(3)).to_sparse())),
    "list": ([1.0], lambda v: v[0], lambda m: m.state.append(m.state.pop() + 2)),
    "tensor in a dict": ({"t": torch.ones(())}, lambda v: v["t"], lambda m: m.state["t"].mul_(3)),
    "dict of a dict": ({"a": {"b": 1.0}}, lambda v: v["a"]["b"], lambda m: m.state["a"].update(b=3.0)),
    "tuple": ((1.0,), lambda v: v[0], rebound((3.0,))),
    "NumPy number": (np.float32(1), float, rebound(np.float32(3))),
    "array": (np.ones(2), lambda v: float(v[1]), lambda m: np.multiply(m.state, 3, out=m.state)),
    "set": (set(), lambda v: 1 + 2 * len(v), lambda m: m.state.add("on")),
    "namespace": (SimpleNamespace(k=1.0), lambda v: v.k, lambda m: setattr(m.state, "k", 3.0)),
    "object in an object": (
        SimpleNamespace(plan=Config(1.0)),
        lambda v: v.plan.scale,
        lambda m: setattr(m.state.plan, "scale", 3.0),
    ),
    "config": (Config(1.0), lambda v: v.scale, lambda m: setattr(m.state, "scale", 3.0)),
    "network that none registered": (
        target(),
        lambda v: v[0].weight.detach().square().sum(),
        lambda m: m.state[0].weight.data.add_(1),
    ),
}


@pytest.mark.parametrize("kind", STATES)
def test_changes_are_against_the_start_with_the_state_of_now(kind: str) -> None:
    torch.manual_seed(0)
    state, read, move = STATES[kind]
    model = Scaled(copy.deepcopy(state), read).double()
    begun = copy.deepcopy(model)
    monitor = regime.Monitor(model, X)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    move(model)
    event = monitor.measure(1)
    moved = copy.deepcopy(begun)
    moved.state = copy.deepcopy(model.state)
    first, start, now = (regime.empirical_ntk(each, X).total for each in (begun, moved, model))
    assert event.measures["kernel_change"] == pytest.approx(((now - start).norm() / start.norm()).item(), rel=1e-9)
    assert event.measures["buffer_change"] == pytest.approx(((start - first).norm() / first.norm()).item(), rel=1e-9)
    theta = {name: p.detach() for name, p in moved.named_parameters()}
    change = {name: p.detach() - theta[name] for name, p in model.named_parameters()}
    f0, linear = torch.func.jvp(lambda theta: torch.func.functional_call(moved, theta, X), (theta,), (change,))
    gap = (model(X) - f0 - linear).norm() / (model(X) - f0).norm()
    assert event.measures["taylor_gap"] == pytest.approx(gap.item(), rel=1e-6)
    assert event.measures["kernel_velocity"] is None
    again = monitor.measure(2)
    assert again.measures["kernel_change"] == event.measures["kernel_change"]
    assert again.measures["kernel_velocity"] == 0


def test_state_that_is_not_read_changes_nothing() -> None:
    """A log of losses grows, and activations are left behind by training: there is a velocity all the same."""
    torch.manual_seed(0)
    model = Scaled([1.0], lambda v: v[0]).double()
    plain = copy.deepcopy(model)
    monitor, other = regime.Monitor(model, X), regime.Monitor(plain, X)
    for step in (1, 2):
        with torch.no_grad():
            for one, two in zip(model.parameters(), plain.parameters(), strict=True):
                two += 0.1 * torch.randn_like(two)
                one.copy_(two)
        model.state.append(float(step))
        model.last, model.features = model.body(X), {"body": model.body(X).detach()}
        event, want = monitor.measure(step), other.measure(step)
        assert event.measures == want.measures | {"buffer_change": 0}
        assert event.measures["kernel_velocity"] > 0


class Watching(nn.Module):
    """Needs gradients in its forward pass, in one of several ways, and has a layer of whole numbers that is not trained."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.body, self.head, self.way = nn.Linear(4, 6), nn.Linear(6, 2), way
        self.signs = nn.ParameterList([nn.Parameter(torch.tensor([1, -1, 1, 1, -1, 1]), requires_grad=False)])

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        if self.way == "kept gradient":
            hidden.retain_grad()
        elif self.way == "hook":
            hidden.register_hook(lambda g: g)
        else:
            x = x.detach().requires_grad_()
            hidden = hidden + torch.autograd.grad(self.body(x).cos().sum(), x, create_graph=True)[0].sum(1, keepdim=True)
        return self.head((hidden * self.signs[0]).tanh())


@pytest.mark.parametrize("way", ["kept gradient", "hook", "derivative"])
def test_networks_that_need_gradients_on_their_way_are_watched(way: str) -> None:
    torch.manual_seed(0)
    model = Watching(way).double()
    monitor, start = regime.Monitor(model, X), regime.empirical_ntk(model, X).total
    first = model(X).detach()
    with torch.no_grad():
        model.body.weight.mul_(1.1)
        model.head.bias.add_(0.1)
    event = monitor.measure(1)
    now = regime.empirical_ntk(model, X).total
    assert event.measures["kernel_change"] == pytest.approx(float((now - start).norm() / start.norm()), rel=1e-6)
    assert event.measures["taylor_gap"] is not None
    assert torch.allclose(monitor.observer.start, first)
    assert float(monitor.observer.magnitude["signs"]) == pytest.approx(6)


SCALE = [1.0]
"""What a network may read where nothing of it keeps it."""


class Elsewhere(nn.Module):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.body, self.between, self.head = nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(x) * SCALE[0]))


@pytest.mark.parametrize(
    "change",
    [
        lambda _: SCALE.append(SCALE.pop() * 2),
        lambda model: model.body.register_forward_hook(lambda _module, _args, output: output * 2),
        lambda model: setattr(model, "between", nn.Sigmoid()),
        lambda model: setattr(model.between, "forward", torch.sin),
    ],
    ids=["global", "hook", "module", "method"],
)
@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_a_function_that_becomes_another_is_no_training(change: Callable[[nn.Module], Any], size: float) -> None:
    torch.manual_seed(0)
    model = Elsewhere().double()
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.mul_(size)
    start = copy.deepcopy(model.state_dict())
    monitor = regime.Monitor(model, X)
    try:
        change(model)
        event = monitor.measure(1)
        assert (event.measures["kernel_change"], event.measures["parameter_movement"]) == (0, 0)
        with torch.no_grad():
            model.body.weight.mul_(1.2)
        event, now = monitor.measure(2), regime.empirical_ntk(model, X).total
        model.load_state_dict(start)
        want = regime.empirical_ntk(model, X).total
        assert event.measures["kernel_change"] == pytest.approx(float((now - want).norm() / want.norm()), rel=1e-6)
    finally:
        SCALE[:] = [1.0]

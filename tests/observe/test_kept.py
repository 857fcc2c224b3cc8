"""A block moved alone computes from there on, and gives what a whole pass gives; blocks that keep something compute anew."""

import copy
from collections.abc import Callable
from contextvars import ContextVar

import pytest
import torch
from torch import Tensor, nn

from regime.observe.observer import Observer

COMPUTED: list[int] = []


class Block(nn.Module):
    """A residual block that may do more than to be a function of tensors."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.dense, self.kind, self.last = nn.Linear(6, 6), kind, None

    def forward(self, x: Tensor, earlier: list[Tensor] | None) -> Tensor:
        COMPUTED.append(1)
        if self.kind == "writes into its input":
            x.add_(1.0)
        hidden = torch.tanh(self.dense(x))
        if self.kind == "fills a list":
            earlier.append(hidden)
        if self.kind == "sets an attribute":
            self.last = hidden
        return x + hidden


class Stack(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layers, self.head, self.kind = nn.ModuleList(Block(kind) for _ in range(4)), nn.Linear(6, 2), kind

    def forward(self, x: Tensor) -> Tensor:
        earlier = [] if self.kind == "fills a list" else None
        x = x * 1
        for layer in self.layers:
            x = layer(x, earlier) + x
            if self.kind == "is written into":
                x += 1
        x = x + sum(earlier) if earlier else x
        if self.kind == "sets an attribute":
            x = x + sum(layer.last for layer in self.layers)
        return self.head(x)


@pytest.mark.parametrize(
    ("kind", "kept"),
    {
        "plain": True,
        "is written into": True,
        "writes into its input": False,
        "fills a list": False,
        "sets an attribute": False,
    }.items(),
)
@pytest.mark.parametrize("chunk", [None, 3])
def test_each_block_alone_is_a_whole_pass_with_it_moved(kind: str, kept: bool, chunk: int | None) -> None:
    torch.manual_seed(0)
    model, x = Stack(kind).double().eval(), torch.randn(8, 6).double()
    observer = Observer(model, x, chunk=chunk)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    now = {name: p.detach().clone() for name, p in model.named_parameters()}
    COMPUTED.clear()
    moved = observer._moved(dict.fromkeys(observer.trained, observer.start), observer.start)
    assert len(COMPUTED) == (3 if chunk else 1) * (4 + 3 + 2 + 1 if kept else 5 * 4)
    assert list(moved) == ["layers.0", "layers.1", "layers.2", "layers.3", "head"]
    for block, (outputs, _) in moved.items():
        theta = {name: now[name] if name.startswith(f"{block}.") else value for name, value in start.items()}
        with torch.no_grad():
            want = torch.func.functional_call(model, theta, x)
        assert torch.allclose(outputs, want, rtol=1e-12, atol=1e-13), block
    assert all("forward" not in vars(module) for module in model.modules())


class Conditioned(nn.Module):
    """A block that reads what others made, in one of many ways, beside its argument."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.dense, self.kind, self.condition, self.shared = nn.Linear(6, 6), kind, torch.ones(6).double(), {}
        self.register_buffer("state", torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        COMPUTED.append(1)
        other = self.shared.get("made", self.state if self.kind == "buffer" else self.condition)
        return torch.tanh(self.dense(x)) * other


class Conditioning(nn.Module):
    """What a layer makes reaches the blocks, but not as an argument."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.condition, self.kind, self.head = nn.Linear(6, 6), kind, nn.Linear(6, 2)
        self.layers = nn.ModuleList(Conditioned(kind) for _ in range(2))
        if kind == "parameters elsewhere":
            for layer in self.layers:
                layer.shared["made"] = self.condition.bias

    def forward(self, x: Tensor) -> Tensor:
        made = self.condition(x).sin()
        for layer in self.layers:
            if self.kind == "attribute":
                layer.condition = made
            elif self.kind == "written attribute":
                layer.condition.copy_(self.condition.bias.detach())
            elif self.kind == "buffer":
                layer.state.copy_(self.condition.bias.detach())
            elif self.kind == "dict":
                layer.shared["made"] = made
            elif self.kind == "number":
                layer.condition = self.condition.bias[0].item()
            x = layer(x)
        return self.head(x)


@pytest.mark.parametrize(
    "kind", ["constant", "attribute", "written attribute", "buffer", "dict", "parameters elsewhere", "number"]
)
def test_blocks_that_read_what_others_made_compute_anew(kind: str) -> None:
    torch.manual_seed(0)
    model, x = Conditioning(kind).double().eval(), torch.randn(8, 6).double()
    observer = Observer(model, x)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    now = {name: p.detach() for name, p in model.named_parameters()}
    COMPUTED.clear()
    moved = observer._moved(dict.fromkeys(observer.trained, observer.start), observer.start)
    trained = [block for block in moved if block.startswith("layers")]
    assert trained == ["layers.0", "layers.1"]
    if kind == "constant":
        assert len(COMPUTED) == 2 + 1
    for block, (outputs, _) in moved.items():
        theta = {name: now[name] if name.startswith(f"{block}.") else value for name, value in start.items()}
        other = copy.deepcopy(model)
        other.load_state_dict(theta, strict=False)  # what else holds a parameter goes with it
        with torch.no_grad():
            want = other(x)
        assert torch.allclose(outputs, want, rtol=1e-12, atol=1e-13), block


class Skip(nn.Module):
    """Hands its features on sideways."""

    def __init__(self, skips: list[Tensor]) -> None:
        super().__init__()
        self.dense, self.skips = nn.Linear(6, 6), skips

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.dense(x))
        self.skips.append(hidden)
        return hidden


class Skipping(nn.Module):
    def __init__(self, hooks: bool) -> None:
        super().__init__()
        self.skips: list[Tensor] = []
        self.blocks = nn.ModuleList([Skip([] if hooks else self.skips) for _ in range(3)])
        self.head, self.feats = nn.Linear(18, 2), {}
        for k, block in enumerate(self.blocks if hooks else ()):
            block.dense.register_forward_hook(lambda _, __, output, k=k: self.feats.__setitem__(k, output))

    def forward(self, x: Tensor) -> Tensor:
        self.skips.clear()
        self.feats.clear()
        for block in self.blocks:
            x = block(x)
        return self.head(torch.cat([self.feats[k] for k in range(3)] if self.feats else [self.skips[k] for k in range(3)], 1))


@pytest.mark.parametrize("hooks", [False, True], ids=["a list", "hooks inside blocks"])
def test_features_that_are_handed_on_sideways(hooks: bool) -> None:
    torch.manual_seed(0)
    model, x = Skipping(hooks), torch.randn(9, 6)
    observer = Observer(model, x)
    with torch.no_grad():
        model.blocks[1].dense.weight.mul_(1.1)
    sight = observer.observe()
    torch.testing.assert_close(sight.moved["blocks.1"][0], model(x).detach())


LATEST: ContextVar[Tensor] = ContextVar("LATEST")
KEPT: dict[str, Tensor] = {}


def keep_in_a_dict(hidden: Tensor) -> None:
    KEPT["hidden"] = hidden


class Outside(nn.Module):
    """A network whose head takes what an inner layer left outside the network."""

    def __init__(self, leave: Callable[[Tensor], object], take: Callable[[], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Sequential(nn.Linear(8, 8), nn.Tanh()))
        self.head, self.take = nn.Linear(8, 2), take
        self.body[1][1].register_forward_hook(lambda _, __, output: leave(output) and None)

    def forward(self, x: Tensor) -> Tensor:
        self.body(x)
        return self.head(self.take())


@pytest.mark.parametrize(
    "way", [(keep_in_a_dict, lambda: KEPT["hidden"]), (LATEST.set, LATEST.get)], ids=["a dict", "a context variable"]
)
@pytest.mark.parametrize("chunk", [None, 4])
def test_what_is_left_outside_the_network_is_left_anew(way: tuple, chunk: int | None) -> None:
    torch.manual_seed(0)
    model, x = Outside(*way), torch.randn(9, 6)
    observer = Observer(model, x, chunk=chunk)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    moved = observer.observe().moved
    torch.testing.assert_close(*moved["head"])  # a linear layer, moved alone
    both = copy.deepcopy(model.state_dict())
    model.load_state_dict(both | {name: value for name, value in observer.initial.items() if not name.startswith("body.1")})
    torch.testing.assert_close(moved["body.1"][0], model(x).detach())


class Force(nn.Module):
    """A network that is the gradient of an energy, which is flat at the start."""

    def __init__(self, ask: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
        self.scale, self.ask = nn.Linear(3, 1, bias=False), ask
        nn.init.zeros_(self.scale.weight)

    def forward(self, x: Tensor) -> Tensor:
        made = torch.is_grad_enabled()
        with torch.set_grad_enabled(made or self.ask):
            x = x.detach().requires_grad_()
            energy = (self.scale.weight * (x + self.body(x))).sum()
            return torch.autograd.grad(energy, x, create_graph=made or not self.ask)[0]


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("chunk", [None, 3])
def test_what_is_differentiated_on_the_way_is_computed_anew(ask: bool, chunk: int | None) -> None:
    torch.manual_seed(0)
    model, x = Force(ask).double(), torch.randn(8, 3).double()
    observer, apart = Observer(model, x, chunk=chunk), copy.deepcopy(model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.3)
    apart.scale.weight = model.scale.weight
    outputs, _ = observer.observe().moved["scale"]
    assert torch.allclose(outputs, apart(x))

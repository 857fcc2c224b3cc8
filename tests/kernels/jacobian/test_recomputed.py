"""Networks that keep, while they evaluate, what they computed of their parameters: it is computed anew, or refused."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import regime
from regime.kernels.jacobian.found import recomputed

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Biases(nn.Linear):
    """Entries of a table as biases, kept by device, as LeViT keeps those of its attention; its `train` lets go of them."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__(i, o)
        self.table, self.kept = nn.Parameter(torch.randn(2 * o)), {}
        self.register_buffer("index", torch.arange(0, 2 * o, 2))

    def train(self, mode: bool = True) -> nn.Module:
        if mode:
            self.kept = {}
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x) + self.table[self.index]
        if str(x.device) not in self.kept:
            self.kept[str(x.device)] = self.table[self.index]
        return super().forward(x) + self.kept[str(x.device)]


class Normed(nn.Module):
    """A weight in another parameterization, kept in an attribute; `cleared` by its `train`, or by a pass in training mode."""

    def __init__(self, i: int, o: int, cleared: str = "train") -> None:
        super().__init__()
        self.v, self.g = nn.Parameter(torch.randn(o, i)), nn.Parameter(torch.ones(o, 1))
        self.bias, self.weight, self.cleared = nn.Parameter(torch.zeros(o)), None, cleared

    def train(self, mode: bool = True) -> nn.Module:
        if mode and self.cleared == "train":
            self.weight = None
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if self.training or weight is None:
            weight = self.g * self.v / self.v.norm(dim=1, keepdim=True)
            self.weight = None if self.training else weight
        return x @ weight.T + self.bias


class Merged(nn.Linear):
    """An adapter that `train` takes out of the weight and puts into it, as loralib does, beside a tensor that it keeps."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__(i, o)
        self.down, self.up = nn.Parameter(torch.randn(2, i)), nn.Parameter(torch.randn(o, 2))
        self.merged, self.scale = False, torch.tensor(0.3)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (-1 if mode else 1) * (self.scale * self.up @ self.down).to(self.weight)
            self.merged = not mode
        return self

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.merged else super().forward(x) + self.scale * (x @ self.down.T @ self.up.T)


def network(layer: Callable[[int, int], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(layer(3, 6), nn.Tanh(), layer(6, 2)).double()


def evaluated(model: nn.Module, graph: bool = False) -> nn.Module:
    with torch.set_grad_enabled(graph):
        model.eval()(X)
    return model


def trained(model: nn.Module) -> nn.Module:
    descent = torch.optim.SGD(model.train().parameters(), 0.3)
    for _ in range(3):
        descent.zero_grad()
        (model(X) - 1).square().mean().backward()
        descent.step()
    return model


def rows(model: nn.Module) -> Tensor:
    """The kernel by single gradients, in training mode, in which nothing is kept."""
    model.train()
    own = list(model.parameters())
    gradients = [
        torch.cat([part.flatten() for part in torch.autograd.grad(model(X[k : k + 1])[0, c], own)])
        for k in range(8)
        for c in range(2)
    ]
    jacobian = torch.stack(gradients).view(8, 2, -1)
    return torch.einsum("icp,jcp->ij", jacobian, jacobian) / 2


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("layer", [Biases, Normed])
def test_what_evaluation_keeps_of_parameters_is_computed_anew(layer: type, graph: bool) -> None:
    expected, model = rows(network(layer)), evaluated(network(layer), graph)
    kept = [value for module in model for value in (getattr(module, "kept", {}).get("cpu"), getattr(module, "weight", None))]
    torch.testing.assert_close(regime.empirical_ntk(model, X).total, expected)
    linear = regime.Linearization.of(model, X)
    assert linear.shape[1] == sum(parameter.numel() for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    after = [value for module in model for value in (getattr(module, "kept", {}).get("cpu"), getattr(module, "weight", None))]
    assert all(one is other for one, other in zip(kept, after, strict=True)), "it comes back as it was"


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("layer", [Biases, Normed])
def test_a_validation_before_measuring_changes_no_number(layer: type, first: bool) -> None:
    start, end = rows(network(layer)), rows(trained(network(layer)))
    model = evaluated(network(layer)) if first else network(layer)
    monitor = regime.Monitor(model, X)
    evaluated(trained(model))
    event = monitor.measure(3)
    assert event.measures["kernel_change"] == pytest.approx(float((end - start).norm() / start.norm()), rel=1e-6)
    report = regime.compare(evaluated(network(layer)), evaluated(trained(network(layer))), X)
    assert report.history[-1].measures["kernel_change"] == pytest.approx(event.measures["kernel_change"], rel=1e-6)


def test_what_a_pass_alone_lets_go_of_is_refused_where_it_stands_for_what_was_trained() -> None:
    model = network(lambda i, o: Normed(i, o, cleared="pass"))
    monitor = regime.Monitor(model, X)
    evaluated(trained(model))
    with pytest.raises(ValueError, match=r"^model: 0\.v was trained, but no gradient reaches it, and 0\.weight is not what"):
        monitor.measure(3)
    model.train()(X)
    assert monitor.measure(3).measures["kernel_change"] > 0


@pytest.mark.parametrize("first", [False, True])
def test_adapters_that_are_merged_as_the_network_evaluates_are_refused_until_they_are_taken_out(first: bool) -> None:
    model = nn.Sequential(*network(Merged), nn.Tanh(), nn.Linear(2, 2)).double()
    for layer in (model[0], model[2]):
        layer.requires_grad_(False)
        layer.down.requires_grad_()
        layer.up.requires_grad_()
    alike = copy.deepcopy(model)
    expected = regime.Monitor(alike, X)
    monitor = regime.Monitor(evaluated(model) if first else model, X)
    evaluated(trained(model))
    with pytest.raises(ValueError, match=r"^model: 0\.down was trained, but no gradient reaches it, and 0\.\w+ is not what"):
        monitor.measure(3)
    model.train()
    change = monitor.measure(3).measures["kernel_change"]
    trained(alike)
    assert change == pytest.approx(expected.measure(3).measures["kernel_change"], rel=1e-6)


def test_a_network_that_merges_as_it_evaluates_is_taken_as_it_is() -> None:
    model = network(Merged).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with recomputed(model):
        assert all(module.merged for module in (model[0], model[2]))
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert regime.empirical_ntk(model, X).total.shape == (8, 8)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_module_whose_own_train_fails_is_taken_as_it_is() -> None:
    class Final(Normed):
        def train(self, mode: bool = True) -> nn.Module:
            if mode:
                self.weight = None
                raise RuntimeError("this network is not to be trained")
            return super().train(mode)

    model = evaluated(network(Final))
    kept = model[0].weight
    assert kept is not None
    assert regime.empirical_ntk(model, X).layers["0"] is not None, "its bias is reached"
    assert model[0].weight is kept
    assert not any(module.training for module in model.modules())

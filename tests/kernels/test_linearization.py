"""Products with a Jacobian and a tangent kernel that is never formed, against explicit ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regime import Linearization, empirical_ntk
from regime.kernels.jacobian.parameters import owned
from tests.kernels.jacobian.architectures import ARCHITECTURES, explicit


class Queries(nn.Module):
    """A layer that is given queries which are learned, the same ones for every example."""

    def __init__(self, product: Callable[[nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.queries, self.key, self.product = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 4), product

    def forward(self, x: Tensor) -> Tensor:
        return (self.product(self.key, self.queries.expand(len(x), -1, -1)) @ x.mT).tanh().sum(1)


@pytest.mark.parametrize("product", [lambda key, queries: key(queries), lambda key, queries: queries @ key.weight])
def test_training_does_not_reach_into_a_linearization(product: Callable) -> None:
    torch.manual_seed(0)
    model, x, v = Queries(product), torch.randn(5, 4, 4), torch.randn(5, 4)
    line = Linearization.of(model, x)
    want = line.kernel_product(v)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert torch.equal(line.kernel_product(v), want)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("ids", [False, True])
def test_ambient_modes_change_nothing(mode: Callable, ids: bool) -> None:
    torch.manual_seed(0)
    first, x = (nn.Embedding(9, 4), torch.randint(9, (5, 3))) if ids else (nn.Linear(2, 4), torch.randn(5, 3, 2))
    model = nn.Sequential(first, nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))
    want = Linearization.of(model, x)
    v = torch.randn(5, 2)
    with mode():
        line = Linearization.of(model, x)
        assert torch.equal(line.outputs, want.outputs)
        assert torch.equal(line @ (line.adjoint @ v), want.kernel_product(v))
        assert line.top_eigenvalue == want.top_eigenvalue


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt2 with tied head", "t5 encoder", "vit", "mobilenet", "lstm, packed"])
def test_products(name: str) -> None:
    torch.manual_seed(0)
    architecture = ARCHITECTURES[name]()
    model, batch = architecture.model.double().eval(), architecture.inputs(*architecture.sizes)
    line = Linearization.of(model, batch, architecture.readout)
    j = explicit(model, batch, architecture.readout)
    v = torch.randn_like(line.outputs)
    pulled = line.adjoint @ v
    moved = torch.zeros_like(v)
    for path, own in owned(model).items():
        if path not in j:
            continue
        want = torch.einsum("nc,ncp->p", v, j[path])
        got = torch.cat([pulled[path][name].flatten() for name in own if name in pulled[path]])
        assert (got - want).norm() <= 1e-10 * max(want.norm(), 1e-6 * v.norm())
        moved += j[path] @ want
    assert (line @ pulled - moved).norm() < 1e-10 * moved.norm()
    assert line.shape == line.adjoint.shape[::-1] == (v.numel(), sum(p.numel() for p in model.parameters()))
    some = line.rows([2, 0]) @ pulled
    assert (some - (line.adjoint.adjoint @ pulled)[[2, 0]]).norm() < 1e-10 * moved.norm()
    assert (line.kernel_product(v) - moved).norm() < 1e-10 * moved.norm()
    full = empirical_ntk(model, batch, readout=architecture.readout, outputs="full").total
    matrix = full.transpose(1, 2).reshape(v.numel(), v.numel())
    assert line.top_eigenvalue == pytest.approx(torch.linalg.eigvalsh(matrix)[-1].item(), rel=1e-9)


def test_its_shape_is_that_of_all_directions_that_it_takes() -> None:
    class Partly(nn.Module):
        """A layer that is not used, one that is used in part, complex numbers, and what is frozen."""

        def __init__(self) -> None:
            super().__init__()
            self.unused, self.partly, self.frozen = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, 3).requires_grad_(False)
            self.phase = nn.Parameter(torch.randn(3, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return self.frozen(x @ self.partly.weight.mT) * self.phase.abs()

    line = Linearization.of(Partly(), torch.randn(5, 4))
    directions = {
        path: {name: torch.ones(p.shape, dtype=p.dtype) for name, p in own.items()} for path, own in line.parameters.items()
    }
    assert (line @ directions).shape == (5, 3)
    assert line.shape == line.adjoint.shape[::-1] == (15, 15 + 15 + 2 * 3)


def test_first_order() -> None:
    """f(theta + h d) = f_lin + O(h^2)."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).double()
    x = torch.randn(6, 4).double()
    line = Linearization.of(model, x)
    direction = {path: {name: torch.randn_like(p) for name, p in own.items()} for path, own in owned(model).items()}
    errors = []
    for h in (1e-2, 1e-3):
        with torch.no_grad():
            for path, own in owned(model).items():
                for name, p in own.items():
                    p += h * direction[path][name]
            errors.append((model(x) - line.outputs - h * line.jvp(direction)).norm().item())
            for path, own in owned(model).items():
                for name, p in own.items():
                    p -= h * direction[path][name]
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.05)


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda line: line @ {"9": {"weight": torch.ones(6, 4)}},
            "directions: '9' is no layer that it is of; allowed: '0', '2', '4'",
        ),
        (
            lambda line: line @ {"0": {"weigth": torch.ones(6, 4)}},
            r"directions\['0'\]: 'weigth' is no trainable parameter; allowed: 'weight', 'bias'",
        ),
        (
            lambda line: line @ {"2": {"weight": torch.ones(1, 6)}},
            r"\['2'\]\['weight'\]: torch.float32 \(1, 6\) .*tensor \(6, 6\) of real",
        ),
        (lambda line: line @ {"0": {"bias": torch.ones(6, dtype=torch.complex64)}}, "complex64 .* of real numbers"),
        (lambda line: line @ {"0": {"bias": 1.0}}, r"\['bias'\]: float is not allowed"),
        (lambda line: line @ {"0": torch.ones(6)}, r"directions\['0'\]: Tensor .*parameter -> tensor"),
        (lambda line: line @ torch.ones(5), "directions: Tensor .*layer -> parameter -> tensor"),
        (lambda line: line.adjoint @ torch.ones(9, 1), r"v: torch.float32 \(9, 1\) .*tensor \(9, 2\)"),
        (lambda line: line.vjp(torch.ones(18)), r"v: torch.float32 \(18,\) .*tensor \(9, 2\)"),
        (lambda line: line.kernel_product(torch.ones(9, 2).long()), "v: torch.int64"),
        (lambda line: line.rows([20]), r"chosen = \[20\] .*some of 9 examples"),
        (lambda line: line.rows([1.5]), r"chosen = \[1.5\]"),
        (lambda line: line.rows(slice(9, None)), "chosen = slice"),
    ],
)
def test_what_is_no_direction_is_refused(call: Callable[[Linearization], Any], said: str) -> None:
    line = Linearization.of(small(), torch.randn(9, 4))
    with pytest.raises(ValueError, match=said) as refused:
        call(line)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("layers", ["02", "0", {"0"}, [0]])
def test_layers_that_are_no_list_of_globs_are_refused(layers: object) -> None:
    """The letters of a text would be globs: "02" was the layers 0 and 2, and no layer 02."""
    with pytest.raises(ValueError, match="a list of globs"):
        Linearization.of(small(), torch.randn(9, 4), layers=layers)


def test_directions_may_leave_out_what_does_not_move() -> None:
    torch.manual_seed(0)
    model = small()
    model.spare = nn.Linear(3, 3)  # in no output's way
    model.spare.forward = lambda x: x
    line = Linearization.of(model, torch.randn(9, 4))
    assert not (line @ {}).any()
    assert not (line @ {"spare": {"weight": torch.ones(3, 3)}}).any()
    with pytest.raises(ValueError, match="spare"):
        line @ {"spare": {"weight": torch.ones(3, 2)}}
    bias = {"4": {"bias": torch.tensor([1.0, 2.0])}}
    assert (line.rows([8, -9]) @ bias - torch.tensor([1.0, 2.0])).abs().max() < 1e-6


class Mixed(nn.Module):
    """A body in one precision and a head in another."""

    def __init__(self, body: torch.dtype, head: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 5, dtype=body))
        self.scale = nn.Parameter(torch.ones(5, dtype=head))
        self.head = nn.Linear(5, 2, dtype=head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((x.to(self.weight.dtype) @ self.weight).abs().to(self.scale.dtype) * self.scale)


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
        (torch.complex64, torch.float64),
        (torch.complex128, torch.float32),
    ],
)
def test_precisions_that_differ_within_a_model(body: torch.dtype, head: torch.dtype) -> None:
    torch.manual_seed(0)
    model, x = Mixed(body, head), torch.randn(8, 4)
    line = Linearization.of(model, x)
    v = torch.randn(8, 2, dtype=torch.float64)
    pulled = line.adjoint @ v
    model.zero_grad()
    (model(x) * v).sum().backward()
    for path, own in owned(model).items():
        for name, parameter in own.items():
            assert pulled[path][name].dtype == parameter.dtype
            assert (pulled[path][name] - parameter.grad).norm() < 1e-5 * parameter.grad.norm()
    moved = line @ pulled
    assert moved.dtype == torch.float64
    assert (line.kernel_product(v) - moved).norm() < 1e-5 * moved.norm()
    matrix = empirical_ntk(model, x, outputs="full").total.transpose(1, 2).reshape(16, 16)
    assert line.top_eigenvalue == pytest.approx(torch.linalg.eigvalsh(matrix)[-1].item(), rel=1e-5)


@pytest.mark.parametrize("first", [nn.Linear(4, 8), nn.Bilinear(4, 4, 8)], ids=["linear", "bilinear"])
def test_it_stays_as_it_was_when_its_batch_is_written_into(first: nn.Module) -> None:
    x = torch.randn(9, 4)
    model = nn.Sequential(first, nn.Tanh(), nn.Linear(8, 2)) if isinstance(first, nn.Linear) else Squared(first)
    line, v = Linearization.of(model, x), torch.ones(9, 2)
    before = line.kernel_product(v)
    x.mul_(3)
    assert torch.equal(line.kernel_product(v), before)


class Squared(nn.Module):
    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.first, self.head = first, nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.first(x, x).tanh())


@pytest.mark.parametrize(("change", "said"), [(torch.Tensor.to_sparse, "sparse"), (lambda t: t.to("meta"), "meta")])
def test_tensors_without_entries_of_their_own_are_refused(change: Callable, said: str) -> None:
    linear = Linearization.of(nn.Linear(4, 2), torch.ones(6, 4))
    with pytest.raises(ValueError, match=f"v: .*{said}.* is not allowed; allowed: a dense tensor that holds its numbers"):
        _ = linear.adjoint @ change(torch.zeros(6, 2))
    with pytest.raises(ValueError, match=f"{said}.* is not allowed"):
        _ = linear @ {next(iter(linear.parameters)): {"weight": change(torch.zeros(2, 4))}}


BYTES = torch.tensor([3, 1, 0], dtype=torch.uint8)
LISTS = [(0, 2), (2,), [2, 0], torch.tensor([1, 3]), [True, False, True, False], slice(1, 3), BYTES]


@pytest.mark.parametrize("chosen", LISTS)
def test_some_examples_are_those_of_the_batch_that_a_list_of_them_names(chosen: object) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), torch.randn(4, 3).double()
    places = np.arange(4)[chosen if isinstance(chosen, slice) else np.asarray(chosen)].tolist()
    linear, some = Linearization.of(model, x), Linearization.of(model, x[places])
    got, direction = linear.rows(chosen), linear.vjp(torch.ones(4, 2).double())
    assert got.shape == some.shape
    assert torch.equal(got.outputs, linear.outputs[places])
    assert torch.allclose(got @ direction, some @ direction, rtol=1e-12)


def test_a_network_that_differentiates_in_its_forward_pass_has_a_linearization() -> None:
    """As those of energies and of scores do."""

    class Force(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]

    torch.manual_seed(0)
    model, x = Force().double(), torch.randn(5, 3).double()
    line, v = Linearization.of(model, x), torch.randn(5, 3).double()
    full = empirical_ntk(model, x, outputs="full", method="dense").total
    assert torch.equal(line.outputs, model(x).detach())
    assert (line.kernel_product(v) - torch.einsum("nmcd,md->nc", full, v)).norm() < 1e-10 * full.norm()

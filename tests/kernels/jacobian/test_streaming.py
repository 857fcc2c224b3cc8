"""Kernels taken layer by layer during the backward pass: equal to the oracle's, and holding no more than they need."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from regime import empirical_ntk, plan_ntk
from regime.kernels.jacobian import verify
from regime.kernels.jacobian.capture import capture, learn_structure, stream
from regime.kernels.jacobian.layer import LayerJacobian
from tests.benchmarks import large
from tests.kernels.jacobian.architectures import relative

TINY = large.SMALL | {"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tokens(n: int = 5, length: int = 7) -> dict[str, Tensor]:
    return {"input_ids": torch.randint(large.SMALL["vocab_size"], (n, length)), "logits_to_keep": 1}


def several(output: object, inputs: object) -> Tensor:
    del inputs
    return output.logits[:, -1, :3]


@pytest.mark.parametrize("readout", [large.difference, several])
@pytest.mark.parametrize("outputs", ["trace", "full"])
def test_a_small_model_of_the_family_equals_the_oracle(readout: Callable, outputs: str) -> None:
    model, inputs = large.model(TINY).double(), tokens()
    want = empirical_ntk(model, inputs, readout=readout, outputs=outputs, method="dense")
    got = empirical_ntk(model, inputs, readout=readout, outputs=outputs)
    assert list(got.layers) == list(want.layers)
    for path, kernel in want.layers.items():
        assert relative(got.layers[path], kernel) < 1e-10, path


def test_outputs_one_after_another_equal_them_all_at_once() -> None:
    """Where all outputs' gradients do not fit, and those of one output do."""
    model, inputs = large.model(TINY).double(), tokens(9)
    settings = {"readout": several, "group": "total"}
    whole = plan_ntk(model, inputs, memory=2**30, **settings)
    memory = whole.bytes - 64 * 2**20
    plan = plan_ntk(model, inputs, memory=memory, **settings)
    assert plan.examples == 9
    assert plan.bytes <= memory < whole.bytes
    assert sum(each.bytes for each in plan.layers.values()) < sum(each.bytes for each in whole.layers.values())
    got, want = (empirical_ntk(model, inputs, memory=each, **settings).total for each in (memory, None))
    assert relative(got, want) < 1e-12


class Alive:
    """Tensors that were seen, and the bytes of those that something still holds."""

    def __init__(self) -> None:
        self.seen: dict[StorageWeakRef, int] = {}

    def see(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self.seen[StorageWeakRef(storage)] = storage.nbytes()

    @property
    def all(self) -> int:
        return sum(self.seen.values())

    @property
    def now(self) -> int:
        return sum(nbytes for memory, nbytes in self.seen.items() if not memory.expired())


def test_layers_are_let_go_of_as_they_are_handed_on() -> None:
    """Inputs and gradients alike, unless somebody keeps them."""
    model, inputs = large.model(TINY | {"num_hidden_layers": 8}), tokens()
    alive, held = Alive(), []

    def take(path: str, jacobian: LayerJacobian) -> None:
        del path
        held.append(alive.now)
        alive.see(*(tensor for part in jacobian.parts for tensor in vars(part).values() if isinstance(tensor, Tensor)))

    stream(model, inputs, take, large.difference, keep=False)
    assert len(held) == 3 + 8 * 6
    assert max(held) < alive.all / 4
    kept = capture(model, inputs, large.difference)
    assert sum(jacobian.nbytes for jacobian in kept.values()) > alive.all / 2


def test_the_check_holds_one_large_gradient_at_a_time() -> None:
    model = nn.Sequential(*[nn.Linear(128, 128, bias=False) for _ in range(8)])
    assert all(parameter.numel() >= verify.LARGE for parameter in model.parameters())
    alive, held = Alive(), []

    def take(path: str, name: str, gradient: Tensor) -> None:
        del path, name
        held.append(alive.now)
        alive.see(gradient)

    verify.each_gradient(model(torch.randn(3, 128)).sum(), {"": dict(model.named_parameters())}, take, keep=False)
    assert len(held) == 8
    assert max(held) <= alive.all / 8


def test_the_graph_of_the_probe_is_let_go_of_where_it_is_not_needed_again() -> None:
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double(), torch.randn(6, 4).double()
    structure = learn_structure(model, x, None)
    for _ in range(2):
        stream(model, x, lambda *_: None, structure=structure)
    stream(model, x, lambda *_: None, structure=structure, keep=False)
    with pytest.raises(ValueError, match="second time"):
        stream(model, x, lambda *_: None, structure=structure)


class Places(nn.Module):
    """A row of a table at each of many steps."""

    def __init__(self, take: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.table, self.layer, self.last, self.take = nn.Parameter(torch.randn(60, 8)), nn.Linear(8, 8), nn.Linear(8, 2), take

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            h = torch.tanh(self.layer(h) + x[:, t] + self.take(self.table, t))
        return self.last(h)


@pytest.mark.parametrize(
    "take", [lambda table, t: table[t], lambda table, t: table.unbind()[t], lambda table, t: table[t : t + 1]]
)
def test_rows_that_are_taken_one_at_a_time_hold_no_whole_table_each(take: Callable) -> None:
    model, x = Places(take).double(), torch.randn(5, 60, 8).double()
    part = capture(model, x)["(root)"].parts[0]
    assert sum(each.numel() for each in (part.g, part.ids)) < 2 * 5 * 60 * 2 * 8
    got, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
    assert relative(got, want) < 1e-10

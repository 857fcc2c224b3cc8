"""Recurrent layers and attention, taken as the calls they are composed of: as torch computes them, and as the dense oracle."""

from collections.abc import Callable, Iterator
from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from regime import empirical_ntk, plan_ntk
from regime.kernels.jacobian.capture import learn_structure
from regime.kernels.jacobian.composed import Composed
from tests.kernels.jacobian.architectures import assert_equals_oracle, doubles, prepared

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "tanh": nn.RNN, "relu": lambda *args, **own: nn.RNN(*args, nonlinearity="relu", **own)}
SOME = [("trace", "auto"), ("full", "per-example"), ("full", "token-gram")]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with doubles():
        yield


class Every(Composed):
    """Sees calls, and changes nothing."""

    def _called(self, function: Callable, args: tuple, kwargs: dict) -> object:
        return function(*args, **kwargs)


class Recurrent(nn.Module):
    """A recurrent layer, read at every step and in its last states; of sequences of any lengths where lengths are given."""

    def __init__(self, layer: nn.RNNBase, begins: bool = False) -> None:
        super().__init__()
        ways = 1 + layer.bidirectional
        self.layer, self.out = layer, nn.Linear(ways * (layer.proj_size or layer.hidden_size), 2)
        sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[: 1 + isinstance(layer, nn.LSTM)]
        self.start = nn.ParameterList(torch.randn(layer.num_layers * ways, 1, size) for size in sizes) if begins else None

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if not self.layer.batch_first:
            x = x.transpose(0, 1)
        start, longest = None, x.shape[int(self.layer.batch_first)]
        if self.start is not None:
            start = tuple(each.expand(-1, x.shape[int(not self.layer.batch_first)], -1).contiguous() for each in self.start)
            start = start if len(start) == 2 else start[0]
        if lengths is not None:
            x = rnn.pack_padded_sequence(x, lengths, batch_first=self.layer.batch_first, enforce_sorted=False)
        steps, ends = self.layer(x, start)
        if lengths is not None:
            steps, _ = rnn.pad_packed_sequence(steps, batch_first=self.layer.batch_first, total_length=longest)
        steps = self.out(steps.square()).mean(int(self.layer.batch_first))
        return steps + sum(each.square().sum((0, 2)).unsqueeze(1) for each in (ends if isinstance(ends, tuple) else (ends,)))


def recurrent(seed: int) -> tuple[Recurrent, int, str]:
    """A random layer, the size of its inputs, and what it is."""
    chance = Random(seed)
    torch.manual_seed(seed)
    kind, inputs, hidden = list(KINDS)[seed % 4], chance.randint(1, 4), chance.randint(2, 4)
    own = {
        "num_layers": chance.randint(1, 2),
        "bidirectional": chance.random() < 0.5,
        "batch_first": chance.random() < 0.5,
        "bias": chance.random() < 0.7,
    }
    if kind == "lstm" and chance.random() < 0.5:
        own["proj_size"] = hidden - 1
    return prepared(Recurrent(KINDS[kind](inputs, hidden, **own), chance.random() < 0.5)), inputs, f"{kind} {own}"


def evaluations(model: nn.Module, batch: Tensor | dict[str, Tensor]) -> int:
    """How often a kernel evaluates the model."""
    seen: list[int] = []
    handle = model.register_forward_hook(lambda *_: seen.append(1))
    empirical_ntk(model, batch)
    handle.remove()
    return len(seen)


@pytest.mark.parametrize("seed", range(12))
def test_recurrent_layers_are_computed_as_torch_does(seed: int) -> None:
    model, inputs, name = recurrent(seed)
    batch = {"x": torch.randn(4, 5, inputs), "lengths": torch.tensor([2, 5, 1, 5])}
    for each in ({"x": batch["x"]}, batch):
        want = model(**each)
        with Every() as seen:
            got = model(**each)
        assert seen.opened
        assert torch.allclose(got, want, rtol=1e-12, atol=1e-12), name
        wanted, found = (torch.autograd.grad(y.sum(), list(model.parameters())) for y in (want, got))
        assert all(torch.allclose(one, two, rtol=1e-10, atol=1e-10) for one, two in zip(wanted, found, strict=True)), name


@pytest.mark.parametrize("seed", range(12))
def test_recurrent_layers_equal_the_oracle(seed: int) -> None:
    model, inputs, _ = recurrent(seed)
    n, steps = Random(seed).choice([(1, 3), (4, 4), (3, 5), (5, 1)])
    assert_equals_oracle(model, torch.randn(n, steps, inputs), None, None, SOME)
    assert_equals_oracle(model, torch.randn(n, steps, inputs), None, torch.randn(2, steps + 1, inputs), SOME[:1])


@pytest.mark.parametrize("seed", range(4))
def test_sequences_of_any_lengths_equal_the_oracle(seed: int) -> None:
    """Packed, so that the examples of a step are fewer from step to step, and in another order."""
    model, inputs, _ = recurrent(seed)
    batch = {"x": torch.randn(4, 4, inputs), "lengths": torch.tensor([2, 4, 1, 4])}
    other = {"x": torch.randn(3, 6, inputs), "lengths": torch.tensor([6, 1, 3])}
    assert_equals_oracle(model, batch, None, None, SOME)
    assert_equals_oracle(model, batch, None, other, SOME[:1])
    assert evaluations(model, {key: torch.cat([value] * 5) for key, value in batch.items()}) < 12, "of 20 examples"


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers_are_not_evaluated_example_by_example(kind: str) -> None:
    model = prepared(Recurrent(KINDS[kind](3, 4, batch_first=True)))
    x = torch.randn(30, 5, 3)
    assert evaluations(model, x) < 6
    assert not learn_structure(model, x, None).unknown()
    assert plan_ntk(model, x).layers["layer"].method in ("token-gram", "per-example")


def test_recurrent_functions_by_keywords_equal_the_oracle() -> None:
    """Not taken apart: one evaluation an example."""

    class Keywords(nn.GRU):
        def forward(self, x: Tensor) -> Tensor:
            start, own = x.new_zeros(1, len(x), 2), dict.fromkeys(("train", "bidirectional"), False)
            settings = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "batch_first": True} | own
            return torch.gru(x, start, self._flat_weights, **settings)[0].square().mean(1)

    assert_equals_oracle(prepared(Keywords(3, 2)), torch.randn(4, 3, 3), None, None, SOME[:1])


class Attention(nn.Module):
    """Attention to other tokens, with a mask of padding, read at every token."""

    def __init__(self, layer: nn.MultiheadAttention, weights: bool) -> None:
        super().__init__()
        self.layer, self.weights, self.out = layer, weights, nn.Linear(layer.embed_dim, 2)

    def forward(self, x: Tensor, memory: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        memory = x if memory is None else memory
        padding = None if lengths is None else torch.arange(memory.shape[1]) >= lengths[:, None]
        if not self.layer.batch_first:
            x, memory = x.transpose(0, 1), memory.transpose(0, 1)
        keys, values = memory[..., : self.layer.kdim], memory[..., -self.layer.vdim :]
        h, weights = self.layer(x, keys, values, key_padding_mask=padding, need_weights=self.weights)
        h = self.out(h.square()).mean(int(self.layer.batch_first))
        return h if weights is None else h + weights.square().sum((1, 2)).unsqueeze(1)


ATTENTION = {
    "self": ({}, False, False),
    "self, tokens first": ({"batch_first": False}, False, False),
    "self, weights": ({"bias": False}, True, False),
    "self, more keys": ({"add_bias_kv": True, "add_zero_attn": True}, False, False),
    "other": ({}, False, True),
    "other, more keys": ({"add_bias_kv": True, "batch_first": False}, True, True),
    "other sizes": ({"kdim": 3, "vdim": 2}, False, True),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_equals_the_oracle(name: str) -> None:
    own, weights, crossed = ATTENTION[name]
    model = prepared(Attention(nn.MultiheadAttention(6, 2, **{"batch_first": True} | own), weights))

    def inputs(n: int, tokens: int) -> dict[str, Tensor]:
        other = {"memory": torch.randn(n, 4, 6)} if crossed else {}
        longest = 4 if crossed else tokens
        return {"x": torch.randn(n, tokens, 6), "lengths": 1 + torch.arange(n) % longest} | other

    for n, tokens in ((1, 3), (4, 4), (3, 5)):
        assert_equals_oracle(model, inputs(n, tokens), None, None, SOME)
    assert_equals_oracle(model, inputs(3, 5), None, inputs(2, 3), SOME[:1])
    assert evaluations(model, inputs(30, 3)) < 6
    assert not learn_structure(model, inputs(30, 3), None).alone


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformers_of_torch_are_not_evaluated_example_by_example(norm_first: bool) -> None:
    """In eval mode, where torch has a fast path of its own."""
    layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=norm_first)
    model = prepared(nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(18, 2)))
    assert_equals_oracle(model, torch.randn(3, 3, 6), None, None, SOME[:1])
    assert evaluations(model, torch.randn(30, 3, 6)) < 6

"""Kernels of attention heads: of the rows and columns that are a head's own, and together those of the layers."""

from collections.abc import Callable, Iterator
from itertools import permutations

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from regime import empirical_ntk, plan_ntk
from tests.kernels.jacobian.architectures import ARCHITECTURES, doubles, explicit, prepared, relative

MODELS = {
    "bert": {"encoder.layer.0.attention.self.query": 2, "encoder.layer.0.attention.output.dense": 2, "pooler.dense": 0},
    "gpt2": {"h.0.attn.c_attn": 2, "h.0.attn.c_proj": 2, "h.0.mlp.c_proj": 0},
    "mixtral": {"layers.0.self_attn.q_proj": 2, "layers.0.self_attn.k_proj": 0, "layers.0.mlp.gate": 0},
    "t5": {"encoder.block.0.layer.0.SelfAttention.q": 2, "decoder.block.0.layer.1.EncDecAttention.o": 2},
    "bloom": {"h.0.self_attention.query_key_value": 2, "h.0.self_attention.dense": 2},
    "transformer": {"mix.encoder.layers.0.self_attn": 2, "mix.decoder.layers.0.multihead_attn.out_proj": 2, "out": 0},
    "multihead attention, other keys": {"mix": 2, "mix.out_proj": 2, "out": 0},
}
"""Some layers, and how many heads they have; 0 where they stay whole."""


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with doubles():
        torch.manual_seed(0)
        yield


def heads_of(layers: dict[str, Tensor | None], path: str) -> list[str]:
    return [name for name in layers if name.startswith(f"{path}.head")]


@pytest.mark.parametrize("name", MODELS)
def test_heads_sum_to_their_layer(name: str) -> None:
    model = ARCHITECTURES[name]()
    batch, other = model.inputs(*model.sizes), model.inputs(*model.other)
    for settings in ({}, {"other": other, "outputs": "full"}):
        heads, layers, dense = (
            empirical_ntk(model.model, batch, readout=model.readout, **settings, **own).layers
            for own in ({"group": "head"}, {}, {"group": "head", "method": "dense"})
        )
        assert list(heads) == list(dense)
        size = sum(kernel for kernel in layers.values() if kernel is not None).norm()
        for path, kernel in heads.items():
            assert (kernel is None) == (dense[path] is None)
            assert kernel is None or (kernel - dense[path]).norm() < 1e-11 * size, path
        for path, kernel in layers.items():
            mine = [heads[each] for each in [*heads_of(heads, path), path] if heads.get(each) is not None]
            assert kernel is None or (sum(mine) - kernel).norm() < 1e-11 * size, path
        for path, count in MODELS[name].items():
            assert len(heads_of(heads, path)) == count, path
    assert plan_ntk(model.model, batch, readout=model.readout, group="head").bytes > 0


class Attention(nn.Module):
    """Attention of three heads, written by hand, of which one can be switched off."""

    def __init__(self, off: int | None = None) -> None:
        super().__init__()
        self.num_heads, self.off = 3, off
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(6, 6) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (3, 2)).transpose(1, 2) for layer in (self.q_proj, self.k_proj, self.v_proj))
        h = (q @ k.mT).softmax(-1) @ v
        if self.off is not None:
            h = h * (torch.arange(3) != self.off)[:, None, None]
        return self.out_proj(h.transpose(1, 2).flatten(2)).mean(1)


def test_a_head_is_its_rows_and_columns() -> None:
    model, x = prepared(nn.Sequential(Attention(), nn.Linear(6, 2))), torch.randn(4, 5, 6)
    got, whole = empirical_ntk(model, x, group="head").layers, explicit(model, x)
    for head in range(3):
        rows, own = whole["0.q_proj"], slice(2 * head, 2 * head + 2)
        mine = torch.cat([rows[..., :36].unflatten(-1, (6, 6))[..., own, :].flatten(2), rows[..., 36:][..., own]], -1)
        assert relative(got[f"0.q_proj.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12
        mine = whole["0.out_proj"][..., :36].unflatten(-1, (6, 6))[..., own].flatten(2)
        assert relative(got[f"0.out_proj.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12
    bias = whole["0.out_proj"][..., 36:]
    assert relative(got["0.out_proj"], torch.einsum("ncp,mcp->nm", bias, bias) / 2) < 1e-12
    assert "0.q_proj" not in got


class FusedAttention(nn.Module):
    """Attention of three heads of two; one layer gives queries, keys and values (axis 0), of heads (1), with features (2)."""

    def __init__(self, order: tuple[int, ...], name: str = "qkv", *, norm: bool = False, turned: bool = False) -> None:
        super().__init__()
        self.num_heads, self.order, self.name, self.turned = 3, order, name, turned
        self.add_module(name, nn.Linear(6, 18))
        self.norm = nn.LayerNorm(6) if norm else nn.Identity()
        self.out_proj = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        made = self.get_submodule(self.name)(x).unflatten(-1, [3 if each < 2 else 2 for each in self.order])
        which, head, feature = (2 + self.order.index(axis) for axis in range(3))
        q, k, v = made.permute(which, 0, 1, head, feature)
        q = self.norm(q.flatten(2)).unflatten(-1, (3, 2))
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        h = ((q @ k.mT).softmax(-1) @ v).transpose(1, 2)
        return self.out_proj((h.mT if self.turned else h).flatten(2)).mean(1)


@pytest.mark.parametrize("seed", range(4))  # gradients of keys' biases vanish, some of them exactly
@pytest.mark.parametrize("name", ["qkv", "query_key_value", "c_attn", "all_of_them"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_heads_are_seen_in_what_a_layer_does_and_not_in_its_name(name: str, order: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    model, x = prepared(nn.Sequential(FusedAttention(order, name), nn.Linear(6, 2))), torch.randn(4, 5, 6)
    got, whole = empirical_ntk(model, x, group="head").layers, explicit(model, x)[f"0.{name}"]
    sizes = [3 if each < 2 else 2 for each in order]
    rows = whole[..., :108].unflatten(-1, [*sizes, 6]).movedim(2 + order.index(1), 0).flatten(3)
    biases = whole[..., 108:].unflatten(-1, sizes).movedim(2 + order.index(1), 0).flatten(3)
    for head, mine in enumerate(torch.cat([rows, biases], -1)):
        assert relative(got[f"0.{name}.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12
    assert f"0.{name}" not in got


def test_what_no_one_head_owns_stays_whole() -> None:
    x, heads = torch.randn(4, 5, 6), [f".head{head}" for head in range(3)]
    normed = prepared(nn.Sequential(FusedAttention((0, 1, 2), norm=True), nn.Linear(6, 2)))
    got = [path for path in empirical_ntk(normed, x, group="head").layers if path.startswith("0.")]
    # queries of a head move those of the others, through their norm; its gains and biases stand behind it
    assert sorted(got) == sorted(
        ["0.qkv", "0.out_proj", *(f"0.{path}{head}" for path in ("norm", "out_proj") for head in heads)]
    )
    turned = prepared(nn.Sequential(FusedAttention((0, 1, 2), turned=True), nn.Linear(6, 2)))
    with pytest.raises(ValueError, match="no layer gives rows to one head alone"):  # columns of outputs are in another order
        empirical_ntk(turned, x, group="head")
    narrow = prepared(nn.Sequential(Attention(), nn.Linear(6, 2)))
    narrow[0].q_proj = prepared(nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 6)))
    got = [path for path in empirical_ntk(narrow, x, group="head").layers if path.startswith("0.q_proj")]
    assert got == ["0.q_proj.0", *(f"0.q_proj.1{head}" for head in heads)]


def test_a_head_that_is_off_learns_nothing() -> None:
    model = prepared(nn.Sequential(Attention(off=1), nn.Linear(6, 2)))
    got = empirical_ntk(model, torch.randn(4, 5, 6), group="head").layers
    sizes = {path: kernel.norm() for path, kernel in got.items() if path.startswith("0.") and ".head" in path}
    assert all((size < 1e-12) == path.endswith(".head1") for path, size in sizes.items())


def test_chosen_layers_alone() -> None:
    model, x = prepared(nn.Sequential(Attention(), nn.Linear(6, 2))), torch.randn(4, 5, 6)
    got = empirical_ntk(model, x, group="head", layers=["0.q_proj", "1"]).layers
    assert list(got) == ["0.q_proj.head0", "0.q_proj.head1", "0.q_proj.head2", "1"]


@pytest.mark.parametrize("use", [empirical_ntk, plan_ntk])
def test_a_model_without_heads_is_refused(use: object) -> None:
    with pytest.raises(ValueError, match="the model has no attention heads"):
        use(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(3, 4), group="head")
    with pytest.raises(ValueError, match="allowed: 'layer', 'block', 'total', 'head'"):
        use(nn.Linear(4, 1), torch.randn(3, 4), group="heads")


def test_keys_that_heads_share() -> None:
    config = LlamaConfig(
        vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2
    )
    model, tokens = prepared(LlamaModel(config)), {"input_ids": torch.randint(9, (4, 5))}
    readout = lambda output, _: output.last_hidden_state.mean(1)  # noqa: E731
    got = empirical_ntk(model, tokens, readout=readout, group="head").layers
    at = "layers.0.self_attn"
    assert [len(heads_of(got, f"{at}.{each}_proj")) for each in "qkvo"] == [4, 2, 2, 4]
    rows = explicit(model, tokens, readout)[f"{at}.k_proj"].unflatten(-1, (2, -1))
    for head in range(2):
        mine = rows[..., head, :]
        assert relative(got[f"{at}.k_proj.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 8) < 1e-12


class AttentionOfPairs(nn.Module):
    """Attention of four heads of two, by the names that diffusion models have; one layer gives keys, then values."""

    def __init__(self, keys: int) -> None:
        super().__init__()
        self.heads, self.num_kv_heads = 4, keys
        self.to_q, self.to_kv, self.to_out = (
            nn.Linear(6, 8),
            nn.Linear(6, 4 * keys),
            nn.Sequential(nn.Linear(8, 6), nn.Dropout()),
        )

    def forward(self, x: Tensor) -> Tensor:
        q, kv = self.to_q(x).unflatten(-1, (4, 2)), self.to_kv(x).unflatten(-1, (2, self.num_kv_heads, 2))
        k, v = kv.repeat_interleave(4 // self.num_kv_heads, -2).unbind(-3)
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        return self.to_out(((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)).mean(1)


@pytest.mark.parametrize("keys", [4, 2])
def test_keys_and_values_of_one_layer(keys: int) -> None:
    model, x = prepared(nn.Sequential(AttentionOfPairs(keys), nn.Linear(6, 2))), torch.randn(4, 5, 6)
    got, rows = empirical_ntk(model, x, group="head").layers, explicit(model, x)["0.to_kv"]
    assert [len(heads_of(got, f"0.{each}")) for each in ("to_q", "to_kv", "to_out.0")] == [4, keys, 4]
    weights, biases = rows[..., : 24 * keys].unflatten(-1, (2, keys, 12)), rows[..., 24 * keys :].unflatten(-1, (2, keys, 2))
    for head in range(keys):
        mine = torch.cat([each[..., head, :].flatten(2) for each in (weights, biases)], -1)
        assert relative(got[f"0.to_kv.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12


def test_heads_of_layers_that_are_used_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.MultiheadAttention(6, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(2):
                x = x + self.mix(x, x, x)[0]
            return x.mean(1)

    model, x = prepared(Twice()), torch.randn(4, 5, 6)
    got, whole = empirical_ntk(model, x, group="head").layers, empirical_ntk(model, x).layers
    assert relative(sum(got[f"mix.head{head}"] for head in range(3)), whole["mix"]) < 1e-12
    assert len(heads_of(got, "mix.out_proj")) == 3


class AttentionByHand(nn.Module):
    """Attention of three heads from stacks of weights, a weight that convolves, and a table and a scale for each head."""

    def __init__(self, multiply: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.num_heads, self.multiply = 3, multiply
        self.queries, self.scale = nn.Parameter(torch.randn(3, 6, 2)), nn.Parameter(torch.randn(3, 1, 1))
        self.keys, self.values = nn.Conv1d(6, 6, 3, padding=1), nn.Linear(6, 6)
        self.table, self.out_proj = nn.Embedding(5, 3), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        q, at = self.multiply(x, self.queries), torch.arange(x.shape[1])
        k, v = (each.unflatten(-1, (3, 2)).transpose(1, 2) for each in (self.keys(x.mT).mT, self.values(x)))
        far = self.table((at[:, None] - at).abs()).permute(2, 0, 1)
        h = (self.scale * (q @ k.mT) + far).softmax(-1) @ v
        return self.out_proj(h.transpose(1, 2).flatten(2)).mean(1)


MULTIPLICATIONS = {
    "einsum": lambda x, w: torch.einsum("btd,hde->bhte", x, w),
    "matmul": lambda x, w: x[:, None] @ w,
    "one by one": lambda x, w: torch.stack([x @ each for each in w], 1),
}


@pytest.mark.parametrize("how", MULTIPLICATIONS)
def test_heads_of_weights_of_any_kind(how: str) -> None:
    model, x = prepared(nn.Sequential(AttentionByHand(MULTIPLICATIONS[how]), nn.Linear(6, 2))), torch.randn(4, 5, 6)
    got, slow = (empirical_ntk(model, x, group="head", **own).layers for own in ({}, {"method": "dense"}))
    split = [f"0{layer}.head{head}" for layer in ("", ".keys", ".values", ".out_proj") for head in range(3)]
    assert list(got) == list(slow)
    assert set(got) == {*split, "0.out_proj", "0.table", "1"}
    assert all(relative(kernel, slow[path]) < 1e-12 for path, kernel in got.items())

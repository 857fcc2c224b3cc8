"""Kernels of attention heads: of the rows and columns that are a head's own, and together those of the layers."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from regime import empirical_ntk, plan_ntk
from regime.kernels.jacobian.dense import jacobian
from tests.kernels.jacobian.architectures import ARCHITECTURES, doubles, prepared, relative

MODELS = {
    "bert": {"encoder.layer.0.attention.self.query": 2, "encoder.layer.0.attention.output.dense": 2, "pooler.dense": 0},
    "gpt2": {"h.0.attn.c_attn": 2, "h.0.attn.c_proj": 2, "h.0.mlp.c_proj": 0},
    "mixtral": {"layers.0.self_attn.q_proj": 2, "layers.0.self_attn.k_proj": 1, "layers.0.mlp.gate": 0},
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
    got, whole = empirical_ntk(model, x, group="head").layers, jacobian(model, x)
    for head in range(3):
        rows, own = whole["0.q_proj"], slice(2 * head, 2 * head + 2)
        mine = torch.cat([rows[..., :36].unflatten(-1, (6, 6))[..., own, :].flatten(2), rows[..., 36:][..., own]], -1)
        assert relative(got[f"0.q_proj.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12
        mine = whole["0.out_proj"][..., :36].unflatten(-1, (6, 6))[..., own].flatten(2)
        assert relative(got[f"0.out_proj.head{head}"], torch.einsum("ncp,mcp->nm", mine, mine) / 2) < 1e-12
    bias = whole["0.out_proj"][..., 36:]
    assert relative(got["0.out_proj"], torch.einsum("ncp,mcp->nm", bias, bias) / 2) < 1e-12
    assert "0.q_proj" not in got


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

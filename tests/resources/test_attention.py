"""Attention over few positions is that of torch's own, by whole products where oneDNN multiplies."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from regime.resources import attention
from regime.resources.attention import SHORT, ShortAttention


class Fused(TorchDispatchMode):
    """Counts calls of the processor's fused attention."""

    seen = 0

    def __torch_dispatch__(self, function: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        self.seen += "flash_attention_for_cpu" in str(function)
        return function(*args, **(kwargs or {}))


def heads(positions: int, seed: int = 0) -> list[Tensor]:
    return [each.requires_grad_() for each in torch.randn(3, 2, 4, positions, 8, generator=torch.Generator().manual_seed(seed))]


def attend(positions: int, named: bool) -> tuple[Tensor, ...]:
    query, key, value = heads(positions)
    given = {"query": query, "key": key, "value": value} if named else {}
    output = scaled_dot_product_attention(*([] if named else [query, key, value]), is_causal=True, **given)
    return output, *torch.autograd.grad(output.square().sum(), [query, key, value])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("positions", "faster", "fused"), [(16, True, 0), (16, False, 2), (SHORT, True, 2)])
def test_whole_products(positions: int, faster: bool, fused: int, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    want = attend(positions, named)
    monkeypatch.setattr(attention, "onednn_is_faster", lambda: faster)
    with Fused() as calls, ShortAttention():
        got = attend(positions, named)
    assert calls.seen == fused
    for one, two in zip(got, want, strict=True):
        torch.testing.assert_close(one, two)

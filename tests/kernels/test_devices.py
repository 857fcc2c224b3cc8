"""Device code without a device: no operation may mix devices, checked on tensors that have a device and no data."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from regime import empirical_ntk, infinite_ntk
from regime.kernels.jacobian import contraction
from regime.kernels.jacobian.blocks import rows
from regime.kernels.jacobian.parts import DensePart
from regime.kernels.spectrum import lanczos_top
from tests.kernels.jacobian.architectures import ARCHITECTURES, doubles


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of several devices, zero-dimensional ones aside."""

    def __torch_dispatch__(self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        del types
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor) and leaf.dim()]
        assert len({tensor.device for tensor in tensors}) <= 1, f"{function} mixes devices"
        return function(*args, **(kwargs or {}))


def on_meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("method", ["token-gram", "per-example"])
@pytest.mark.parametrize("same", [True, False])
def test_rules_keep_to_one_device(outputs: str, method: str, same: bool) -> None:
    a, g = on_meta(3, 5, 2, 4), on_meta(3, 5, 2, 2, 6)
    a2, g2 = (a, g) if same else (on_meta(3, 7, 1, 4), on_meta(3, 7, 1, 2, 6))
    with OneDevice():
        kernel = contraction.dense(a, g, a2, g2, weight=2.0, bias=0.5, outputs=outputs, method=method)
        of_rows = rows(on_meta(5, 2, 9), on_meta(5, 2, 9), outputs)
        part = DensePart(a[0], g[0], "weight", "bias", transposed=False, shape=(6, 4))
        moved = part.product({"weight": on_meta(6, 4), "bias": on_meta(6)})
        pulled = part.pullback(on_meta(5, 2))
    assert kernel.device.type == of_rows.device.type == moved.device.type == pulled["weight"].device.type == "meta"


def test_a_mixture_is_noticed() -> None:
    with OneDevice(), pytest.raises(AssertionError, match="mixes devices"):
        on_meta(3, 4) @ torch.ones(4, 2)


def test_lanczos_keeps_to_one_device() -> None:
    with OneDevice():
        assert lanczos_top(lambda v: 2 * v, torch.ones(1, 1, device="meta")).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_cuda_equals_cpu(name: str) -> None:
    """To rounding in single precision of some of torch's constants there, such as hardswish's one sixth."""
    architecture = ARCHITECTURES[name]()
    batch = architecture.inputs(*architecture.sizes)
    there = tree_map(lambda part: part.cuda() if isinstance(part, Tensor) else part, batch)
    with doubles():
        want = empirical_ntk(architecture.model, batch, readout=architecture.readout).total
        got = empirical_ntk(architecture.model.cuda(), there, readout=architecture.readout).total
    assert ((got.cpu() - want).norm() / want.norm()).item() < 1e-7


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["bert", "gpt2 with tied head"])
def test_a_kernel_on_cuda_is_the_same_every_time(name: str) -> None:
    """Where torch's own gradients are, which those of some convolutions and of upsampling are not."""
    architecture = ARCHITECTURES[name]()
    batch = {name: part.cuda() for name, part in architecture.inputs(*architecture.sizes).items()}
    model = architecture.model.cuda()
    one, two = (empirical_ntk(model, batch, readout=architecture.readout).total for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_infinite_kernels_on_cuda() -> None:
    x = torch.randn(5, 3, dtype=torch.float64)
    want, got = (infinite_ntk(each, depth=2, bias_std=0.5).ntk for each in (x, x.cuda()))
    assert torch.allclose(got.cpu(), want, rtol=1e-12)

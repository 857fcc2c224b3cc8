"""Settings of the whole process: float32 is multiplied as float32, by the faster library, and the settings come back."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from regime.resources import process
from regime.resources.process import full_precision, onednn_is_faster
from regime.resources.processor import of_processor

MATMUL = torch.backends.mkldnn.matmul
ONE, FINER = torch.ones(256, 256), torch.full((256, 256), 1 + 2**-12)
"""Products of these are exact in float32; bfloat16 takes both for one."""
ZEN = "AuthenticAMD", "AVX512"

pytestmark = pytest.mark.skipif(not hasattr(MATMUL, "fp32_precision"), reason="before torch 2.9")


@pytest.fixture
def anew() -> Iterator[None]:
    """The processor is looked at again, before and after."""
    onednn_is_faster.cache_clear()
    yield
    onednn_is_faster.cache_clear()


def products() -> list[Tensor]:
    return [
        FINER @ ONE,
        torch.addmm(ONE - ONE, ONE, FINER),
        torch.nn.functional.linear(FINER, ONE),
        (FINER[None] @ ONE[None])[0],
    ]


@pytest.mark.parametrize("asked", ["medium", "highest"])
def test_processors_multiply_float32_as_float32(asked: str) -> None:
    """Where a script asks for speed, those with tiles for it round factors to 8 bits."""
    torch.set_float32_matmul_precision(asked)
    try:
        before = MATMUL.fp32_precision
        with full_precision():
            assert MATMUL.fp32_precision == ("bf16" if onednn_is_faster() else "ieee")
            assert {float(value) for product in products() for value in product.unique()} == {256 + 2**-4}
        assert MATMUL.fp32_precision == before
        assert torch.get_float32_matmul_precision() == asked
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("anew")
@pytest.mark.skipif((of_processor("vendor_id"), torch.backends.cpu.get_cpu_capability()) != ZEN, reason="another processor")
def test_onednn_multiplies_where_mkl_is_slow() -> None:
    """The caller's autocast says nothing of the processor, and its setting comes back."""
    before = MATMUL.fp32_precision
    with torch.autocast("cpu", torch.bfloat16):
        assert onednn_is_faster()
    assert MATMUL.fp32_precision == before


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(("maker", "capability"), [("GenuineIntel", "AVX512"), ("AuthenticAMD", "AVX2"), ("", "AVX512")])
def test_mkl_multiplies_elsewhere(maker: str, capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "of_processor", {"vendor_id": maker}.get)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    assert not onednn_is_faster()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("function", ["addmm", "bmm"])
def test_onednn_does_not_multiply_where_it_rounds(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = getattr(torch, function)
    maker, capability = ZEN
    monkeypatch.setattr(process, "of_processor", {"vendor_id": maker}.get)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch, function, lambda *args: exact(*(each.bfloat16() for each in args)).float())
    assert not onednn_is_faster()

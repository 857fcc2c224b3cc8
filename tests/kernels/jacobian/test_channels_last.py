"""Networks whose channels come last in memory, as `model.to(memory_format=torch.channels_last)` has them.

There torch crashes in the gradient of a group norm, whole processes with it, where those of parameters alone are asked for.
"""

from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import regime
from tests.kernels.jacobian.architectures import relative

Norm = Callable[[nn.GroupNorm, Tensor], Tensor]
NORMS: dict[str, Norm] = {
    "module": lambda norm, h: norm(h),
    "functional": lambda norm, h: functional.group_norm(input=h, num_groups=4, weight=norm.weight, bias=norm.bias),
    "torch": lambda norm, h: torch.group_norm(input=h, num_groups=4, weight=norm.weight, bias=norm.bias),
    "operator": lambda norm, h: torch.ops.aten.group_norm(h, 4, norm.weight, norm.bias),
    "native": lambda norm, h: torch.native_group_norm(h, norm.weight, norm.bias, len(h), 8, h[0, 0].numel(), 4, 1e-5)[0],
    "from tokens": lambda norm, h: norm(h.flatten(2).mT.contiguous().mT.unflatten(2, h.shape[2:])),
}


class Images(nn.Module):
    """A convolution, a group norm in one of its ways, and a head."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.conv, self.norm, self.head, self.of = nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.Linear(8, 2), norm

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.of(self.norm, self.conv(x)).relu().mean((2, 3)))


@pytest.fixture(params=[*product(NORMS, (3, 6))], ids=str)
def given(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """A norm of 16 pixels, or of one, whose memory is in order either way."""
    torch.manual_seed(0)
    norm, size = request.param
    model, x = Images(NORMS[norm]).double(), torch.randn(9, 3, size, size, dtype=torch.float64)
    return model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("layers", [None, ["norm"]])
def test_kernels(given: tuple[nn.Module, Tensor], layers: list[str] | None) -> None:
    found, want = (regime.empirical_ntk(*given, layers=layers, method=method).total for method in ("auto", "dense"))
    assert relative(found, want) < 1e-12


def test_a_monitor_measures_them(given: tuple[nn.Module, Tensor]) -> None:
    """It asks along which axis the parameters of each layer act: for the gradients of these alone."""
    model, _ = given
    before = regime.empirical_ntk(*given, method="dense").total
    monitor = regime.Monitor(*given, loss=1.0)
    with torch.no_grad():
        model.norm.weight[:3] *= 2
    want = relative(regime.empirical_ntk(*given, method="dense").total, before)
    assert monitor.measure(1.0, loss=0.5).measures["kernel_change"] == pytest.approx(want, rel=1e-9)


MEASURES = [regime.empirical_ntk, partial(regime.empirical_ntk, method="dense"), regime.Linearization.of, regime.Monitor]


@pytest.mark.parametrize("measure", [*MEASURES, regime.plan_ntk])
@pytest.mark.parametrize("made", [torch.jit.script, lambda norm: torch.jit.trace(norm, torch.randn(2, 8, 4, 4).double())])
def test_scripted_ones_are_refused(measure: Callable, made: Callable) -> None:
    """No mode sees what they call, before it is in the graph."""
    model, x = Images(lambda norm, h: norm(h)).double(), torch.randn(9, 3, 6, 6, dtype=torch.float64)
    model.norm = made(model.norm)
    measure(model, x)
    with pytest.raises(ValueError, match="scripted group norm whose channels come last in memory; give the model a batch"):
        measure(model, x.to(memory_format=torch.channels_last))

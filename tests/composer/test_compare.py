"""Two checkpoints that do not match: of other precisions, or of other functions."""

import copy

import pytest
import torch
from torch import Tensor, nn

import regime


def pair() -> tuple[nn.Module, nn.Module, Tensor]:
    torch.manual_seed(0)
    before = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    after = copy.deepcopy(before)
    with torch.no_grad():
        for parameter in after.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return before, after, torch.randn(16, 4)


@pytest.mark.parametrize("of_batch", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("half", ["before", "after"])
def test_half_precision_beside_single(half: str, of_batch: torch.dtype) -> None:
    before, after, x = pair()
    x = x.bfloat16().float()
    (before if half == "before" else after).bfloat16()
    report = regime.compare(before, after, x.to(of_batch))
    wide = regime.compare(before.float(), after.float(), x)
    assert report.final["kernel_change"] == pytest.approx(wide.final["kernel_change"], rel=1e-4)


@pytest.mark.parametrize("which", ["before", "after"])
def test_a_checkpoint_that_is_not_loaded_is_refused_by_its_name(which: str) -> None:
    before, after, x = pair()
    given = {"before": before, "after": after}
    given[which].to("meta")
    with pytest.raises(ValueError, match=f"{which}: the parameter 0.weight is not here: it is on the meta device"):
        regime.compare(**given, batch=x)


class Scale(nn.Module):
    """A number that is in the state, and neither parameter nor buffer."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def get_extra_state(self) -> float:
        return self.scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


@pytest.mark.parametrize("others", [(nn.Tanh(), nn.ReLU()), (Scale(1.0), Scale(2.0))], ids=["modules", "extra state"])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_networks_that_compute_something_else_are_refused(
    others: tuple[nn.Module, nn.Module], double: bool, size: float
) -> None:
    before, after, x = pair()
    before[1], after[1] = others
    for model in (before, after):
        model[2].weight.data *= size
        model[2].bias.data *= size
    with pytest.raises(ValueError, match="after: it computes something else"):
        regime.compare(before, after.double() if double else after, x)
    after[1] = others[0]
    regime.compare(before, after, x)


def test_a_small_part_of_another_function_is_refused_where_precision_is_the_same() -> None:
    before, after, x = pair()
    before[1], after[1] = Scale(1.0), Scale(1.002)
    with pytest.raises(ValueError, match="after: it computes something else"):
        regime.compare(before, after, x)


@pytest.mark.parametrize("double", [False, True])
def test_outputs_that_are_small_differences_are_those_of_one_function(double: bool) -> None:
    before, _, x = pair()
    start, after = copy.deepcopy(before), copy.deepcopy(before)
    with torch.no_grad():
        after[0].weight += 1e-5
    report = regime.compare(
        before, after.double() if double else after, x, readout=lambda f, batch: f - start(batch.float()).detach()
    )
    assert 0 < report.final["kernel_change"] < 1e-4


def test_networks_that_are_loaded_to_evaluate_are_compared() -> None:
    torch.manual_seed(0)
    before, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(12, 4)
    after = copy.deepcopy(before)
    nn.init.normal_(after[0].weight)
    trainable = regime.compare(before, after, x).final
    after.requires_grad_(False)
    assert regime.compare(before, after, x).final == trainable
    before.requires_grad_(False)
    with pytest.raises(ValueError, match=r"^before: it has no trainable parameters"):
        regime.compare(before, after, x)


@pytest.mark.parametrize("layer", [0, 2])
def test_weights_that_are_not_finite_are_named_as_those_of_after(layer: int) -> None:
    before, after, x = pair()
    after[layer].weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match=rf"^after: its outputs are not finite .* parameter {layer}\.weight$"):
        regime.compare(before, after, x)

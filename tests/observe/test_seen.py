"""What modules gave is what is compared, not what others made of its memory afterwards."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import regime


def rectified(inplace: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 6, 2), nn.ReLU(inplace), nn.Conv1d(6, 4, 2), nn.ReLU(inplace), nn.Flatten(), nn.Linear(8, 2)
    )


class Residual(nn.Module):
    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.first, self.second, self.head, self.inplace = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2), inplace

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x.flatten(1)[:, :4])
        added = self.second(hidden.tanh())
        hidden = hidden.add_(added) if self.inplace else hidden + added
        return self.head(hidden.clamp_(min=0) if self.inplace else hidden.clamp(min=0))


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("make", [rectified, Residual])
def test_representations_are_those_of_the_same_network_that_writes_into_none(
    make: Callable[[bool], nn.Module], chunk: int | None
) -> None:
    x, found = torch.randn(9, 2, 4, generator=torch.Generator().manual_seed(1)), []
    for inplace in (False, True):
        torch.manual_seed(0)
        model = make(inplace)
        monitor = regime.Monitor(model, x, chunk=chunk)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        measured = monitor.measure(1).measures
        found.append((measured, [row["representation_change"] or 0.0 for row in monitor.report().layers]))
    for name in ("representation_change", "feature_movement"):
        assert found[0][0][name] == pytest.approx(found[1][0][name], rel=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


class Sorting(nn.Module):
    """Puts its rows in an order of their own, so that a batch passes in another order, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        order = x[:, 0].argsort()
        return self.head(self.first(x[order]).tanh())[order.argsort()]


@pytest.mark.parametrize("outputs", ["trace", "projection"])
def test_what_is_seen_is_the_batch_in_its_own_order(outputs: str) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(Sorting(), nn.Linear(2, 9)), torch.randn(9, 4)
    monitor = regime.Monitor(model, x, outputs=outputs, projections=4)
    assert torch.allclose(
        monitor.observer.start, monitor.observer.readout(model(x), x) if monitor.observer.readout else model(x)
    )
    with torch.no_grad():
        model[1].weight.mul_(1.1)
    assert monitor.measure(1).measures["taylor_gap"] < 1e-4

"""Whatever device torch makes tensors on by default, such as a script's GPU, every run is where it says, with the same numbers.

The default here is the meta device, whose tensors have no numbers: one that is made without saying where shows at once.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import regime
from regime import CheckpointConfig, ProbeConfig, ToyConfig
from regime.reproductions.catapult import train

TOY = {"steps": 4, "measure_every": 2, "samples": 8, "width": 8, "seeds": 2, "device": "cpu"}
PROBE = {"steps": 2, "measure_every": 1, "samples": 8, "probe_samples": 8, "max_tokens": 14, "device": "cpu"}


@pytest.fixture
def network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(10, 4), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)), torch.randint(10, (9, 3))


def measured(config: ToyConfig | ProbeConfig | CheckpointConfig) -> list[dict]:
    return [event.measures for event in regime.stream(config) if event.kind == "measured"]


def watched(model: nn.Module, batch: Tensor) -> dict:
    moving = copy.deepcopy(model)
    monitor = regime.Monitor(moving, batch, loss=1.0, outputs="projection", projections=4)
    with torch.no_grad():
        moving[0].weight.mul_(1.01)
    return monitor.measure(1.0, loss=0.5).measures


def same(call: Callable[[], object]) -> None:
    """The call gives the same with another default device."""
    want = call()
    with torch.device("meta"):
        got = call()
    assert repr(got) == repr(want)  # nan and all


@pytest.mark.parametrize("fields", [{}, {"task": "digits"}, {"optimizer": "adam"}, {"optimizer": "sgd", "batch_size": 4}])
def test_toys(fields: dict) -> None:
    same(lambda: measured(ToyConfig(**TOY, **fields)))


@pytest.mark.parametrize("fields", [{}, {"optimizer": "adamw", "batch_size": 4}, {"head": "fitted"}, {"readout": "last"}])
def test_probes(tiny_bert: str, fields: dict) -> None:
    same(lambda: measured(ProbeConfig(**PROBE, model=tiny_bert, **fields)))


def test_checkpoints() -> None:
    same(lambda: measured(CheckpointConfig(samples=8, revisions=["step-00000", "step-02600"], device="cpu")))


@pytest.mark.parametrize("outputs", ["trace", "full", "projection"])
def test_kernels(network: tuple[nn.Module, Tensor], outputs: str) -> None:
    same(lambda: regime.empirical_ntk(*network, outputs=outputs).total.tolist())


def test_infinite_kernels() -> None:
    x = torch.randn(4, 3)
    same(lambda: regime.infinite_ntk(x, depth=2, activation=torch.sin).ntk.tolist())


def test_monitor(network: tuple[nn.Module, Tensor]) -> None:
    same(lambda: watched(*network))


def test_networks_of_reproductions() -> None:
    same(lambda: [*train(1.0, 2, 2)])

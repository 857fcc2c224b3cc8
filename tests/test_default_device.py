"""Whatever torch makes by default, such as tensors on a script's GPU or of float64, every run has the same numbers.

The default device here is the meta device, whose tensors have no numbers: one that is made without saying where shows at once.
So does one of eight bits, but half precision is the least that torch takes as a default.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

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
    """The call gives the same with another default device, and of numbers of another kind."""
    want = repr(call())  # nan and all
    with torch.device("meta"):
        assert repr(call()) == want
    before = torch.get_default_dtype()
    for other in (torch.float64, torch.float16):
        torch.set_default_dtype(other)
        try:
            assert repr(call()) == want, other
        finally:
            torch.set_default_dtype(before)


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


@pytest.mark.parametrize("keys", [2, 4])
def test_kernels_of_heads(keys: int) -> None:
    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=8, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=keys
    )
    model, batch = LlamaModel(config).eval(), torch.randint(20, (4, 3))
    readout = lambda output, _: output.last_hidden_state[:, -1, :2]  # noqa: E731
    same(lambda: [k.tolist() for k in regime.empirical_ntk(model, batch, readout=readout, group="head").layers.values()])


@pytest.mark.parametrize("projections", [4, 11])
def test_projections_of_many_outputs(projections: int) -> None:
    torch.manual_seed(0)
    model, batch = nn.Linear(4, 20), torch.randn(9, 4)
    same(lambda: regime.empirical_ntk(model, batch, outputs="projection", projections=projections).error)


def test_infinite_kernels() -> None:
    x = torch.randn(4, 3)
    same(lambda: regime.infinite_ntk(x, depth=2, activation=torch.sin).ntk.tolist())


def test_monitor(network: tuple[nn.Module, Tensor]) -> None:
    same(lambda: watched(*network))


def test_networks_of_reproductions() -> None:
    same(lambda: [*train(1.0, 2, 2)])


def test_comparisons(network: tuple[nn.Module, Tensor]) -> None:
    model, batch = network
    later = copy.deepcopy(model)
    with torch.no_grad():
        later[0].weight.mul_(1.01)
    same(lambda: regime.compare(model, later, batch).history[-1].measures)


def test_linearizations(network: tuple[nn.Module, Tensor]) -> None:
    def products() -> list:
        line = regime.Linearization.of(*network)
        direction = {path: {name: p.detach() for name, p in own.items()} for path, own in line.vjp(line.outputs).items()}
        return [(line @ direction).tolist(), line.outputs.tolist()]

    same(products)

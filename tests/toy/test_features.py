"""What events show of features: units against a plain forward pass, directions against autograd, and what learning does."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor

import regime
from regime import ToyConfig
from regime.dynamics.snapshot import Snapshot
from regime.record.packing import unpack
from regime.toy.directions import average_gradient_outer_product
from regime.toy.producer import ToyRun
from tests.toy.plain import Plain

CONFIG = {"width": 48, "samples": 20, "test_samples": 70, "probe_samples": 9, "seeds": 2, "steps": 12, "measure_every": 4}
ROOM = 4000
"""Characters that features may add to an event."""
KEYS = ("units", "weights", "predictions", "directions")


class Wide:
    """The first of more inputs than an event has room for."""

    inputs, classes, meaning = 300, 0, "The first of many inputs."

    def draw(self, rng: np.random.Generator, n: int, config: ToyConfig) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        x = rng.standard_normal((n, 300))
        return x, x[:, 0]


def trained(**fields: object) -> tuple[ToyRun, Snapshot]:
    """A run in float64, and its last snapshot."""
    run = ToyRun(ToyConfig(**CONFIG | {"alpha": 0.2} | fields), dtype=torch.float64)
    *_, last = (item for item in run.snapshots() if isinstance(item, Snapshot))
    return run, last


def plain(run: ToyRun, parameters: list) -> Plain:
    return Plain(run.network, run.config.activation, parameters, 0)


def numbers(text: str) -> Tensor:
    return torch.tensor(unpack(text))


@pytest.mark.parametrize("fields", [{}, {"task": "sine", "activation": "tanh"}, {"parameterization": "mup", "bias": False}])
def test_units_are_those_of_a_plain_forward_pass(fields: dict) -> None:
    run, last = trained(**fields)
    drawn = run.view()
    units, now = drawn["units"], last.view["units"]
    assert units["layer"] == "hidden 2"
    tracked = units["tracked"]
    assert (len(tracked), tracked[0], tracked[-1]) == (40, 0, 47)
    dimensions = run.data.train.x.shape[1]
    axis = torch.linspace(-units["extent"], units["extent"], units["size"], dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * dimensions).view(-1, dimensions)
    pair = [plain(run, parameters) for parameters in (run.initial, run.experiment.training.parameters)]
    pictures, active = ([net.layers(x)[-2].detach().T for net in pair] for x in (grid, run.data.probe.x))
    close = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(numbers(units["maps"]).view(40, -1) * units["scale"], pictures[0][tracked], **close)
    torch.testing.assert_close(numbers(now["maps"]).view(8, -1) * units["scale"], pictures[1][now["most"]], **close)
    change = (active[1] - active[0]).norm(dim=1) / active[0].norm(dim=1).clamp(min=0.1 * _rms(active[0][tracked]))
    torch.testing.assert_close(numbers(now["change"]), change[now["most"]], rtol=1e-3, atol=0)
    assert change[now["most"]].min() >= change[[unit for unit in tracked if unit not in now["most"]]].max()
    weights, scale = drawn["weights"], run.network.scales[0]
    for net, text in zip(pair, (weights["rows"], last.view["weights"]), strict=True):
        bias = torch.zeros(48, 1) if net.bias0 is None else scale.bias * net.bias0[:, None]
        acting = torch.cat([scale.weight * net.weight0, bias], 1).detach()[weights["units"]]
        torch.testing.assert_close(numbers(text).view(acting.shape) * weights["scale"], acting.double(), **close)


def _rms(rows: Tensor) -> Tensor:
    return rows.norm(dim=1).square().mean().sqrt()


@pytest.mark.parametrize("fields", [{"task": "digits"}, {"task": "parity", "activation": "tanh", "trainable": "readout"}])
def test_directions_are_those_of_autograd_per_example(fields: dict) -> None:
    run, last = trained(**fields)
    net, x = plain(run, run.experiment.training.parameters), run.data.probe.x
    rows = [torch.autograd.functional.jacobian(net, example) for example in x]
    matrix = sum(row.T @ row for row in rows) / len(x)
    got = average_gradient_outer_product(run.network, run.experiment.training.parameters, x)[0]
    torch.testing.assert_close(got, matrix, rtol=1e-9, atol=1e-12)
    shown = last.view["directions"]
    assert shown["trace"] == pytest.approx(matrix.trace().item())
    torch.testing.assert_close(numbers(shown["diagonal"]), matrix.diagonal() / matrix.trace(), rtol=1e-3, atol=1e-6)
    shares, vectors = numbers(shown["shares"]), numbers(shown["vectors"]).view(3, -1)
    torch.testing.assert_close(matrix @ vectors.T, vectors.T * shares * matrix.trace(), rtol=0, atol=2e-3 * shown["trace"])
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=2e-3)


@pytest.mark.parametrize("task", ["digits", "smooth"])
def test_predictions_are_those_on_held_out_points(task: str) -> None:
    run, last = trained(task=task)
    first, now = run.view()["predictions"], last.view["predictions"]
    (x, y), outputs = run.data.test, run.config.outputs
    classes = y[:64].argmax(1) if outputs > 1 else torch.zeros(64, dtype=torch.long)
    assert first["classes"] == (classes.tolist() if outputs > 1 else None)
    shown = lambda values: values[range(64), classes]  # noqa: E731
    nets = [plain(run, parameters)(x[:64]).detach() for parameters in (run.experiment.training.parameters, run.initial)]
    close = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(numbers(now["network"]), shown(0.2 * (nets[0] - nets[1])), **close)
    torch.testing.assert_close(numbers(first["targets"]), shown(y[:64]), **close)
    twin = run.experiment.twin.outputs(run.experiment.points["test"])[0, :64]
    torch.testing.assert_close(numbers(now["twin"]), shown(twin), **close)


@pytest.mark.parametrize(
    "fields", [{"task": "rings"}, {"task": "sine"}, {"task": "parity"}, {"task": "digits"}, {"task": "modular-addition"}]
)
def test_features_add_at_most_4_kilobytes_to_an_event(fields: dict) -> None:
    events = list(regime.stream(ToyConfig(**CONFIG | fields | {"width": 128, "seeds": 1})))
    for event in (event for event in events if event.kind == "measured"):
        features = {name: part for name, part in event.view.items() if name in KEYS}
        assert len(features) == 2
        assert len(json.dumps(features)) <= ROOM
    shape = events[0].view.get("directions", {}).get("shape")
    assert shape == {"digits": [8, 8], "parity": [20], "modular-addition": [46]}.get(fields["task"])
    assert events[-1].report["history"][-1]["view"].keys() >= features.keys()


def test_of_many_inputs_there_are_predictions_alone() -> None:
    _, last = trained(task=Wide)
    assert {*last.view} & {*KEYS} == {"predictions"}


def test_of_several_cells_no_features_are_drawn() -> None:
    run = ToyRun([ToyConfig(**CONFIG | {"alpha": alpha}) for alpha in (0.5, 2.0)])
    taken = [item for item in run.snapshots() if isinstance(item, Snapshot)]
    assert not {*run.view(), *taken[-1].view} & {*KEYS}


def test_rich_units_move_and_lazy_ones_hardly() -> None:
    changes = {}
    for alpha in (0.1, 30.0):
        report = regime.run(ToyConfig(width=128, alpha=alpha, seeds=1, steps=200, measure_every=200))
        changes[alpha] = unpack(report.history[-1].view["units"]["change"])
    assert changes[0.1].min() > 0.5
    assert changes[30.0].max() < 0.05


def test_parity_lights_up_the_inputs_that_decide_where_features_are_learned() -> None:
    lit = {}
    for alpha in (0.05, 30.0):
        fields = {"task": "parity", "sparsity": 2, "width": 256, "samples": 256, "depth": 1, "seeds": 1}
        report = regime.run(ToyConfig(**fields, alpha=alpha, steps=400, measure_every=400))
        diagonal = unpack(report.history[-1].view["directions"]["diagonal"])
        lit[alpha] = diagonal[:2].min() / diagonal[2:].max()
    assert lit[0.05] > 10, "each of the two outshines all others"
    assert lit[30.0] < 1

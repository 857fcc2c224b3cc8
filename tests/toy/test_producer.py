"""A whole toy run against plain modules trained by torch's own optimizer and a twin trained by torch.func."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import regime
from regime import ToyConfig, empirical_ntk
from regime.measures.measurement import measure
from regime.snapshots import Snapshot
from regime.toy.producer import ToyRun
from tests.toy.test_network import Plain

CONFIG = {"width": 14, "samples": 20, "test_samples": 6, "probe_samples": 9, "seeds": 2, "steps": 12, "measure_every": 4}
CASES = {
    "gd": {"optimizer": "gd", "alpha": 0.5},
    "gd, not centered": {"optimizer": "gd", "alpha": 3.0, "centered": False},
    "sgd": {"optimizer": "sgd", "batch_size": 7, "alpha": 2.0},
    "momentum, digits": {"optimizer": "momentum", "momentum": 0.8, "task": "digits", "activation": "tanh"},
}
Parameters = dict[str, Tensor]


def call(plain: Plain, x: Tensor, parameters: Parameters) -> Tensor:
    return torch.func.functional_call(plain, parameters, (x,))


def linearized(plain: Plain, start: Parameters, theta: Parameters, x: Tensor) -> Tensor:
    """f(theta_0) + J_0 (theta - theta_0)."""
    moved = {name: theta[name] - start[name] for name in start}
    f0, along = torch.func.jvp(partial(call, plain, x), (start,), (moved,))
    return f0 + along


class Oracle:
    """One seed: a plain module and its twin's parameters, each taking the step a run takes."""

    def __init__(self, run: ToyRun, seed: int) -> None:
        self.run, self.config = run, run.config
        self.plain = Plain(run.network, run.initial, seed).double()
        self.start = {name: part.detach().clone() for name, part in self.plain.named_parameters()}
        self.theta = dict(self.start)
        self.velocity = {name: torch.zeros_like(part) for name, part in self.start.items()}
        self.rate = run.learning_rate / self.config.alpha**2
        self.optimizer = torch.optim.SGD(self.plain.parameters(), lr=self.rate, momentum=run.descent.momentum)

    def scaled(self, outputs: Tensor, x: Tensor) -> Tensor:
        offset = call(self.plain, x, self.start) if self.config.centered else 0.0
        return self.config.alpha * (outputs - offset)

    def outputs(self, x: Tensor) -> Tensor:
        return self.scaled(self.plain(x), x)

    def twin(self, x: Tensor) -> Tensor:
        return self.scaled(linearized(self.plain, self.start, self.theta, x), x)

    def step(self, batch: Tensor) -> None:
        x, y = (part[batch] for part in self.run.data.train)
        residual = self.config.alpha * (self.twin(x) - y).detach() / len(batch)
        (gradients,) = torch.func.vjp(partial(call, self.plain, x), self.start)[1](residual)
        self.velocity = {name: self.run.descent.momentum * v + gradients[name] for name, v in self.velocity.items()}
        self.theta = {name: part - self.rate * self.velocity[name] for name, part in self.theta.items()}
        self.optimizer.zero_grad()
        ((self.outputs(x) - y).square().sum() / (2 * len(batch))).backward()
        self.optimizer.step()

    def hidden(self, x: Tensor) -> list[Tensor]:
        layers = []
        for weight, bias in list(zip(self.plain.weights, self.plain.biases, strict=True))[:-1]:
            h = self.config.weight_std * x @ weight.T / weight.shape[1] ** 0.5 + self.config.bias_std * bias
            x = self.run.network.activation.value(h)
            layers.append(x)
        return layers

    def check(self, now: Snapshot, seed: int) -> None:
        (x, y), test, probe = self.run.data
        close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
        close(now.outputs[seed], self.outputs(probe.x).detach())
        close(now.linear["linearization_gap"][seed], self.twin(probe.x).detach())
        losses = {"train": (x, y), "test": (test.x, test.y)}
        for name, (points, targets) in losses.items():
            for prefix, function in (("", self.outputs), ("twin_", self.twin)):
                wanted = (function(points).detach() - targets).square().sum() / (2 * len(points))
                close(now.losses[f"{prefix}{name}_loss"][seed], wanted)
        for name, wanted in zip(("hidden 1", "hidden 2"), self.hidden(probe.x), strict=True):
            close(now.representations[name][seed], wanted.detach())
        kernel = empirical_ntk(self.plain, x, outputs="full", method="dense").total
        flat = kernel.transpose(1, 2).reshape(y.numel(), y.numel())
        close(now.scalars["stability"][seed], self.run.learning_rate * torch.linalg.eigvalsh(flat)[-1] / len(x))
        close(sum(now.kernels.values())[seed], empirical_ntk(self.plain, probe.x, method="dense").total)
        moved = sum((part.detach() - self.start[name]).square().sum() for name, part in self.plain.named_parameters())
        close(sum(now.displacement.values())[seed], moved)


@pytest.mark.parametrize("case", CASES)
def test_snapshots_are_those_of_plain_networks_and_explicit_twins(case: str) -> None:
    config = ToyConfig(**CONFIG | CASES[case])
    run = ToyRun(config, dtype=torch.float64)
    snapshots = [item for item in run.snapshots() if isinstance(item, Snapshot)]
    assert [snapshot.step for snapshot in snapshots] == [0, 4, 8, 12]
    for seed in range(config.seeds):
        oracle, order = Oracle(run, seed), torch.Generator().manual_seed(config.data_seed)
        for step in range(config.steps + 1):
            if step % config.measure_every == 0:
                oracle.check(snapshots[step // config.measure_every], seed)
            partial_batch = config.batch < config.samples
            everything = torch.arange(config.samples)
            oracle.step(torch.randperm(config.samples, generator=order)[: config.batch] if partial_batch else everything)


def test_the_pictures_are_the_functions_of_the_first_seed() -> None:
    run = ToyRun(ToyConfig(**CONFIG | {"task": "sine", "alpha": 0.2, "steps": 60, "measure_every": 60}), dtype=torch.float64)
    *_, last = (item for item in run.snapshots() if isinstance(item, Snapshot))
    extent, size = run.view()["extent"], run.view()["size"]
    nearest = (torch.linspace(-extent, extent, size, dtype=torch.float64) - run.data.probe.x).abs().argmin(1)
    pictures = {name: torch.tensor(last.view[name], dtype=torch.float64)[nearest] for name in ("network", "twin")}
    values = {"network": last.outputs[0, :, 0], "twin": last.linear["linearization_gap"][0, :, 0]}
    apart = (values["network"] - values["twin"]).abs().max()
    for name in pictures:
        assert (pictures[name] - values[name]).abs().max() < apart / 3, name


def test_the_largest_gap_is_remembered() -> None:
    report = regime.run(ToyConfig(task="rings", width=64, alpha=0.1, seeds=2))
    for seed in range(2):
        path = [event.seeds["linearization_gap"][seed] for event in report.history[1:]]
        largest = [event.seeds["linearization_gap_max"][seed] for event in report.history[1:]]
        assert all(one <= two for one, two in pairwise(largest))
        assert largest[-1] == max(path) > path[-1]


def test_the_gap_is_that_of_the_snapshot() -> None:
    run = ToyRun(ToyConfig(**CONFIG), dtype=torch.float64)
    first, *_, last = (item for item in run.snapshots() if isinstance(item, Snapshot))
    missed = (last.outputs - last.linear["linearization_gap"]).flatten(1).norm(dim=1)
    want = missed / (last.outputs - first.outputs).flatten(1).norm(dim=1)
    assert torch.allclose(measure(last, first).model["linearization_gap"], want)

"""The public names as a typed program uses them: pytest runs this file, and `mypy --strict` reads it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import regime
from regime.dynamics.snapshot import Snapshot

TOY = regime.ToyConfig(task="rings", width=8, samples=16, test_samples=8, probe_samples=8, steps=4, measure_every=2)
SWEEP = regime.SweepConfig(base=TOY, axes={"width": (8, 9), "alpha": (0.5, 2.0)})
POINTS = torch.linspace(-1, 1, 24).view(8, 3)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def test_a_run_ends_in_a_report(tmp_path: Path) -> None:
    report = assert_type(regime.run(TOY), regime.Report)
    assert_type(report.verdict.interval, tuple[float, float] | None)
    assert_type(report.verdict.reasons, list[str])
    assert_type(report.final, dict[str, float | None])
    assert_type(report.history, list[regime.Measured])
    assert_type(report.save(tmp_path), Path)
    assert assert_type(regime.Report.load(tmp_path), regime.Report) == report


def test_events_are_told_apart_by_their_kind() -> None:
    for event in regime.stream(TOY):
        match event.kind:
            case "started":
                assert_type(event.learning_rate, float)
            case "measured":
                assert_type(event.measures, dict[str, float | None])
            case "finished":
                assert regime.Report.from_dict(event.report).config == TOY
    assert isinstance(event, regime.Finished)
    assert not isinstance(event, regime.Started | regime.Progress)
    for number, each in regime.stream_together([TOY, TOY.model_copy(update={"seed": 1})]):
        if each.kind == "finished":
            assert number in (0, 1)


def test_a_session_is_held_and_resumed(tmp_path: Path) -> None:
    session = regime.Session(TOY)
    *_, last = session.stream(measurements=1)
    assert last.kind == "measured"
    session.save(tmp_path / "held.pt")
    *_, last = assert_type(regime.Session.load(tmp_path / "held.pt"), regime.Session).stream()
    assert last.kind == "finished"


def test_a_sweep_ends_in_its_own_report() -> None:
    for event in regime.stream(SWEEP):
        if event.kind == "measured":
            assert event.cell.status == "finished"
    report = assert_type(regime.run(SWEEP), regime.SweepReport)
    assert report.values("kernel_change").shape == (2, 2, 4)
    assert_type(report.to_csv(), str)


def test_a_border_is_found() -> None:
    border = assert_type(regime.find_border(TOY, axis="alpha", side="lazy"), regime.Border)
    assert_type(border.value, float | None)
    assert next(regime.stream_border(TOY, axis="alpha", side="lazy")).kind == "trying"


def test_what_a_run_will_take() -> None:
    configs = TOY, SWEEP, regime.ProbeConfig(steps=1), regime.CheckpointConfig(model="modular-addition")
    for config in configs[:2]:
        assert assert_type(regime.estimate(config), regime.Estimate).seconds > 0
    assert_type(regime.within(TOY, 1.0), str)
    with pytest.raises(regime.ConfigError):
        regime.ToyConfig(width=-1)


def test_a_network_of_your_own() -> None:
    model = network()
    monitor = regime.Monitor(model, POINTS, readout=lambda output, _: output)
    assert_type(monitor.measure(1).measures, dict[str, float | None])
    assert_type(monitor.report(), regime.Report)
    assert_type(regime.compare(model, network(), {"input": POINTS}), regime.Report)


def test_kernels() -> None:
    kernel = assert_type(regime.empirical_ntk(network(), POINTS, outputs="full", group="block"), regime.NTK)
    assert_type(kernel.total, Tensor)
    assert assert_type(regime.plan_ntk(network(), POINTS, layers=["0"]), regime.Plan).seconds > 0
    linear = assert_type(regime.Linearization.of(network(), POINTS), regime.Linearization)
    assert_type(linear.kernel_product(linear.outputs), Tensor)
    assert_type(linear.top_eigenvalue, float)
    limit = assert_type(regime.infinite_ntk(POINTS, depth=2), regime.InfiniteKernel)
    targets = torch.ones(8, 1)
    path = regime.gradient_flow(limit.ntk, torch.zeros(8, 1), targets, torch.tensor([0.0, 1.0]))
    assert assert_type(path, Tensor).shape == (2, 8, 1)
    assert_type(regime.kernel_regression(limit.ntk, limit.ntk, targets, ridge=0.1), Tensor)


class Stripes:
    inputs, classes, meaning = 2, 2, "Stripes; the sign tells which."

    def draw(self, rng: np.random.Generator, n: int, config: regime.ToyConfig) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((n, 2))
        return x, np.sin(config.frequency * x[:, 0]) > 0


class SignDescent:
    scale_free = True

    def __init__(self, parameters: list[Tensor]) -> None: ...

    def state(self) -> list[Tensor]:
        return []

    def step(self, gradients: list[Tensor]) -> list[Tensor]:
        return [gradient.sign() for gradient in gradients]


class Size:
    name, meaning = "size", "||f_t||**2 on the probe points"

    def __call__(self, now: Snapshot, start: Snapshot) -> Tensor:
        assert now.outputs.shape == start.outputs.shape
        return now.outputs.flatten(1).square().sum(1)


class Embedded(nn.Embedding):
    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        assert mask is None or mask.shape == ids.shape
        return super().forward(ids)


def embedded() -> tuple[nn.Module, Callable[[str], list[int]]]:
    return Embedded(256, 8), lambda text: list(text.encode())


def test_parts_of_ones_own() -> None:
    task: regime.OwnTask = Stripes()
    optimizer: type[regime.OwnOptimizer] = SignDescent
    measure: regime.OwnMeasure = Size()
    model: regime.OwnModel = embedded
    assert (task.inputs, optimizer.__name__, measure.name, model()[1]("a")) == (2, "SignDescent", "size", [97])
    small = {"width": 8, "samples": 16, "test_samples": 8, "probe_samples": 8, "steps": 2, "learning_rate": 0.01}
    config = regime.ToyConfig(task=Stripes, optimizer=SignDescent, measures=[Size]).model_copy(update=small)
    assert regime.run(config).final["size"] is not None
    assert regime.ProbeConfig(model=embedded, optimizer=torch.optim.Adam, learning_rate=0.1, measures=[Size]).named == []
    assert regime.Monitor(network(), POINTS, measures=[Size()]).report().definitions == {"size": Size.meaning}


def test_every_public_name_is_used_here() -> None:
    assert_type(regime.__version__, str)
    code = Path(__file__).read_text()
    assert not [name for name in regime.__all__ if f"regime.{name}" not in code]


def test_a_type_checker_finds_nothing() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental"], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

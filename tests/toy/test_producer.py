"""A whole toy run against plain modules and explicit twins, both trained by torch's own optimizers."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import regime
from regime import ToyConfig, empirical_ntk, infinite_ntk, kernel_regression
from regime.dynamics.losses import error
from regime.dynamics.snapshot import Snapshot
from regime.measures.definitions import DEFINITIONS
from regime.record.packing import unpack
from regime.toy import limit
from regime.toy.producer import ToyRun
from tests.benchmarks.memory import peak
from tests.toy.plain import Optimizer, Plain, call, linearized, loss

CONFIG = {"width": 14, "samples": 20, "test_samples": 6, "probe_samples": 9, "seeds": 2, "steps": 12, "measure_every": 4}
CASES = {
    "gd": {"optimizer": "gd", "alpha": 0.5},
    "gd, not centered": {"optimizer": "gd", "alpha": 3.0, "centered": False},
    "gd, weight decay, not centered": {"alpha": 2.0, "weight_decay": 3.0, "centered": False},
    "sgd, off the beat": {"optimizer": "sgd", "batch_size": 7, "alpha": 2.0, "steps": 10},
    "sgd, weight decay": {"optimizer": "sgd", "batch_size": 7, "weight_decay": 2.0},
    "momentum, digits": {"optimizer": "momentum", "momentum": 0.8, "task": "digits", "activation": "tanh"},
    "momentum, coupled decay": {"optimizer": "momentum", "momentum": 0.5, "weight_decay": 3.0, "alpha": 0.5},
    "momentum, decoupled decay": {"optimizer": "momentum", "weight_decay": 3.0, "decoupled": True, "alpha": 2.0},
    "adam": {"optimizer": "adam", "activation": "gelu", "alpha": 0.5},
    "adam, batches, coupled decay": {"optimizer": "adam", "batch_size": 7, "weight_decay": 0.1, "alpha": 2.0},
    "adam, decoupled decay, mup": {
        "optimizer": "adam", "weight_decay": 0.2, "decoupled": True, "parameterization": "mup", "learning_rate": 0.05,
    },
    "logistic": {"loss": "cross-entropy", "activation": "erf"},
    "softmax, adam": {"loss": "cross-entropy", "task": "digits", "optimizer": "adam"},
    "standard, no bias": {"parameterization": "standard", "bias": False},
    "mup, momentum": {"parameterization": "mup", "optimizer": "momentum", "init_scale": 0.5},
    "mean-field": {"parameterization": "mean-field", "depth": 1, "weight_decay": 1.0},
    "bottleneck": {"bottleneck": 3, "bottleneck_layer": 2, "activation": "linear"},
    "readout": {"trainable": "readout", "optimizer": "momentum", "weight_decay": 1.0},
}  # fmt: skip
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)


def snapshots(run: ToyRun, state: dict | None = None) -> list[Snapshot]:
    return [item for item in run.snapshots(state) if isinstance(item, Snapshot)]


class Oracle:
    """One seed: a plain module and its twin's parameters, each taking the step a run takes."""

    def __init__(self, run: ToyRun, seed: int) -> None:
        self.run, self.config = run, run.config
        self.plain = Plain(run.network, self.config.activation, run.initial, seed)
        named = dict(self.plain.named_parameters())
        self.start = {name: part.detach().clone() for name, part in named.items()}
        self.theta = {name: part.clone() for name, part in self.start.items()}
        rate = run.learning_rate * (1 if self.config.optimizer == "adam" else run.network.step)
        self.rate = rate
        self.optimizers = [Optimizer(self.config, rate, part, run.network.scales) for part in (named, self.theta)]

    def scaled(self, outputs: Tensor, x: Tensor) -> Tensor:
        offset = call(self.plain, x, self.start) if self.config.centered else 0.0
        return self.config.alpha * (outputs - offset)

    def outputs(self, x: Tensor) -> Tensor:
        return self.scaled(self.plain(x), x)

    def twin(self, x: Tensor) -> Tensor:
        return self.scaled(linearized(self.plain, self.start, self.theta, x), x)

    def step(self, batch: Tensor) -> None:
        x, y = (part[batch] for part in self.run.data.train)
        theta = {name: part.clone().requires_grad_() for name, part in self.theta.items()}
        value = loss(self.config, self.scaled(linearized(self.plain, self.start, theta, x), x), y)
        own = torch.autograd.grad(loss(self.config, self.outputs(x), y), list(self.plain.parameters()))
        for optimizer, gradients in zip(self.optimizers, (own, torch.autograd.grad(value, list(theta.values()))), strict=True):
            optimizer.step(list(gradients))

    def check(self, now: Snapshot, seed: int) -> None:
        train, test, probe = self.run.data
        close(now.outputs[seed], self.outputs(probe.x).detach())
        close(now.linear["linearization_gap"][seed], self.twin(probe.x).detach())
        taylor = self.scaled(linearized(self.plain, self.start, dict(self.plain.named_parameters()), probe.x), probe.x)
        close(now.linear["taylor_gap"][seed], taylor.detach())
        for name, (points, targets) in {"train": train, "test": test}.items():
            for prefix, function in (("", self.outputs), ("twin_", self.twin)):
                values = function(points).detach()
                close(now.losses[f"{prefix}{name}_loss"][seed], loss(self.config, values, targets))
                close(now.losses[f"{prefix}{name}_error"][seed], error(values, targets, self.config.classes))
        for k, wanted in enumerate(self.plain.layers(probe.x)[:-1]):
            close(now.representations[f"hidden {k + 1}"][seed], wanted.detach())
        kernel = empirical_ntk(self.plain, train.x, outputs="full", method="dense").total
        flat = kernel.transpose(1, 2).reshape(train.y.numel(), train.y.numel())
        if self.config.optimizer != "adam":
            top = self.rate * torch.linalg.eigvalsh(flat)[-1] / len(train.x)
            torch.testing.assert_close(now.scalars["stability"][seed], top, rtol=1e-5, atol=0)
        close(now.train.kernel[seed], torch.einsum("nmcc->nm", kernel) / self.config.outputs)
        close(sum(now.kernels.values())[seed], empirical_ntk(self.plain, probe.x, method="dense").total)
        moved = sum((part.detach() - self.start[name]).square().sum() for name, part in self.plain.named_parameters())
        close(sum(now.displacement.values())[seed], moved)
        for layer, (outputs, linear) in now.moved.items():
            number = self.run.network.names.index(layer)
            alone = self.start | {k: v for k, v in self.plain.named_parameters() if k.endswith(str(number))}
            close(outputs[seed], self.scaled(call(self.plain, probe.x, alone), probe.x).detach())
            close(linear[seed], self.scaled(linearized(self.plain, self.start, alone, probe.x), probe.x).detach())


@pytest.mark.parametrize("case", CASES)
def test_snapshots_are_those_of_plain_networks_and_explicit_twins(case: str) -> None:
    config = ToyConfig(**CONFIG | CASES[case])
    run = ToyRun(config, dtype=torch.float64)
    taken = {snapshot.step: snapshot for snapshot in snapshots(run)}
    assert list(taken) == [*range(0, config.steps, 4), config.steps]
    for seed in range(config.seeds):
        oracle, order = Oracle(run, seed), torch.Generator().manual_seed(config.data_seed)
        for step in range(config.steps + 1):
            if step in taken:
                oracle.check(taken[step], seed)
            partial_batch = config.batch < config.samples
            everything = torch.arange(config.samples)
            oracle.step(torch.randperm(config.samples, generator=order)[: config.batch] if partial_batch else everything)


@pytest.mark.parametrize("case", ["sgd, off the beat", "momentum, coupled decay", "adam, batches, coupled decay"])
def test_a_run_goes_on_from_its_state(case: str) -> None:
    run = ToyRun(ToyConfig(**CONFIG | CASES[case]))
    state, after = None, []
    for snapshot in run.snapshots():
        if isinstance(snapshot, Snapshot):
            after += [snapshot] if state else []
            state = run.state() if snapshot.step == 4 else state
    again = snapshots(ToyRun(run.config), state)[1:]
    for one, other in zip(after, again, strict=True):
        assert (one.step, one.time) == (other.step, other.time)
        assert torch.equal(one.outputs, other.outputs)
        assert torch.equal(one.linear["linearization_gap"], other.linear["linearization_gap"])
    short = {**state, "tensors": state["tensors"][1:]}
    with pytest.raises(ValueError, match="not those of a run of this configuration"):
        snapshots(ToyRun(run.config), short)


def test_kernel_regressions_are_those_of_the_kernels_at_the_start_and_at_the_end() -> None:
    run = ToyRun(ToyConfig(**CONFIG | {"alpha": 0.3, "centered": False, "task": "digits", "width": 40}), dtype=torch.float64)
    first, *_, last = snapshots(run)
    assert first.losses["kernel_now_test_loss"].isnan().all()
    oracle, (x, y), test = Oracle(run, 1), run.data.train, run.data.test
    start = [oracle.outputs(points).detach() for points in (x, test.x)]
    for name in ("start", "now"):
        kernels = [empirical_ntk(oracle.plain, points, x, outputs="full", method="dense").total for points in (x, test.x)]
        want = kernel_regression(*kernels, y, initial=start[0], cross_initial=start[1])
        assert abs(last.losses[f"kernel_{name}_test_loss"][1] - loss(run.config, want, test.y)) < 1e-6
        assert last.losses[f"kernel_{name}_train_loss"][1] < 1e-12
        for _ in range(run.config.steps):
            oracle.step(torch.arange(20))
    assert (last.losses["kernel_now_test_loss"] - last.losses["kernel_start_test_loss"]).abs().min() > 1e-3


def features(run: ToyRun, seed: int) -> list[torch.Tensor]:
    """What the readout is given of training and test points, in float64, times its multiplier."""
    layers = [layer.map(torch.Tensor.double) for layer in run.initial]
    hidden = [run.network.forward(layers, part.x.double()).inputs[-1][seed] for part in (run.data.train, run.data.test)]
    return [part * run.network.scales[-1].weight for part in hidden]


def test_kernel_regression_of_a_readout_is_the_fit_of_least_norm() -> None:
    """As many features as noisy samples: in float32, the ridge that its rounding needs made 0.3 of such losses of 6."""
    fields = {"task": "smooth", "trainable": "readout", "depth": 1, "bias": False, "label_noise": 0.3, "seeds": 3}
    run = ToyRun(ToyConfig(width=64, samples=64, test_samples=64, probe_samples=16, steps=1, measure_every=1, **fields))
    *_, last = snapshots(run)
    assert run.dtype == torch.float32
    for seed in range(3):
        train, test = features(run, seed)
        weights = torch.linalg.lstsq(train, run.data.train.y.double()).solution
        want = loss(run.config, test @ weights, run.data.test.y.double()).item()
        assert last.losses["kernel_start_test_loss"][seed].item() == pytest.approx(want, rel=1e-3)
        assert last.floors["kernel_start_test_loss"][seed].item() < 1e-2 * want


def test_kernel_regression_that_rounding_decides_says_so() -> None:
    """A smooth kernel on a line has eigenvalues far below the rounding of float64: what fits noise with them is unknown."""
    fields = {"task": "sine", "activation": "tanh", "label_noise": 0.3, "steps": 1, "measure_every": 1, "samples": 32}
    report = regime.run(ToyConfig(seeds=2, width=32, test_samples=32, probe_samples=16, **fields))
    assert report.final["kernel_start_test_loss"] is None
    assert "near singular" in report.history[-1].undefined["kernel_start_test_loss"]
    assert "run ends" in report.history[0].undefined["kernel_start_test_loss"]
    easy = regime.run(ToyConfig(seeds=2, width=32, samples=16, test_samples=16, probe_samples=16, steps=1, measure_every=1))
    assert 0 <= easy.floors["kernel_now_test_loss"] < 1e-6 * easy.final["kernel_now_test_loss"]


def test_what_steps_round_is_in_the_floor_of_kernel_regression() -> None:
    """Trained in float64, networks end elsewhere, and a kernel near singular tells; of 376 losses, 5 by more."""
    sizes = {"width": 24, "samples": 40, "test_samples": 30, "probe_samples": 10}
    beyond, untold = 0, 0
    for task in ("rings", "moons", "multi-index"):
        config = ToyConfig(**sizes, task=task, seeds=8, steps=100, measure_every=100)
        single, double = ([*snapshots(ToyRun(config, dtype))][-1] for dtype in (torch.float32, torch.float64))
        apart = (single.losses["kernel_now_test_loss"].double() - double.losses["kernel_now_test_loss"]).abs()
        beyond += int((apart > single.floors["kernel_now_test_loss"]).sum())
        untold += int((apart > double.floors["kernel_now_test_loss"]).sum())
    assert beyond <= 3, "of 24"
    assert untold > 12, "which the ridge alone would not have told"


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_the_infinite_width_is_what_wide_networks_do(parameterization: str) -> None:
    """The average over seeds of wide networks' loss comes close to the limit's, in both parameterizations."""
    fields = {"width": 1024, "seeds": 4, "steps": 40, "measure_every": 40, "parameterization": parameterization}
    report = regime.run(ToyConfig(**CONFIG | fields | {"activation": "erf", "bias_std": 0.5}))
    final = report.final
    assert abs(final["infinite_train_loss"] / final["train_loss"] - 1) < 0.1
    assert abs(final["infinite_test_loss"] / final["test_loss"] - 1) < 0.1
    assert final["train_loss"] < 0.7 * report.history[0].measures["train_loss"]


def test_the_infinite_width_starts_at_zero_as_its_definition_says() -> None:
    """Wherever a network starts that is not centered: it is the mean over initializations."""
    run = ToyRun(ToyConfig(**CONFIG, centered=False, alpha=8.0))
    start = next(item for item in run.snapshots() if isinstance(item, Snapshot))
    infinite = start.losses["infinite_train_loss"].mean()
    assert infinite.item() == pytest.approx(run.data.train.y.square().sum(1).mean().item() / 2, rel=1e-5)
    assert start.losses["train_loss"].mean() > 10 * infinite
    assert "mean over initializations" in DEFINITIONS["infinite_train_loss"]
    assert "from outputs of zero" in DEFINITIONS["infinite_train_loss"]


@pytest.mark.parametrize("bias_std", [0.5, 2.0])
@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_the_infinite_kernel_is_the_mean_of_wide_networks_kernels(parameterization: str, bias_std: float) -> None:
    fields = {"width": 512, "seeds": 48, "parameterization": parameterization, "bias_std": bias_std}
    run = ToyRun(ToyConfig(**CONFIG | fields), dtype=torch.float64)
    expected = limit.points(run.config, run.network, run.data.train.x, run.data.train.x, 1).rows[0]
    jacobian = run.network.jacobian(run.initial, run.data.train.x)
    mean = sum(run.network.kernels(jacobian, jacobian).values()).mean(0).view_as(expected)
    assert (mean - expected).norm() < 0.06 * expected.norm()


def test_the_infinite_kernel_of_the_readout_alone_is_the_nngp() -> None:
    run = ToyRun(ToyConfig(**CONFIG | {"trainable": "readout"}), dtype=torch.float64)
    next(iter(item for item in run.snapshots() if isinstance(item, Snapshot)))
    nngp = infinite_ntk(run.data.train.x, depth=2, weight_std=2**0.5, bias_std=1.0).nngp
    close(run.experiment.limit.train.rows[0], nngp)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"parameterization": "mup"}, "features move at any width"),
        ({"parameterization": "mean-field", "depth": 1}, "features move at any width"),
        ({"bottleneck": 2}, "one layer stays narrow"),
        ({"optimizer": "adam"}, "under Adam"),
    ],
)
def test_where_there_is_no_infinite_width_the_report_says_why(fields: dict, reason: str) -> None:
    report = regime.run(ToyConfig(**CONFIG | fields))
    assert report.final["infinite_test_loss"] is None
    assert reason in report.undefined["infinite_test_loss"]


def test_the_forecast_is_the_twins_path_before_the_first_step() -> None:
    events = list(regime.stream(ToyConfig(**CONFIG | {"optimizer": "sgd", "batch_size": 7})))
    measured = [event for event in events if event.kind == "measured"]
    forecast = measured[0].view["forecast"]
    assert forecast["steps"] == [event.step for event in measured]
    for name in ("twin_train_loss", "twin_test_loss", "infinite_train_loss", "infinite_test_loss"):
        assert forecast[name] == pytest.approx([event.measures[name] for event in measured])


def test_the_kernels_picture_is_the_first_seeds_kernel_ordered_by_class() -> None:
    config = ToyConfig(**CONFIG | {"probe_samples": 16, "seeds": 2, "device": "cpu"})
    run = ToyRun(config, dtype=torch.float64)
    start = run.view()["kernel"]
    assert start["targets"] == sorted(start["targets"])
    order = run.pictured_points
    kernel = sum(run.bare(run.network.jacobian(run.initial, run.data.probe.x)).kernels.values())[0][order][:, order]
    drawn = torch.tensor(unpack(start["rows"])).view(16, 16) * start["scale"]
    assert torch.allclose(drawn, kernel, atol=1e-3 * start["scale"])
    last = [event for event in regime.stream(config) if event.kind == "measured"][-1].view["kernel"]
    assert unpack(last["rows"])[::17].sum() == pytest.approx(16, abs=0.01)
    assert last["rows"] != start["rows"]


@pytest.mark.parametrize("size", [0.0, torch.inf, torch.nan])
def test_a_kernel_without_a_size_has_no_picture(size: float) -> None:
    run = ToyRun(ToyConfig(**CONFIG | {"probe_samples": 16, "device": "cpu"}))
    assert run.kernel_picture({"hidden": torch.full((1, 16, 16), size)}) == {"scale": None, "rows": ""}


def test_the_forecast_skill_is_the_variance_explained_over_the_path() -> None:
    run = ToyRun(ToyConfig(**CONFIG | {"alpha": 0.3}), dtype=torch.float64)
    taken = snapshots(run)
    actual, linear = (
        torch.stack(part) for part in zip(*[(s.outputs, s.linear["linearization_gap"]) for s in taken], strict=True)
    )
    missed = (actual - linear).square().sum((0, 2, 3))
    around = (actual - actual.mean(2, keepdim=True)).square().sum((0, 2, 3))
    config = ToyConfig(**CONFIG | {"alpha": 0.3})
    report = regime.run(config)
    assert report.seeds["forecast_skill"] == pytest.approx((1 - missed / around).tolist(), rel=1e-4)
    assert 0 < report.final["forecast_skill"] < 0.999


def test_divergence_is_seen_at_its_step_and_ends_the_run() -> None:
    stable = regime.run(ToyConfig(**CONFIG)).provenance.learning_rate
    fields = {"learning_rate": 40 * stable, "steps": 1000, "measure_every": 500}
    report = regime.run(ToyConfig(**CONFIG | fields))
    assert report.diverged
    assert report.verdict.label == "no verdict"
    assert report.verdict.agree == "diverged"
    assert 1 < report.history[-1].step < 100


@pytest.mark.parametrize(
    "changed", [{"optimizer": "gd"}, {"optimizer": "momentum", "momentum": 0.5}, {"optimizer": "sgd", "batch_size": 7}]
)
def test_twins_of_a_run_that_diverged_stand_at_its_last_step(changed: dict) -> None:
    stable = regime.run(ToyConfig(**CONFIG | changed)).provenance.learning_rate
    fields = CONFIG | changed | {"learning_rate": 200 * stable, "steps": 1000, "measure_every": 500}
    ended = regime.run(ToyConfig(**fields)).history[-1]
    assert 1 < ended.step < 500
    foreseen = regime.run(ToyConfig(**fields | {"steps": ended.step})).history[-1]
    for name in ("linearization_gap", "linearization_gap_max", "twin_train_loss", "twin_test_loss", "infinite_train_loss"):
        assert foreseen.seeds[name] == ended.seeds[name], name
        assert None not in ended.seeds[name], name


def test_the_pictures_are_the_functions_of_the_first_seed() -> None:
    changed = {"task": "sine", "alpha": 0.2, "steps": 60, "measure_every": 60, "device": "cpu"}
    run = ToyRun(ToyConfig(**CONFIG | changed), dtype=torch.float64)
    *_, last = snapshots(run)
    extent, size = run.view()["extent"], run.view()["size"]
    nearest = (torch.linspace(-extent, extent, size, dtype=torch.float64) - run.data.probe.x).abs().argmin(1)
    pictures = {name: torch.tensor(unpack(last.view[name]))[nearest] for name in ("network", "twin")}
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


@pytest.mark.parametrize("optimizer", ["gd", "sgd", "momentum", "adam"])
def test_the_default_step_trains_every_optimizer(optimizer: str) -> None:
    report = regime.run(ToyConfig(optimizer=optimizer, width=64, steps=200, measure_every=50))
    assert not report.diverged
    assert report.final["train_loss"] < 0.5 * report.history[0].measures["train_loss"]


def test_a_step_that_decays_everything_is_refused() -> None:
    with pytest.raises(regime.ConfigError, match=r"weight_decay = 1000\.0 is not allowed"):
        regime.run(ToyConfig(**CONFIG | {"weight_decay": 1000.0}))


def training_of(fields: dict) -> Callable[[], object]:
    """A run, after a small one."""
    small = regime.ToyConfig(**fields | {"samples": 16, "test_samples": 16, "probe_samples": 16, "width": 16})
    regime.run(small)
    return partial(regime.run, regime.ToyConfig(**fields))


@pytest.mark.parametrize(
    "more",
    [
        {"samples": 1400, "width": 32, "seeds": 3},
        {"samples": 200, "width": 64, "task": "digits", "optimizer": "adam", "seeds": 2},
        {"samples": 900, "width": 64, "activation": "erf", "alpha": 5000.0, "seeds": 2},
    ],
)
def test_a_run_takes_the_memory_that_is_told(more):
    """The last kernels too, which are in float64 whatever the run is in."""
    fields = {"steps": 2, "test_samples": 64, "probe_samples": 64} | more
    told = ToyRun(regime.ToyConfig(**fields)).estimate().bytes
    taken = peak(training_of, fields, threads=1)
    assert 0.4 * told < taken < 1.5 * told


def test_a_kernel_that_is_constant_is_not_called_zero() -> None:
    rows = "a,b\n" + "".join(f"5,{k % 2}\n" for k in range(40))
    report = regime.run(regime.ToyConfig(csv=rows, width=8, steps=20, seeds=2))
    assert report.final["kernel_change"] > 0
    assert report.undefined["kernel_distance_centered"].startswith("the centered kernel is zero: the kernel is constant")

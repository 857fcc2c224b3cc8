"""Networks of one's own: the monitor against kernels and expansions by autograd, and its refusals."""

import copy
import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

import regime
from regime.measures.kernel import kernel_change, kernel_distance_centered
from regime.measures.representation import representation_change


def network(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Linear(6, 32), nn.Tanh(), nn.Dropout(dropout), nn.Linear(32, 24), nn.Tanh(), nn.Linear(24, 2)]
    return nn.Sequential(*layers)


def data(n: int = 40) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(1))
    return x, torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], 1)


def train(model: nn.Module, steps: int, rate: float = 0.2) -> float:
    x, y = data()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        loss = functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return functional.mse_loss(model(x), y).item()


def jacobian(model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """(n, C, P) by layer, by autograd output by output."""
    rows: dict[str, list[Tensor]] = {}
    for output in model(batch).flatten():
        for name, parameter in model.named_parameters():
            (gradient,) = torch.autograd.grad(output, parameter, retain_graph=True)
            rows.setdefault(name, []).append(gradient.flatten())
    n = len(batch)
    stacked = {name: torch.stack(each).view(n, -1, each[0].numel()) for name, each in rows.items()}
    return {path: torch.cat([stacked[f"{path}.weight"], stacked[f"{path}.bias"]], -1) for path in ("0", "3", "5")}


def trace_kernel(j: Tensor) -> Tensor:
    return torch.einsum("ncp,mcp->nm", j, j) / j.shape[1]


def flat(model: nn.Module, path: str) -> Tensor:
    layer = model.get_submodule(path)
    return torch.cat([layer.weight.detach().flatten(), layer.bias.detach()])


def test_measures_are_those_of_autograd() -> None:
    model, batch = network().double(), data(12)[0].double()
    start, before, f0 = copy.deepcopy(model), jacobian(model, batch), model(batch).detach()
    monitor = regime.Monitor(model, batch, chunk=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, dtype=parameter.dtype, generator=torch.Generator().manual_seed(2))
    event = monitor.measure(3)
    after, f = jacobian(model, batch), model(batch).detach()
    k0, k1 = (sum(trace_kernel(j) for j in part.values()) for part in (before, after))
    assert event.measures["kernel_change"] == pytest.approx(kernel_change(k1, k0).item(), rel=1e-9)
    moved = {path: flat(model, path) - flat(start, path) for path in before}
    expansion = f0 + sum(before[path] @ moved[path] for path in before)
    assert event.measures["taylor_gap"] == pytest.approx(((f - expansion).norm() / (f - f0).norm()).item(), rel=1e-9)
    for row in event.blocks:
        k0, k1 = (trace_kernel(part[row.layer]) for part in (before, after))
        assert row.measures["kernel_distance_centered"] == pytest.approx(kernel_distance_centered(k1, k0).item(), rel=1e-7)
        alone = copy.deepcopy(start)
        alone.get_submodule(row.layer).load_state_dict(model.get_submodule(row.layer).state_dict())
        g = alone(batch).detach()
        gap = (g - f0 - before[row.layer] @ moved[row.layer]).norm() / (g - f0).norm()
        assert row.measures["taylor_gap"] == pytest.approx(gap.item(), rel=1e-6, abs=1e-12)
        assert row.measures["parameter_movement"] == pytest.approx(
            (moved[row.layer].norm() / flat(start, row.layer).norm()).item()
        )
    hidden = [part[:4](batch).detach() for part in (model, start)]
    assert event.blocks[1].measures["representation_change"] == pytest.approx(representation_change(*hidden).item(), rel=1e-9)
    assert event.measures["representation_change"] == event.blocks[1].measures["representation_change"]


def test_a_loop_of_ones_own() -> None:
    model, probe = network(dropout=0.2), data(64)[0][40:]
    model.train()
    monitor = regime.Monitor(model, probe, loss=train(model, 0))
    assert model.training
    assert all(module.training for module in model.modules())
    for step in (10, 20, 400):
        loss = train(model, 10 if step < 400 else 380)
        event = monitor.measure(step, loss=loss)
    report = monitor.report()
    assert [e.step for e in report.history] == [0, 10, 20, 400]
    assert event.measures["train_loss"] == loss
    assert report.verdict.label in ("mixed", "rich", "no verdict")
    assert {row["layer"] for row in report.layers} == {"0", "3", "5"}
    assert report.config.model == "Sequential"
    assert report.provenance.source == "a network of your own"
    low, high = event.intervals["taylor_gap"]
    assert low <= event.measures["taylor_gap"] <= high
    json.dumps(report.to_dict(), allow_nan=False)
    assert regime.Report.from_dict(report.to_dict()) == report


def test_without_a_loss_the_verdict_says_what_it_does_not_know() -> None:
    model = network()
    monitor = regime.Monitor(model, data(64)[0][40:])
    train(model, 200)
    reasons = monitor.measure(200).verdict.reasons
    assert any("training loss is not known" in reason for reason in reasons)
    assert "train_loss" not in monitor.report().final


@pytest.mark.parametrize(("start", "loss"), [(1.0, "nan"), (1.0, "inf"), (1.0, "-inf"), ("inf", 1.0), ("-inf", 1.0)])
def test_a_loss_that_is_not_finite_has_diverged(start: float | str, loss: float | str) -> None:
    start, loss = float(start), float(loss)
    monitor = regime.Monitor(network(), data()[0], loss=start)
    assert monitor.measure(1, loss=loss).verdict.agree == "diverged"
    assert monitor.measure(2, loss=0.5).verdict.agree == "diverged"
    assert monitor.report().diverged
    json.dumps(monitor.report().to_dict(), allow_nan=False)


def test_comparing_two_checkpoints_is_one_step_of_a_monitor() -> None:
    before, batch = network(), data(64)[0][40:]
    after = copy.deepcopy(before)
    monitor = regime.Monitor(after, batch)
    train(after, 100)
    want = monitor.measure(1)
    states = [{name: t.clone() for name, t in model.state_dict().items()} for model in (before, after)]
    report = regime.compare(before, after, batch)
    assert report.final == want.measures
    assert report.verdict == want.verdict
    for model, state in zip((before, after), states, strict=True):
        assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items())


def averaged(model: nn.Module) -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(model)


def autocasting(model: nn.Module) -> nn.Module:
    """A forward that is bound to the model it was taken from, as accelerate's: a copy would still call the first."""
    forward = model.forward

    def wrapped(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return forward(x).float()

    model.forward = wrapped
    return model


WRAPPERS = {
    "data parallel": nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "averaged": averaged,
    "compiled, then averaged": lambda model: averaged(torch.compile(model, backend="eager")),
    "autocast": autocasting,
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_networks_are_seen_through_what_trains_them(name: str) -> None:
    before, batch = network(), data(64)[0][40:]
    after = copy.deepcopy(before)
    train(after, 20)
    want = regime.compare(before, after, batch)
    assert want.final["kernel_change"] > 0
    wrap = WRAPPERS[name]
    assert regime.compare(wrap(copy.deepcopy(before)), after, batch).final == want.final
    assert regime.compare(before, wrap(copy.deepcopy(after)), batch).final == want.final
    inside = copy.deepcopy(before)
    monitor = regime.Monitor(wrap(inside), batch)
    assert monitor.report().config.model == "Sequential"
    if "averaged" not in name:  # an average is a copy
        inside.load_state_dict(after.state_dict())
        assert monitor.measure(1).measures == want.final


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_distributed_training_goes_on_after_a_measurement(dtype: torch.dtype) -> None:
    """Its hooks on the gradients of the very parameters are still called."""
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        inner, batch = network().to(dtype), data()[0].to(dtype)
        model, called = nn.parallel.DistributedDataParallel(inner), []

        def hook(state: object, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
            called.append(state)
            done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
            done.set_result(bucket.buffer())
            return done

        model.register_comm_hook("state", hook)
        monitor = regime.Monitor(model, batch)
        assert set(regime.empirical_ntk(inner, batch).layers) == {row.layer for row in monitor.report().history[0].layers}
        for step in (1, 2):
            model(batch).sum().backward()
            assert len(called) == step
            with torch.no_grad():
                for parameter in inner.parameters():
                    parameter -= 0.1 * parameter.grad
            assert monitor.measure(step).measures["kernel_change"] > 0
    finally:
        distributed.destroy_process_group()


def test_a_prefix_that_differs_is_named() -> None:
    class Wrapper(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = nn.Sequential(inner)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    with pytest.raises(ValueError, match=r"after: its parameters are those of the other under the prefix 'inner\.0\.'"):
        regime.compare(network(), Wrapper(network()), data()[0])


def test_two_checkpoints_of_different_precision_and_buffers() -> None:
    torch.manual_seed(0)
    before = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Linear(16, 1))
    after = copy.deepcopy(before)
    after.train()(data()[0])
    report = regime.compare(before, after, data()[0])
    assert report.final["kernel_change"] == 0
    assert report.final["buffer_change"] > 0
    after[2].weight.data += 0.1
    want, got = (regime.compare(*each, data()[0]) for each in ((before, after), (before, copy.deepcopy(after).bfloat16())))
    assert got.final["kernel_change"] == pytest.approx(want.final["kernel_change"], rel=0.1)
    assert got.final["taylor_gap"] < 0.2


def test_frozen_weights_that_differ_are_told_by_their_name() -> None:
    """It was buffers alone that changed the kernel, in a network that has none."""
    before = network()
    before[0].requires_grad_(False)
    after = copy.deepcopy(before)
    after[0].weight.add_(0.3 * torch.randn(32, 6, generator=torch.Generator().manual_seed(2)))
    report = regime.compare(before, after, data()[0])
    assert report.final["buffer_change"] > 0.1
    assert any("running statistics or frozen weights, changed the kernel by" in reason for reason in report.verdict.reasons)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_checkpoints_of_single_and_double_precision(swapped: bool) -> None:
    """The batch suits the first of them."""
    before, batch = network(), data(64)[0][40:]
    after = copy.deepcopy(before)
    train(after, 20)
    want = regime.compare(before, after, batch).final
    pair = (before.double(), after) if swapped else (before, copy.deepcopy(after).double())
    got = regime.compare(*pair, batch.double() if swapped else batch).final
    assert got["kernel_change"] == pytest.approx(want["kernel_change"], rel=1e-4)
    assert got["taylor_gap"] == pytest.approx(want["taylor_gap"], rel=1e-3)


@pytest.mark.parametrize("compiled", ["before", "after", "both, at other places"])
def test_two_checkpoints_that_are_compiled_in_parts(compiled: str) -> None:
    before, batch = network(), data(64)[0][40:]
    after = copy.deepcopy(before)
    train(after, 20)
    want = regime.compare(before, after, batch).final
    if compiled != "after":
        before[3] = torch.compile(before[3], backend="eager")
    if compiled != "before":
        after[0] = torch.compile(after[0], backend="eager")
    assert regime.compare(before, after, batch).final["kernel_change"] == pytest.approx(want["kernel_change"], rel=1e-5)


def test_what_measuring_costs_is_told_and_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = network(), data()[0]
    plan = regime.Monitor.plan(model, batch)
    more = regime.Monitor.plan(model, batch.repeat(4, 1))
    assert 0 < plan.seconds < more.seconds
    assert 3 * plan.bytes < more.bytes
    assert regime.Monitor(model, batch).estimate.bytes == plan.bytes
    wide = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5000))
    monkeypatch.setattr("regime.composer.monitor.free_memory", lambda _: 2**27)
    assert regime.Monitor.plan(wide, batch).bytes > 2**27
    with pytest.raises(ValueError, match=r"takes about .* GiB, and 0\.12 are free; pass fewer examples, or of many outputs"):
        regime.Monitor(wide, batch)
    regime.Monitor(wide, batch, outputs="projection")


def test_a_chunk_beyond_the_batch_costs_what_the_batch_does() -> None:
    model, batch = network(), data(12)[0]
    whole = regime.Monitor.plan(model, batch, chunk=12).bytes
    assert regime.Monitor.plan(model, batch, chunk=10**9).bytes == whole
    assert regime.Monitor(model, batch, chunk=10**9).estimate.bytes == whole


def test_projected_outputs_estimate_all_with_a_stated_error() -> None:
    torch.manual_seed(0)
    model, batch = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 300)), data()[0]
    settings = [{}, *({"outputs": "projection", "projections": 32, "seed": seed} for seed in range(3))]
    monitors = [regime.Monitor(model, batch, **each) for each in settings]
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    exact, *projected = (monitor.measure(1) for monitor in monitors)
    assert "projection_error" not in exact.measures
    for event in projected:
        assert 0 < event.measures["projection_error"] < 0.2
        for measure in ("kernel_change", "taylor_gap"):
            assert abs(event.measures[measure] - exact.measures[measure]) < 2 * event.floors[measure]
            assert event.measures[measure] != exact.measures[measure]


def test_no_more_outputs_than_projections_are_measured_as_they_are() -> None:
    model, batch = network(), data()[0]
    monitors = [regime.Monitor(model, batch), regime.Monitor(model, batch, outputs="projection", projections=4)]
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    exact, projected = (monitor.measure(1) for monitor in monitors)
    assert projected.measures == exact.measures
    assert projected.floors == exact.floors


def test_steps_are_any_numbers_that_grow() -> None:
    monitor = regime.Monitor(network(), data()[0])
    for step in (numpy.int64(1), 1.5, numpy.float32(2.25), Fraction(5, 2)):
        monitor.measure(step)
    steps = [event.step for event in monitor.report().history]
    assert steps == [0, 1, 1.5, 2.25, 2.5]
    assert [type(step) for step in steps] == [int, int, float, float, float]
    report = monitor.report()
    assert regime.Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


class Offloaded(nn.Linear):
    """Parameters that are only there during a forward pass, as accelerate's offloading has them."""

    def __init__(self) -> None:
        super().__init__(6, 2)
        self.kept = self.weight.data
        self.weight = nn.Parameter(self.kept.to("meta"))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.kept, self.bias)


def sharded() -> nn.Module:
    model = nn.Linear(6, 2)
    model.weight.placements = ("Shard(0)",)  # as tensors of torch.distributed.tensor have it
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Offloaded, "the parameter weight is not here: it is on the meta device, offloaded or never loaded"),
        (sharded, "the parameter weight is not here: it is sharded over processes"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "the parameter 0.weight is not here: it is made at the first forward pass"),
    ],
)
@pytest.mark.parametrize("call", [regime.Monitor, regime.empirical_ntk, regime.plan_ntk, regime.Linearization.of])
def test_parameters_that_are_elsewhere_are_refused(make, message: str, call) -> None:
    with pytest.raises(ValueError, match=message):
        call(make(), data()[0])


def test_kernels_can_be_taken_away(tmp_path: Path) -> None:
    model, batch = network(), data(64)[0][40:]
    monitor = regime.Monitor(model, batch)
    first = regime.empirical_ntk(model, batch)
    train(model, 5)
    monitor.measure(5)
    monitor.save_kernels(tmp_path / "kernels.safetensors")
    kernels = load_file(tmp_path / "kernels.safetensors")
    assert set(kernels) == {f"{when}/{layer}" for when in ("start", "now") for layer in ("0", "3", "5")}
    for layer, kernel in first.layers.items():
        assert torch.allclose(kernels[f"start/{layer}"][0], kernel, rtol=1e-5)
    now = regime.empirical_ntk(model, batch)
    assert torch.allclose(sum(kernels[f"now/{layer}"][0] for layer in now.layers), now.total, rtol=1e-4)


def test_frozen_layers_have_no_kernel_and_say_why() -> None:
    model, batch = network(), data(64)[0][40:]
    model[0].requires_grad_(False)
    monitor = regime.Monitor(model, batch)
    with torch.no_grad():
        model[3].weight += 0.1
    event = monitor.measure(1)
    rows = {row.layer: row for row in event.layers}
    assert rows["0"].measures["kernel_change"] is None
    assert rows["0"].undefined["kernel_change"] == "this layer is not trained"
    assert rows["0"].measures["representation_change"] == 0
    assert rows["0"].measures["parameter_movement"] == 0
    assert rows["3"].measures["kernel_share"] + rows["5"].measures["kernel_share"] == pytest.approx(1)
    assert monitor.parameters == sum(p.numel() for p in model[3:].parameters())


class Layered(nn.Module):
    """A block that owns a parameter itself, beside its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.gamma = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.dense(x).tanh()


@pytest.mark.parametrize("name", ["blocks", ""])
def test_a_block_that_owns_parameters_itself_is_one_row(name: str) -> None:
    torch.manual_seed(0)
    blocks = nn.Sequential(Layered(), Layered())
    model = nn.Sequential(OrderedDict(stem=nn.Linear(4, 4), blocks=blocks, head=nn.Linear(4, 2))) if name else blocks
    batch = torch.randn(9, 4)
    monitor = regime.Monitor(model, batch)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    monitor.measure(1)
    report, first, second = monitor.report(), *(f"{name}.{k}".strip(".") for k in range(2))
    around = {"stem": "stem", "head": "head"} if name else {}
    owners = around | {path: path[: len(first)] for path in (first, f"{first}.dense", second, f"{second}.dense")}
    assert {row["layer"]: row["block"] for row in report.layers} == owners
    assert sorted(row["block"] for row in report.blocks) == sorted({*owners.values()})
    assert all(row["layer"] == row["block"] for row in report.blocks)
    grouped = regime.empirical_ntk(model, batch, group="block").layers
    assert sorted(grouped) == sorted({*owners.values()})
    assert list(regime.empirical_ntk(model, batch, group="block", layers=[first]).layers) == [first]


def test_a_convolutional_network_and_a_dict_batch() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)

        def forward(self, image: Tensor, scale: Tensor) -> dict[str, Tensor]:
            hidden = torch.relu(self.norm(self.conv(image)))
            return {"scores": self.out(hidden.mean((2, 3))) * scale[:, None]}

    torch.manual_seed(0)
    model = Net()
    batch = {"image": torch.randn(10, 1, 6, 6), "scale": torch.ones(10)}
    monitor = regime.Monitor(model, batch, readout=lambda output, _: output["scores"])
    with torch.no_grad():
        model.conv.weight += 0.1
    event = monitor.measure(1)
    assert model.training
    assert model.norm.training
    assert {row.layer for row in event.layers} == {"conv", "norm", "out"}
    assert event.measures["taylor_gap"] > 0
    assert next(row for row in event.layers if row.layer == "conv").measures["representation_change"] > 0


def broken(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: regime.Monitor("model", data()[0]), "model: an nn.Module is needed, got str"),
        (lambda: regime.Monitor(network(), [1.0]), "batch: a tensor or a dict of keyword tensors is needed"),
        (lambda: regime.Monitor(network(), data(7)[0]), "batch: 7 examples are not allowed; allowed: at least 8"),
        (lambda: regime.Monitor(network(), data()[0], chunk=0), "chunk = 0 is not allowed"),
        (lambda: regime.Monitor(network(), data()[0], lambda output, _: output[0]), "readout: outputs must be a tensor"),
        (lambda: regime.Monitor(network().requires_grad_(False), data()[0]), "it has no trainable parameters"),
        (lambda: regime.Monitor(broken(network()), data()[0]), "its outputs are not finite"),
        (lambda: regime.Monitor(network(), data()[0]).measure(0), "step = 0 is not allowed; allowed: a finite number above 0"),
        (lambda: regime.Monitor(network(), data()[0]).measure(float("nan")), "step = nan is not allowed"),
        (lambda: regime.Monitor(network(), data()[0]).measure("1"), "step = '1' is not allowed"),
        (
            lambda: regime.Monitor(network(), data()[0], outputs="full"),
            "outputs = 'full' is not allowed; allowed: 'trace', 'proj",
        ),
        (
            lambda: regime.Monitor(network(), data()[0], projections=2),
            "projections = 2 is not allowed; allowed: an integer from 4 to 4096",
        ),
        *(
            (
                lambda seed=seed: regime.Monitor(network(), data()[0], seed=seed),
                f"seed = {seed!r} is not allowed; allowed: an int",
            )
            for seed in ("a", 1.5, 2**70, -1, True)
        ),
        (lambda: regime.Monitor.plan(network(), data()[0], seed=2**64), "seed = 18446744073709551616 is not allowed"),
        (lambda: regime.compare(network(), network(), data()[0], seed=None), "seed = None is not allowed"),
        (
            lambda: regime.empirical_ntk(network(), data()[0], seed=2**70),
            "seed = .* is not allowed; allowed: an integer from 0 to",
        ),
        (
            lambda: regime.Monitor(network(), data()[0]).measure(10**400),
            "step = 1000.* is not allowed; allowed: a finite number",
        ),
        (lambda: regime.Monitor(network(), data()[0]).measure(-(10**5000)), "step = a number too long to show is not allowed"),
        (lambda: regime.Monitor(network(), data()[0], loss=10**400), r"loss = 1000.* is not allowed; allowed: a number"),
        (lambda: regime.Monitor(network(), data()[0]).measure(1, loss=0.1), "loss: pass it at the start and at every"),
        (lambda: regime.Monitor(network(), data()[0], 3), "readout = 3 is not allowed; allowed: a function"),
        (lambda: regime.Monitor(network(), data()[0], loss=[1.0]), r"loss = \[1.0\] is not allowed; allowed: a number"),
        (lambda: regime.compare(network(), network(), data()[0], losses=3), "losses = 3 is not allowed; allowed: two numbers"),
        (lambda: regime.compare(network(), "x", data()[0]), "after: an nn.Module is needed, got str"),
        (lambda: regime.compare(network(), nn.Linear(6, 2), data()[0]), "another architecture: the two differ in"),
    ],
)
def test_what_is_not_allowed_is_named(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_figure_and_the_table_are_those_of_any_report() -> None:
    from regime.plots.figure import figure

    model = network()
    monitor = regime.Monitor(model, data(64)[0][40:])
    train(model, 20)
    monitor.measure(20)
    report = monitor.report()
    titles = {axes.get_title(loc="left") for axes in figure(report).subfigs[1].axes}
    assert titles >= {"Kernel change", "Taylor gap", "Representation"}
    assert [line.split(",")[0] for line in report.to_csv().splitlines()] == ["layer", "0", "3", "5", "", "", ""]


def test_a_network_that_is_back_at_its_start_has_no_gap_and_says_why() -> None:
    model = network()
    monitor = regime.Monitor(model, data()[0])
    begun = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        next(model.parameters()).mul_(1.1)
    assert "taylor_gap" not in monitor.measure(1).undefined
    model.load_state_dict(begun)
    event = monitor.measure(2)
    for row in (event, *event.blocks):
        assert row.undefined["taylor_gap"] == "the function has not moved yet"


def test_threads_take_turns_at_networks_that_share_a_module() -> None:
    torch.manual_seed(0)
    shared, x = nn.Linear(6, 8), data()[0]
    models = [nn.Sequential(shared, nn.Tanh(), nn.Linear(8, 2)) for _ in range(2)]
    later = [copy.deepcopy(model) for model in models]
    monitors = [regime.Monitor(model, x) for model in models]
    with torch.no_grad():
        for parameter in (*shared.parameters(), *models[0][2].parameters(), *models[1][2].parameters()):
            parameter.mul_(1.3)
    before = [parameter.clone() for model in models for parameter in model.parameters()]

    def measured(k: int, step: int) -> tuple[float, ...]:
        event = monitors[k].measure(step).measures
        reverse = regime.compare(models[k], later[k], x).final
        return event["kernel_change"], event["taylor_gap"], reverse["kernel_change"], reverse["taylor_gap"]

    wanted = [measured(k, 1) for k in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = [list(pool.map(measured, (0, 1), (step, step))) for step in (2, 3, 4)]
    assert found == [wanted] * 3
    assert all(torch.equal(own, was) for own, was in zip((p for m in models for p in m.parameters()), before, strict=True))


LEFT: list[int] = []
"""Passes until one is interrupted; kept here, since a network's own numbers are put back after every pass."""


class Failing(nn.Module):
    """A network with statistics that may move, and that may be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 1)).eval()

    def forward(self, x: Tensor) -> Tensor:
        if LEFT:
            LEFT[0] -= 1
            if LEFT[0] < 0:
                raise KeyboardInterrupt
        return self.layers(x)


@pytest.mark.parametrize("change", ["unfrozen", "statistics"])
def test_a_measurement_that_was_interrupted_is_taken_again(change: str) -> None:
    def measured(fails: int | None) -> tuple[dict, dict, bool]:
        torch.manual_seed(0)
        model = Failing()
        model.layers[0].requires_grad_(change != "unfrozen")
        monitor = regime.Monitor(model, torch.randn(12, 4))
        monitor.measure(1)
        model.layers[0].requires_grad_(True)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
            if change == "statistics":
                model.layers[1].running_mean += 0.3
        LEFT[:], interrupted = [] if fails is None else [fails], False
        try:
            monitor.measure(2)
        except KeyboardInterrupt:
            interrupted = True
        LEFT.clear()
        event = monitor.measure(2) if interrupted else monitor.report().history[-1]
        return event.measures, event.undefined, interrupted

    wanted, why, _ = measured(None)
    assert wanted["kernel_velocity"] is None
    assert (wanted["buffer_change"] == 0) == (change == "unfrozen")
    for fails in range(200):
        got, reasons, interrupted = measured(fails)
        assert got == wanted
        assert reasons == why
        if not interrupted:
            break
    assert fails > 5


def test_a_measure_of_ones_own_that_failed_once_leaves_nothing_behind() -> None:
    class Fragile:
        name, meaning, fails = "fragile", "one", False

        def __call__(self, now, start):  # noqa: ARG002
            if self.fails:
                raise RuntimeError("not now")
            return torch.ones(1)

    torch.manual_seed(0)
    model, own = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).eval(), Fragile()
    monitor = regime.Monitor(model, torch.randn(12, 4), measures=[own])
    monitor.measure(1)
    with torch.no_grad():
        model[0].weight += 0.1
        model[1].running_mean += 0.5
    own.fails = True
    with pytest.raises(ValueError, match="fragile"):
        monitor.measure(2)
    own.fails = False
    assert monitor.measure(2).undefined["kernel_velocity"].startswith("buffers, or what is trained, changed")


def test_a_network_that_computes_nothing_is_measured() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Parameter(torch.randn(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.mean.expand(len(x), 2)

    model = Constant()
    monitor = regime.Monitor(model, torch.randn(9, 4))
    with torch.no_grad():
        model.mean += 1
    measures = monitor.measure(1).measures
    assert measures["kernel_change"] == 0
    assert measures["taylor_gap"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "moved", "said"),
    [
        (torch.eye(8), slice(0, 1), "Taylor gap hangs on too few probe points"),
        (
            torch.zeros(8, 8),
            slice(None),
            "Kernel turn, sqrt(2 centered distance) is undefined, since the centered",
        ),
        (1e30 * torch.eye(8), slice(None), "Kernel change is undefined, since the kernel is larger than its precision holds"),
    ],
)
def test_a_verdict_that_lacks_evidence_says_which(scale: Tensor, moved: slice, said: str) -> None:
    """Each of these kernels is none that is zero."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    monitor = regime.Monitor(model, scale)
    with torch.no_grad():
        model[0].weight[:, moved] += 0.1
        model[0].bias += 0.1 * (moved == slice(None))
    verdict = monitor.measure(1).verdict
    assert verdict.reasons[0].startswith(said)
    assert verdict.label == "no verdict"

"""Networks that write, draw, compile or cast in their forward pass: measured as they are, and left as they were."""

import copy
import functools
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import regime
from regime.kernels.jacobian.undisturbed import undisturbed


class Counting(nn.Module):
    """Every pass changes a buffer, an attribute, and a parameter behind autograd's back; none may reach the next pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = nn.Linear(4, 3), 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen = self.seen + 1
        self.inner.weight.data.mul_(1.01)
        with torch.no_grad():
            self.inner.bias += 1
        return self.inner(x).tanh() * self.calls * self.seen


class Iterating(nn.Module):
    """A weight divided by its norm along a vector that each pass turns towards the largest singular one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.out = nn.Parameter(torch.randn(5, 4)), nn.Linear(5, 3)
        self.register_buffer("u", torch.ones(4) / 2)

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight.detach()
        self.u.copy_(functional.normalize(w.mT @ (w @ self.u), dim=0))
        return self.out((x @ self.weight.mT).tanh() / (self.weight @ self.u.clone()).norm())


def looking() -> nn.Module:
    return nn.Sequential(nn.Embedding(7, 4, max_norm=0.5), nn.Flatten(), nn.Linear(8, 3))


def normalized() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (2, 2)), nn.InstanceNorm1d(2, track_running_stats=True), nn.Flatten(), nn.Linear(4, 3))


X, IDS = torch.randn(9, 4, generator=torch.Generator().manual_seed(1)), torch.arange(18).view(9, 2) % 7
WRITING: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "counters": (Counting, X),
    "instance norm": (normalized, X),
    "renormalized table": (looking, IDS),
    "power iteration": (Iterating, X),
}


@pytest.mark.parametrize("name", WRITING)
def test_what_a_pass_writes_is_put_back_and_does_not_reach_the_next(name: str) -> None:
    torch.manual_seed(0)
    make, batch = WRITING[name]
    model = make().train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    kernel = regime.empirical_ntk(model, batch, outputs="full")
    oracle = regime.empirical_ntk(model, batch, outputs="full", method="dense")
    regime.plan_ntk(model, batch)
    regime.Linearization.of(model, batch)
    monitor = regime.Monitor(model, batch)
    monitor.measure(1)
    regime.compare(model, model, batch)
    assert torch.allclose(kernel.total, oracle.total, rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert getattr(model, "calls", 0) == 0
    assert model.training
    assert not model._forward_hooks
    assert all(parameter.grad is None for parameter in model.parameters())


def test_random_numbers_that_a_pass_draws_are_given_back() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)).train()
    torch.manual_seed(3)
    with undisturbed(model):
        model(X)
    drawn = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(2))


def test_a_forward_that_fails_leaves_nothing_behind() -> None:
    model = Counting()
    with pytest.raises(ValueError, match="torch cannot compute its gradients: mat1"), undisturbed(model):
        model(torch.randn(2, 5))
    assert model.calls == 0
    assert model.seen == 0
    assert not torch.overrides._get_current_function_mode_stack()
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()


def test_autocast_inside_the_forward_does_not_reach_the_measurement() -> None:
    """As accelerate's prepare_model makes it: autocast around the forward, outputs cast back to float32."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    want = regime.empirical_ntk(plain, X).total
    forward = plain.forward

    def autocasting(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return forward(x).float()

    plain.forward = autocasting
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(regime.empirical_ntk(plain, X).total, want)
        with undisturbed(plain) as passes:
            plain(X)
        assert passes.rounding == torch.finfo(torch.float32).eps


@pytest.mark.parametrize("asked", ["high", "highest"])
def test_a_gpu_multiplies_float32_as_float32_meanwhile(asked: str) -> None:
    """By default it may round factors of convolutions to 10 bits, and where a script asks for speed, of all products."""
    parts = torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn
    seen = []

    class Looking(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append([part.fp32_precision for part in parts])
            return super().forward(x)

    torch.set_float32_matmul_precision(asked)
    try:
        before = [part.fp32_precision for part in parts]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: regime.empirical_ntk(Looking(4, 2), X), range(8)))
        assert {each for row in seen for each in row} == {"ieee"}
        assert [part.fp32_precision for part in parts] == before
        assert torch.get_float32_matmul_precision() == asked
        assert torch.backends.cuda.matmul.allow_tf32 == (asked == "high")
    finally:
        torch.set_float32_matmul_precision("highest")


class Enabled(TorchDispatchMode):
    """Notes whether cuDNN may be used, at every product."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bool] = set()

    def __torch_dispatch__(self, function: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        if any(kind in str(function) for kind in ("mm", "rnn")):
            self.seen.add(torch.backends.cudnn.enabled)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_keep_away_from_cudnn(kind: type[nn.Module]) -> None:
    """It differentiates them in training mode alone."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = kind(4, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            with enabled:
                return self.inner(x)[0][:, -1]

    enabled, model = Enabled(), Last().eval()
    regime.empirical_ntk(model, X.unsqueeze(1).expand(-1, 5, -1))
    assert enabled.seen == {False}
    assert torch.backends.cudnn.enabled


def test_the_coarsest_numbers_of_a_pass_are_known() -> None:
    class Casting(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x.bfloat16(), self.weight.bfloat16()).float()

    with undisturbed(model := Casting(4, 2)) as passes:
        model(X)
    assert passes.rounding == torch.finfo(torch.bfloat16).eps


def test_threads_leave_the_compiler_as_it_was() -> None:
    from torch._dynamo import eval_frame
    from torch.utils import _python_dispatch

    def measure() -> None:
        for _ in range(3):
            model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
            regime.empirical_ntk(model, X)
            regime.plan_ntk(model, X)

    shared = torch.compile(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), backend="eager")
    totals: list[Tensor] = []
    work = [measure, measure] + 2 * [lambda: totals.append(regime.empirical_ntk(shared, X).total)]
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert eval_frame._stance.stance == "default"
    assert not _python_dispatch.is_in_torch_dispatch_mode(), "compiled networks would run as written from now on"
    want = regime.empirical_ntk(shared._orig_mod, X).total
    assert len(totals) == 2
    assert all(torch.equal(total, want) for total in totals)
    with torch.compiler.set_stance("eager_on_recompile"):
        measure()
        assert eval_frame._stance.stance == "eager_on_recompile"


LATE = """
import sys

import torch
from torch import nn

import regime

plain, points = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(8, 3)
regime.plan_ntk(plain, points)
regime.empirical_ntk(plain, points)
regime.Monitor(plain, points).measure(1)
print("torch._dynamo" in sys.modules)


def refused(graph, inputs):
    raise AssertionError("it was compiled")


class Late(nn.Linear):
    def forward(self, x):
        global compile
        from torch import compile

        return torch.compile(super().forward, backend=refused)(x)


model, x, own = Late(3, 2), torch.randn(5, 3), torch.compile
found = regime.empirical_ntk(model, x).total
print(torch.allclose(found, regime.empirical_ntk(model, x, method="dense").total))
compile(lambda: None)
print(torch.compile is own, torch._dynamo.eval_frame._stance.stance)
"""


def test_a_compiler_that_nobody_used_is_not_loaded_and_what_a_pass_compiles_runs_as_it_was_written() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "True", "True", "default"]


@pytest.mark.parametrize("on", ["a parameter", "a module", "a module, before"])
def test_hooks_on_gradients_belong_to_training(on: str) -> None:
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(9, 4)
    kernel, calls = regime.empirical_ntk(model, x).total, []
    monitor = regime.Monitor(model, x)

    def tenfold(*given: object) -> object:
        calls.append(1)
        return 10 * given[-1] if on == "a parameter" else tuple(10 * each for each in given[-2 if len(given) == 3 else -1])

    if on == "a parameter":
        model[0].weight.register_hook(tenfold)
    elif on == "a module":
        model[1].register_full_backward_hook(tenfold)
    else:
        model[1].register_full_backward_pre_hook(tenfold)
    assert torch.equal(regime.empirical_ntk(model, x).total, kernel)
    assert monitor.measure(1).measures["kernel_change"] == 0
    assert not calls
    model(x).sum().backward()
    assert calls, "training has them still"


def test_threads_at_networks_that_share_a_module() -> None:
    shared, x = nn.Linear(4, 8), torch.randn(9, 4).bfloat16()
    models = [nn.Sequential(shared, between, nn.Linear(8, 2)).bfloat16() for between in (nn.Tanh(), nn.ReLU())]
    wanted = [regime.empirical_ntk(model, x).total for model in models]
    with ThreadPoolExecutor(4) as pool:
        kernels = list(pool.map(lambda k: regime.empirical_ntk(models[k % 2], x).total, range(60)))
    for k, kernel in enumerate(kernels):
        torch.testing.assert_close(kernel, wanted[k % 2])
    assert shared.weight.dtype == torch.bfloat16


class Running(nn.Module):
    """A readout that counts its calls, and learns means as it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.used = 0
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, output: Tensor, batch: Tensor) -> Tensor:
        del batch
        self.used += 1
        self.calls += 1
        self.mean.lerp_(output.detach().mean(0), 0.5)
        return output


class Reading:
    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    def __call__(self, output: Tensor, batch: Tensor) -> Tensor:
        return self.layer(output, batch)

    def read(self, output: Tensor, batch: Tensor) -> Tensor:
        return self.layer(output, batch)


HELD: dict[str, Callable[[nn.Module], Callable]] = {
    "itself": lambda layer: layer,
    "in a closure": lambda layer: lambda output, batch: layer(output, batch),
    "in a partial": lambda layer: functools.partial(lambda own, output, batch: own(output, batch), layer),
    "in an object": Reading,
    "in a method's object": lambda layer: Reading(layer).read,
}


@pytest.mark.parametrize(
    "use",
    [
        lambda *of: regime.empirical_ntk(of[0], of[1], readout=of[2]),
        lambda *of: regime.empirical_ntk(of[0], of[1], readout=of[2], method="dense"),
        lambda *of: regime.empirical_ntk(of[0], of[1], readout=of[2], outputs="projection", projections=2),
        lambda *of: regime.plan_ntk(of[0], of[1], readout=of[2]),
        lambda *of: regime.Monitor(of[0], of[1], of[2]).measure(1),
        lambda *of: regime.compare(of[0], copy.deepcopy(of[0]), of[1], readout=of[2]),
        lambda *of: regime.Linearization.of(of[0], of[1], of[2]),
    ],
    ids=["kernel", "dense", "projection", "plan", "monitor", "compare", "linearization"],
)
def test_a_readout_comes_back_as_it_was(use: Callable) -> None:
    model, x, readout = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), torch.randn(8, 4), Running()
    before = copy.deepcopy(readout.state_dict())
    for way in HELD:
        use(model, x, HELD[way](readout))
        assert (readout.used, len(readout._forward_hooks)) == (0, 0), way
        assert all(torch.equal(own, before[name]) for name, own in readout.state_dict().items()), way


class Writing(nn.Module):
    """Writes into what it is given, or into its parameters' gradients or memory."""

    def __init__(self, write: Callable[["Writing", Tensor], None]) -> None:
        super().__init__()
        self.first, self.last, self.write = nn.Linear(4, 5), nn.Linear(5, 3), write

    def forward(self, x: Tensor) -> Tensor:
        self.write(self, x)
        return self.last(self.first(x).tanh())


def scaled(model: Writing, x: Tensor) -> None:
    del model
    x *= 2


def shifted_in_part(model: Writing, x: Tensor) -> None:
    del model
    x[:, :2].add_(1)


def trained(model: Writing, x: Tensor) -> None:
    with torch.enable_grad():
        model.first(x).square().sum().backward()


def halved(model: Writing, x: Tensor) -> None:
    del x
    model.first.weight.data = model.first.weight.data / 2


def halved_among_others(model: Writing, x: Tensor) -> None:
    del x
    with torch.no_grad():
        torch._foreach_mul_([model.first.weight], 0.5)


def asked(model: Writing, x: Tensor) -> None:
    del model
    x.requires_grad_()


WRITES = [scaled, shifted_in_part, trained, halved, halved_among_others, asked]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("settings", [{}, {"method": "dense"}, {"outputs": "full"}, {"memory": 100_000}])
def test_what_a_pass_writes_into_its_batch_or_parameters_is_gone_afterwards(write: Callable, settings: dict) -> None:
    torch.manual_seed(0)
    model, x = Writing(write).double(), torch.randn(9, 4).double()
    model.last.weight.grad = torch.ones(3, 5).double()
    weight, given, rows = model.first.weight.clone(), x.clone(), []
    for k in range(len(x)):
        model.first.weight.data = weight.detach().clone()
        for value in model(x[k : k + 1].clone())[0]:
            gradients = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    model.first.weight.data, model.first.weight.grad, model.first.bias.grad = weight.detach().clone(), None, None
    j = torch.stack(rows).view(9, 3, -1)
    total = regime.empirical_ntk(model, x, **settings).total
    full = torch.einsum("ncp,mdp->nmcd", j, j)
    want = full if settings.get("outputs") == "full" else full.diagonal(dim1=2, dim2=3).mean(-1)
    assert (total - want).norm() < 1e-12 * want.norm()
    regime.empirical_ntk(model, x, x, **settings)
    line = regime.Linearization.of(model, x)
    v = torch.randn(9, 3).double()
    assert (line.kernel_product(v) - torch.einsum("nmcd,md->nc", full, v)).norm() < 1e-12 * full.norm()
    regime.Monitor(model, x)
    assert torch.equal(x, given)
    assert not x.requires_grad
    assert torch.equal(model.first.weight, weight)
    assert model.first.weight.grad is model.first.bias.grad is None
    assert torch.equal(model.last.weight.grad, torch.ones(3, 5).double())


class Bounded(nn.Module):
    """Bounds a gain and a shift in every pass, by which it multiplies what it gives."""

    def __init__(self, bound: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.bound = nn.Linear(4, 5), nn.Linear(5, 3), bound
        self.gains = nn.ParameterList([torch.linspace(0.5, 2, 5), torch.linspace(1, 3, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for gain in self.gains:
            gain.data = self.bound(gain.data)
        return self.last(self.first(x).tanh() * self.gains[0]) * self.gains[1]


@pytest.mark.parametrize("bound", [lambda gain: gain.clamp(max=1), lambda gain: gain / gain.norm()])
def test_graphs_read_parameters_where_the_pass_had_them(bound: Callable) -> None:
    torch.manual_seed(0)
    model, x = Bounded(bound).double(), X.double()
    gains = [gain.clone() for gain in model.gains]
    plain = copy.deepcopy(model)
    plain.bound = lambda gain: gain
    for gain in plain.gains:
        gain.data = bound(gain.data)
    want = regime.empirical_ntk(plain, x).total
    for settings in ({}, {"method": "dense"}, {"memory": 100_000}):
        assert torch.allclose(regime.empirical_ntk(model, x, **settings).total, want)
    assert torch.allclose(sum(regime.Monitor(model, x).observer.unmoved.values()), want)
    v = torch.ones(len(x), 3).double()
    lines = [regime.Linearization.of(each, x).kernel_product(v) for each in (model, plain)]
    assert torch.allclose(*lines)
    assert all(torch.equal(gain, before) for gain, before in zip(model.gains, gains, strict=True))


class Keeping(nn.Module):
    """Keeps tensors that are neither parameters nor buffers, and counts in them."""

    def __init__(self, count: Callable[[list[Tensor]], None]) -> None:
        super().__init__()
        self.inner, self.count, self.kept = nn.Linear(4, 3), count, [torch.ones(3), torch.zeros(())]

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.count(self.kept)
        return self.inner(x) * self.kept[0] + self.kept[1]


def set_anew(kept: list[Tensor]) -> None:
    for each in kept:
        each.data = each.data + 1


def set_in_half(kept: list[Tensor]) -> None:
    for each in kept:
        each.data = each.data.half() + 1


@pytest.mark.parametrize("count", [lambda kept: torch._foreach_add_(kept, 1.0), set_anew, set_in_half])
def test_what_a_pass_writes_into_other_tensors_that_modules_keep_is_gone(count: Callable) -> None:
    torch.manual_seed(0)
    model = Keeping(count)
    kept = list(model.kept)
    want = 4 * regime.empirical_ntk(model.inner, X).total
    for settings in ({}, {"method": "dense"}):
        assert torch.allclose(regime.empirical_ntk(model, X, **settings).total, want)
    assert all(one is two for one, two in zip(model.kept, kept, strict=True))
    assert torch.equal(kept[0], torch.ones(3))
    assert torch.equal(kept[1], torch.zeros(()))
    assert kept[0].dtype == torch.float32


class Scratch(nn.Module):
    """Keeps memory to write to, which takes the shape of what is written."""

    def __init__(self, write: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.write, self.scratch = nn.Linear(4, 3), write, torch.ones(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.write(self.scratch, x)
        return self.inner(x)


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized:UserWarning")
@pytest.mark.parametrize(
    "write",
    [
        lambda scratch, x: torch.mul(x, 2, out=scratch),
        lambda scratch, x: torch.cat([x, x, x, x], out=scratch),
        lambda scratch, x: scratch.resize_(len(x), 1).fill_(2),
        lambda scratch, x: scratch.t_().add_(len(x)),
    ],
)
def test_memory_that_a_pass_gives_another_shape_has_its_own_again(write: Callable) -> None:
    torch.manual_seed(0)
    model = Scratch(write)
    scratch, want = model.scratch, regime.empirical_ntk(model.inner, X).total
    for settings in ({}, {"method": "dense"}, {"memory": 100_000}):
        assert torch.allclose(regime.empirical_ntk(model, X, **settings).total, want)
        assert model.scratch is scratch
        assert torch.equal(scratch, torch.ones(12, 2))
        assert scratch.stride() == (2, 1)
    regime.Monitor(model, X).measure(1)
    assert torch.equal(scratch, torch.ones(12, 2))


class Aliased(nn.Module):
    """Running numbers that are written where they are kept under another name, and read where they are a buffer."""

    def __init__(self, alias: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("scale", torch.linspace(1, 2, 6))
        self.kept = alias(self.scale)

    def forward(self, x: Tensor) -> Tensor:
        target = self.kept["scale"] if isinstance(self.kept, dict) else self.kept
        target += 0.5
        return self.out((self.inner(x) * self.scale).tanh())


def test_a_conjugate_of_a_buffer_is_one_in_every_pass() -> None:
    model = nn.Module()
    model.out, model.kept = nn.Linear(4, 2), None
    model.register_buffer("phase", torch.randn(4, dtype=torch.complex64))
    model.kept = model.phase.conj()
    with undisturbed(model) as passes:
        passes._restore()
        assert model.phase.data_ptr() == model.kept.data_ptr()
        assert torch.equal(model.kept, model.phase.conj())


@pytest.mark.parametrize(
    "alias",
    [lambda b: b, lambda b: {"scale": b}, lambda b: b[1:4], lambda b: b.view(2, 3)],
    ids=["same", "dict", "part", "view"],
)
def test_a_buffer_that_is_also_kept_elsewhere_is_one_memory_in_every_pass(alias: Callable[[Tensor], object]) -> None:
    torch.manual_seed(0)
    model = Aliased(alias)
    once = copy.deepcopy(model)
    once(X)  # writes; the other network, which never does, has then the same numbers in every pass
    plain = nn.Sequential(once.inner, Times(once.scale.clone()), nn.Tanh(), once.out)
    want = regime.empirical_ntk(plain, X, outputs="full").total
    before = model.scale.clone()
    for method in ("auto", "dense"):
        found = regime.empirical_ntk(model, X, outputs="full", method=method).total
        assert torch.allclose(found, want, rtol=1e-5, atol=1e-6)
    regime.Monitor(model, X).measure(1)
    assert torch.equal(model.scale, before)


class Times(nn.Module):
    def __init__(self, by: Tensor) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class Unseen(nn.Module):
    """Writes into its weight where torch does not see it."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.inner, self.way = nn.Linear(4, 3), way

    def forward(self, x: Tensor) -> Tensor:
        array = self.inner.weight.detach().numpy() if self.way == "numpy" else numpy.asarray(self.inner.weight.detach())
        array *= 1.5
        return self.inner(x)


@pytest.mark.parametrize("way", ["numpy", "asarray"])
def test_what_a_pass_writes_through_an_array_comes_back(way: str) -> None:
    model = Unseen(way)
    before = model.inner.weight.detach().clone()
    for _ in range(2):
        regime.empirical_ntk(model, X)
        assert torch.equal(model.inner.weight, before)


class Making(nn.Module):
    """Makes a parameter in its forward pass: a new one where there is none, or one in the place of its own."""

    def __init__(self, anew: bool) -> None:
        super().__init__()
        self.inner, self.out, self.anew = nn.Linear(4, 5), nn.Linear(5, 3), anew

    def forward(self, x: Tensor) -> Tensor:
        if self.anew:
            self.inner.weight = nn.Parameter(self.inner.weight.detach() * 2)
        elif not hasattr(self, "scale"):
            self.scale = nn.Parameter(torch.ones(5))
        return self.out(self.inner(x).tanh())


@pytest.mark.parametrize("anew", [True, False])
def test_parameters_that_a_pass_makes_are_no_part_of_the_network(anew: bool) -> None:
    torch.manual_seed(0)
    model = Making(anew)
    names = list(model.state_dict())
    kernel = regime.empirical_ntk(model, X)
    assert set(kernel.layers) == {"inner", "out"}
    assert torch.allclose(kernel.total, regime.empirical_ntk(model, X, method="dense").total, rtol=1e-5, atol=1e-6)
    assert set(regime.plan_ntk(model, X).layers) == set(regime.Linearization.of(model, X).parameters) == {"inner", "out"}
    assert list(model.state_dict()) == names


class Casting(nn.Module):
    """Keeps a layer in single precision by casting it in every pass, as routers do."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.router.float()(x.float()).softmax(-1)
        return self.out(x * weights.to(x))


def test_a_pass_that_casts_its_parameters_is_refused_until_it_has() -> None:
    torch.manual_seed(0)
    model, x = Casting().double(), X.double()
    with pytest.raises(ValueError, match=r"casts parameters of its own, router\.weight, router\.bias"):
        regime.empirical_ntk(model, x)
    assert model.router.weight.dtype == torch.float64
    model(x)
    found = regime.empirical_ntk(model, x)
    assert found.layers["router"] is not None
    assert torch.allclose(found.total, regime.empirical_ntk(model, x, method="dense").total, rtol=1e-5)


class Cached(nn.Module):
    """Keeps what it made of its weight in a cache that no module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.made = functools.lru_cache(lambda: self.inner.weight.sin() ** 2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.made()).tanh()


def test_gradients_that_torch_cannot_compute_are_refused_in_its_words() -> None:
    for measure in (regime.empirical_ntk, regime.Linearization.of, regime.Monitor):
        with pytest.raises(
            ValueError, match="torch cannot compute its gradients: Trying to backward through the graph a second"
        ):
            measure(Cached(), X)


class Rescaling(nn.Linear):
    """Halves its weight as it evaluates, once, as RWKV does."""

    halved = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.halved:
            with torch.no_grad():
                self.weight.mul_(0.5)
            self.halved = True
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "measure", [regime.empirical_ntk, regime.Linearization.of, regime.Monitor], ids=["kernel", "linearization", "monitor"]
)
def test_a_network_that_rescales_a_weight_once_is_told_to_do_so_before(measure: Callable) -> None:
    model, x = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), Rescaling(5, 2)), torch.randn(8, 4)
    with pytest.raises(ValueError, match=r"^model: its forward pass writes into 2\.weight; call it once before, "):
        measure(model, x)
    model(x)
    measure(model, x)


def test_measurements_whose_readouts_use_each_others_networks_take_turns() -> None:
    a, b, x = nn.Linear(4, 4), nn.Linear(4, 4), torch.randn(8, 4)

    def measure(model: nn.Module, other: nn.Module) -> None:
        readout = lambda outputs, _: other(outputs)  # noqa: E731
        for step in range(15):
            regime.empirical_ntk(model, x, readout=readout)
            if step % 5 == 0:
                regime.Monitor(model, x, readout)

    threads = [threading.Thread(target=measure, args=pair, daemon=True) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_another_threads_passes_through_a_network_that_is_measured_are_its_own() -> None:
    net, x = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)), torch.randn(16, 8)
    expected, ended, errors = regime.empirical_ntk(net, x).total, threading.Event(), []

    def use() -> None:
        while not ended.is_set():
            try:
                net(x)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    try:
        for _ in range(20):
            assert torch.equal(regime.empirical_ntk(net, x).total, expected)
    finally:
        ended.set()
        thread.join()
    assert errors == []
    assert not net._forward_hooks
    assert not net._forward_pre_hooks
    assert torch.equal(regime.empirical_ntk(net, x).total, expected)

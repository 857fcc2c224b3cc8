"""Plans, and kernels under a budget."""

import re
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

import regime
from regime import empirical_ntk, plan_ntk
from regime.kernels import planning
from tests.kernels.jacobian.architectures import ARCHITECTURES

MIB = 2**20


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def mlp(width: int = 64, outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs))


def relative(got: torch.Tensor, want: torch.Tensor) -> float:
    return ((got - want).norm() / want.norm()).item()


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("group", ["layer", "total"])
@pytest.mark.parametrize("m", [None, 17])
def test_blocks_change_nothing(outputs: str, group: str, m: int | None) -> None:
    model = mlp().double()
    x, other = torch.randn(41, 8).double(), None if m is None else torch.randn(m, 8).double()
    settings = {"outputs": outputs, "group": group}
    want = empirical_ntk(model, x, other, **settings)
    least = needed(model, x, other, **settings)
    whole = plan_ntk(model, x, other, memory=2**30, **settings).bytes - 64 * MIB
    examples = set()
    for memory in (least + (whole - least) // 3, 2 * whole):
        plan = plan_ntk(model, x, other, memory=memory, **settings)
        assert plan.bytes <= memory
        examples.add(plan.examples)
        got = empirical_ntk(model, x, other, memory=memory, **settings)
        assert relative(got.total, want.total) < 1e-14
        assert all(relative(got.layers[path], kernel) < 1e-14 for path, kernel in want.layers.items())
    assert min(examples) < 41 == max(examples)


def needed(*args: object, **settings: object) -> int:
    """The bytes that a kernel cannot do without."""
    with pytest.raises(ValueError, match="is too little") as refusal:
        empirical_ntk(*args, memory=1, **settings)
    return int(str(refusal.value).split(":")[1].split()[0])


def test_blocks_of_a_padded_transformer() -> None:
    architecture = ARCHITECTURES["bert"]()
    batch = architecture.inputs(*architecture.sizes)
    settings = {"readout": architecture.readout, "outputs": "full"}
    want = empirical_ntk(architecture.model, batch, **settings)
    memory = needed(architecture.model, batch, **settings)
    got = empirical_ntk(architecture.model, batch, memory=memory, **settings)
    assert plan_ntk(architecture.model, batch, memory=memory, **settings).examples == 1
    assert relative(got.total, want.total) < 1e-12


def test_too_small_a_budget_says_how_much_is_needed() -> None:
    model, x = mlp(), torch.randn(5, 8)
    with pytest.raises(ValueError, match=r"memory = 1000 bytes is too little: \d+ are needed, 300 for the result"):
        empirical_ntk(model, x, memory=1000)
    with pytest.raises(ValueError, match="memory = 0 is not allowed; allowed: an integer of at least 1"):
        plan_ntk(model, x, memory=0)


def test_methods_follow_the_counts() -> None:
    """Gram matrices where there is one token; explicit gradients where tokens are many against the layer's size."""
    assert {layer.method for layer in plan_ntk(mlp(), torch.randn(9, 8)).layers.values()} == {"token-gram"}
    tokens = torch.randn(9, 500, 8)
    readout = lambda output, batch: output.mean(1)  # noqa: E731, ARG005
    plan = plan_ntk(mlp(16), tokens, readout=readout)
    assert {layer.method for layer in plan.layers.values()} == {"per-example"}
    forced = plan_ntk(mlp(16), tokens, readout=readout, method="token-gram")
    assert {layer.method for layer in forced.layers.values()} == {"token-gram"}
    assert sum(layer.operations for layer in forced.layers.values()) > sum(layer.operations for layer in plan.layers.values())


def test_unused_layers_have_no_method() -> None:
    architecture = ARCHITECTURES["bert"]()
    plan = plan_ntk(architecture.model, architecture.inputs(4, 6), readout=architecture.readout)
    assert [path for path, layer in plan.layers.items() if layer.method is None] == ["pooler.dense"]
    assert plan.layers["embeddings.word_embeddings"].method == "matching tokens"


@pytest.mark.parametrize(("n", "width"), [(512, 512), (1024, 256)])
def test_seconds_are_of_the_right_size(n: int, width: int) -> None:
    """Within a factor of five, other load on the machine included; the benchmarks say it better."""
    model, x = mlp(width), torch.randn(n, 8)
    plan = plan_ntk(model, x)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        empirical_ntk(model, x)
        seconds.append(time.perf_counter() - start)
    assert plan.seconds / 5 < min(seconds) < plan.seconds * 5


@pytest.mark.parametrize(("outputs", "m"), [(1, None), (5, None), (5, 700)])
@pytest.mark.parametrize("blocks", [False, True])
def test_operations_are_those_of_an_mlp_by_hand(
    outputs: int, m: int | None, blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of one operation a second: one pass forward and one back for each output, and what kernels take."""
    monkeypatch.setattr(planning, "matmul_rate", lambda _: 2 / planning.EFFICIENCY)
    model, x, other = mlp(64, outputs), torch.randn(600, 8), None if m is None else torch.randn(m, 8)
    result = 3 * 600 * (m or 600) * 4
    plan = plan_ntk(model, x, other, memory=result + MIB if blocks else None)
    assert (plan.examples < 600) == blocks
    rows = -(-600 // plan.examples)
    # a block's rows pass with themselves, and those before it, or all others, pass beside each
    passed = 600 + (rows * m if m is not None else plan.examples * (rows - 1) * rows / 2)
    forward = 8 * 64 + 64 * 64 + 64 * outputs
    operations = plan.seconds - sum(layer.operations for layer in plan.layers.values())
    assert operations == pytest.approx((1 + outputs) * passed * forward, rel=0.1)


def test_projection_of_many_outputs() -> None:
    """The estimate is unbiased, and as far off as it says."""
    model, x = mlp(32, outputs=200).double(), torch.randn(6, 8).double()
    want = empirical_ntk(model, x).total
    estimates = [empirical_ntk(model, x, outputs="projection", projections=16, seed=10 * k) for k in range(40)]
    mean = torch.stack([each.total for each in estimates]).mean(0)
    errors = [relative(each.total, want) for each in estimates]
    stated = [each.error for each in estimates]
    assert relative(mean, want) < 2.5 * sum(errors) / len(errors) / len(errors) ** 0.5
    assert 0.7 < (sum(e * e for e in errors) / sum(s * s for s in stated)) ** 0.5 < 1.4
    assert empirical_ntk(model, x).error is None
    with pytest.raises(ValueError, match="projections = 1 is not allowed"):
        empirical_ntk(model, x, outputs="projection", projections=1)


@pytest.mark.parametrize(("outputs", "projections"), [(2, 2), (2, 4), (3, 4), (5, 5)])
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_no_more_outputs_than_projections_are_exact(outputs: int, projections: int, method: str) -> None:
    model, x = mlp(8, outputs=outputs).double(), torch.randn(6, 8).double()
    want = empirical_ntk(model, x).total
    for seed in range(4):
        got = empirical_ntk(model, x, outputs="projection", projections=projections, seed=seed, method=method)
        assert relative(got.total, want) < 1e-12
        assert got.error == 0


@pytest.mark.parametrize(("projections", "share"), [(16, 0.12), (11, 0.12)])
def test_the_error_of_projections_is_seldom_far_too_small(projections: int, share: float) -> None:
    """Where one direction of the outputs has nearly all of the kernel, and two halves are often alike by chance."""
    torch.manual_seed(0)
    model, x = mlp(16, outputs=300), torch.randn(5, 8)
    model[-1].weight.data += 0.5
    want = empirical_ntk(model, x).total
    draws = [empirical_ntk(model, x, outputs="projection", projections=projections, seed=seed) for seed in range(60)]
    assert sum(relative(each.total, want) > 3 * each.error for each in draws) / len(draws) < share


def test_the_error_of_projections_is_the_same_by_every_way() -> None:
    """Outputs at once or one after another, examples in blocks, and explicit Jacobians; groups of unequal size."""
    model, x = mlp(16, outputs=40).double(), torch.randn(7, 8).double()
    settings = {"outputs": "projection", "projections": 11}
    plain = empirical_ntk(model, x, **settings)
    other = empirical_ntk(model, x, x[:5], **settings)
    explicit = empirical_ntk(model, x, method="dense", **settings)
    assert plain.error == pytest.approx(explicit.error)
    assert relative(plain.total, explicit.total) < 1e-12
    assert relative(other.total, plain.total[:, :5]) < 1e-12
    assert other.error == pytest.approx(empirical_ntk(model, x, x[:5], method="dense", **settings).error)
    least = int(LEAST_BYTES.search(_refusal(model, x, settings)).group(1))
    tight = empirical_ntk(model, x, memory=least, **settings)
    assert tight.error == pytest.approx(plain.error)
    assert relative(tight.total, plain.total) < 1e-12


def test_projections_have_a_limit() -> None:
    for count in (10**9, 4097):
        with pytest.raises(ValueError, match=f"projections = {count} is not allowed; allowed: an integer from 2 to 4096"):
            empirical_ntk(mlp(), torch.randn(6, 8), outputs="projection", projections=count)


LEAST_BYTES = re.compile(r"too little: (\d+) are needed")


def _refusal(model: nn.Module, x: torch.Tensor, settings: dict) -> str:
    with pytest.raises(ValueError, match="too little") as refused:
        empirical_ntk(model, x, memory=1, **settings)
    return str(refused.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_precision(dtype: torch.dtype) -> None:
    """bfloat16 models give float32 kernels, as far off as their activations are."""
    model, x = mlp().to(dtype), torch.randn(20, 8).to(dtype)
    got = empirical_ntk(model, x).total
    want = empirical_ntk(model.double(), x.double()).total
    assert got.dtype == torch.float32
    assert relative(got.double(), want) < {torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]


class Force(nn.Module):
    """The gradient of an energy with respect to the positions that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.out(self.inner(x).tanh()).sum(), x, create_graph=True)[0]


def test_networks_that_differentiate_in_their_pass_and_batches_with_gradients_are_planned() -> None:
    x = torch.randn(9, 4)
    for model, batch in ((Force(), x), (nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2)), x.clone().requires_grad_())):
        assert regime.plan_ntk(model, batch).seconds > 0
        assert regime.Monitor.plan(model, batch).seconds > 0


class Mapped(nn.Module):
    """Takes the derivatives of a network by its inputs, each example by itself, where shapes leave out the examples."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.vmap(torch.func.jacrev(self.inner))(x)[..., 0]


BUILDS = {"traced": lambda m: torch.jit.trace(m, torch.randn(2, 4)), "scripted": torch.jit.script, "mapped": Mapped}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_gradients_of_one_example_after_another_count_in_the_memory(build: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    model, x = build(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))), torch.randn(9, 4)
    with pytest.raises(ValueError, match="memory = 1 bytes is too little") as refused:
        regime.empirical_ntk(model, x, memory=1)
    least = int(str(refused.value).split(": ")[1].split()[0])
    blocks = regime.empirical_ntk(model, x, memory=2 * least).total
    assert torch.allclose(blocks, regime.empirical_ntk(model, x, method="dense").total, rtol=1e-5, atol=1e-6)

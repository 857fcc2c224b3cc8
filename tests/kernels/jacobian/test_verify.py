"""The check of every call: a fast path that is wrong is found and replaced, and what cannot be mended is refused by name."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import regime
from regime import Linearization, empirical_ntk, plan_ntk
from regime.kernels.jacobian import capture as engine
from regime.kernels.jacobian import replay
from regime.kernels.jacobian.calls import RULES
from regime.kernels.jacobian.capture import capture, learn_structure
from regime.kernels.jacobian.parts import DensePart, RowsPart
from regime.kernels.jacobian.verify import GradientCheck, squared
from tests.kernels.jacobian.architectures import relative


class Net(nn.Module):
    """Parameters w (5, 5), b and v (2, 5), used as `function(net, x)` says."""

    def __init__(self, function: Callable[["Net", Tensor], Tensor], bias: tuple[int, ...] = (5,), **options: object) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        shapes = {"w": (5, 5), "b": bias, "v": (2, 5)}
        for name, shape in shapes.items():
            options = {"dtype": torch.float64} | options
            setattr(self, name, nn.Parameter(torch.randn(shape, generator=generator, **options)))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def inputs(n: int = 9) -> Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def explicit_layers(model: nn.Module, x: Tensor, **options: object) -> int:
    """How many parameters of the model have gradients one by one."""
    jacobians = capture(model, x, **options)
    return sum(isinstance(part, RowsPart) for jacobian in jacobians.values() if jacobian is not None for part in jacobian.parts)


def assert_exact(model: nn.Module, x: Tensor, little: bool = False) -> None:
    """With little memory, too: by single examples, or single outputs."""
    for outputs in ("trace", "full"):
        fast = empirical_ntk(model, x, outputs=outputs, memory=least(model, x, outputs=outputs) if little else None).total
        assert relative(fast, empirical_ntk(model, x, outputs=outputs, method="dense").total) < 1e-10


def least(*args: object, **options: object) -> int:
    """The bytes that a kernel cannot do without."""
    with pytest.raises(ValueError, match="is too little") as refusal:
        plan_ntk(*args, memory=1, **options)
    return int(str(refusal.value).split(":")[1].split()[0])


def linear(x: Tensor, weight: Tensor) -> Tensor:
    if torch.overrides.has_torch_function((x, weight)):
        return torch.overrides.handle_torch_function(linear, (x, weight), x, weight)
    return 3 * (x @ weight.T.sin())


def layer_norm(x: Tensor, shape: tuple[int, ...], weight: Tensor) -> Tensor:
    if torch.overrides.has_torch_function((x, weight)):
        return torch.overrides.handle_torch_function(layer_norm, (x, weight), x, shape, weight)
    return functional.layer_norm(x, shape) * weight.exp()


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: linear(x, net.w) @ net.v.T,
        lambda net, x: layer_norm(x @ net.w, (5,), net.b) @ net.v.T,
    ],
    ids=["linear", "layer_norm"],
)
def test_rules_belong_to_functions_and_not_to_names(function: Callable) -> None:
    assert_exact(Net(function), inputs())


CALLS = {
    "linear": lambda net, x: functional.linear(x, net.w, net.b),
    "addmm": lambda net, x: torch.addmm(net.b, x, net.w),
}


@pytest.mark.parametrize(
    ("call", "bias"), [("linear", (1,)), ("linear", (5,)), *(("addmm", bias) for bias in [(1,), (5,), (1, 1), (1, 5)])]
)
def test_a_broadcast_bias_has_its_own_shape(call: str, bias: tuple[int, ...]) -> None:
    model = Net(lambda net, x: CALLS[call](net, x).tanh() @ net.v.T, bias)
    x = inputs()
    assert_exact(model, x)
    linearization = Linearization.of(model, x)
    v = torch.randn(9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    pulled = linearization.vjp(v)["(root)"]
    want = torch.autograd.grad((model(x) * v).sum(), [model.w, model.b, model.v])
    for (name, mine), gradient in zip(sorted(pulled.items()), sorted(zip("wbv", want, strict=True)), strict=True):
        assert name == gradient[0]
        assert mine.shape == gradient[1].shape
        assert relative(mine, gradient[1]) < 1e-12


def test_complex_parameters_are_two_real_ones() -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.w = nn.Parameter(torch.randn(5, 3, generator=generator, dtype=torch.complex128))
            self.v = nn.Parameter(torch.randn(3, 2, generator=generator, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return ((x.to(self.w.dtype) * 1j) @ self.w).abs().sin() @ self.v

    model, x = Spectral(), inputs()
    assert_exact(model, x)
    linearization = Linearization.of(model, x)
    v = torch.randn(9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    want = torch.autograd.grad((model(x) * v).sum(), [model.w, model.v])
    pulled = linearization.vjp(v)["(root)"]
    assert relative(pulled["w"], want[0]) < 1e-12
    moved = linearization.jvp({"(root)": {"w": pulled["w"], "v": pulled["v"]}})
    assert relative(moved, linearization.kernel_product(v)) < 1e-12
    assert linearization.top_eigenvalue > 0


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize(
    "coupled",
    [
        lambda net, x: (x - x.mean(0)) @ net.w @ net.v.T,
        lambda net, x: (x @ net.w).tanh() @ net.v.T / len(x),
        lambda net, x: (x @ net.w).tanh() @ net.v.T * (1 + (x @ net.w).std()),
        lambda net, x: (x @ net.w).tanh() @ net.v.T * (2 + x[0, 0].tanh()),
    ],
    ids=["mean", "number", "spread", "first"],
)
def test_examples_that_affect_one_another_are_refused_at_any_scale(scale: float, coupled: Callable) -> None:
    model = Net(lambda net, x: scale * coupled(net, x))
    for call in (empirical_ntk, plan_ntk, Linearization.of):
        with pytest.raises(ValueError, match="changes with the other examples"):
            call(model, inputs())


class Casting(nn.Module):
    """Rounds inputs, and weights if asked, to a coarse dtype; examples share a part of their mean."""

    def __init__(self, dtype: torch.dtype, shared: float, deep: int = 0) -> None:
        super().__init__()
        self.dtype, self.shared = dtype, shared
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(deep))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.to(self.dtype).float()).tanh()
        for layer in self.layers:
            h = h + functional.linear(h.to(self.dtype), layer.weight.to(self.dtype)).tanh().float()
        return self.last(h - self.shared * h.mean(0))


@pytest.mark.parametrize(("dtype", "shared"), [(torch.bfloat16, 1e-3), (torch.float16, 1e-3), (torch.float8_e4m3fn, 0.01)])
def test_coarse_numbers_hide_no_more_than_their_rounding(dtype: torch.dtype, shared: float) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        with pytest.raises(ValueError, match="changes with the other examples"):
            empirical_ntk(Casting(dtype, shared, 0 if dtype.itemsize == 1 else 3 * seed), torch.randn(16, 4))


def test_coarse_numbers_do_not_hide_inputs_that_are_mixed() -> None:
    """Before the first parameter no gradient shows it, but the outputs do."""
    torch.manual_seed(0)
    model, x = Casting(torch.bfloat16, 0.0), torch.randn(16, 4)
    model.register_forward_pre_hook(lambda _, args: (args[0] - 0.1 * args[0].mean(0),))
    with pytest.raises(ValueError, match="changes with the other examples"):
        empirical_ntk(model, x)


@pytest.mark.parametrize("deep", [0, 12])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_coarse_numbers_have_a_kernel(dtype: torch.dtype, deep: int) -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        model, x = Casting(dtype, 0.0, deep if dtype.itemsize > 1 else 0), torch.randn(16, 4)
        kernel, want = (empirical_ntk(model, x, method=method).total for method in ("auto", "dense"))
        assert relative(kernel, want) < 0.02


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("back", [False, True])
def test_a_readout_may_be_coarse(dtype: torch.dtype, back: bool) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(16, 4)

    def coarse(outputs: Tensor, _: object) -> Tensor:
        return outputs.to(dtype).float() * 1.1 if back else outputs.to(dtype)

    kernel = empirical_ntk(model, x, readout=coarse).total
    assert relative(kernel, empirical_ntk(model, x).total * (1.21 if back else 1)) < 0.02
    with pytest.raises(ValueError, match="changes with the other examples"):
        empirical_ntk(model, x, readout=lambda o, b: coarse(o - 0.01 * o.mean(0), b))


def test_a_readout_may_not_be_random() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(16, 4)
    with pytest.raises(ValueError, match="it is random"):
        empirical_ntk(model, x, readout=lambda o, _: o * (1 + (torch.rand(()) > 0.9)))


def test_what_a_readout_writes_is_put_back() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).eval(), torch.randn(16, 4)

    def counting(outputs: Tensor, _: object) -> Tensor:
        with torch.no_grad():
            model[0].bias.add_(1)
        return outputs

    before = model[0].bias.detach().clone()
    empirical_ntk(model, x, readout=counting)
    assert torch.equal(before, model[0].bias)


@pytest.mark.parametrize("scale", [1e-22, 1e-30])
def test_squares_out_of_range_are_not_taken_for_coupled(scale: float) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(16, 4)
    with pytest.raises(ValueError, match="leaves the range of float32"):
        empirical_ntk(model, x, readout=lambda o, _: o * scale)


@pytest.mark.parametrize("alpha", [1.0, 1e4, 1e8])
def test_outputs_that_cancel_are_not_taken_for_coupled(alpha: float) -> None:
    """f - f0 is rounding at the start, in whichever company: as networks are made lazy by a large alpha."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 300), nn.Tanh(), nn.Linear(300, 2)), torch.randn(64, 5)
    start, kernel = copy.deepcopy(model).requires_grad_(False), empirical_ntk(model, x).total
    with torch.no_grad():
        model[0].weight += 1e-6
    own = empirical_ntk(model, x, readout=lambda f, batch: alpha * (f - start(batch))).total
    assert relative(own, alpha**2 * kernel) < 1e-4
    with pytest.raises(ValueError, match="changes with the other examples"):
        empirical_ntk(model, x, readout=lambda f, batch: alpha * (f - start(batch) + 1e-3 * f.mean(0)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda net, x: functional.dropout(x @ net.w, 0.5) @ net.v.T, "it is random: two passes of the same examples differ"),
        (lambda net, x: (x @ net.w + torch.randn_like(x)).tanh() @ net.v.T, "it is random"),
        (
            lambda net, x: checkpoint(lambda h: h @ net.w, x + 0 * net.b, use_reentrant=True) @ net.v.T,
            "reentrant gradient check",
        ),
        (lambda net, x: torch.complex(x @ net.w, x), "outputs must be real numbers"),
    ],
    ids=["dropout", "noise", "checkpoint", "complex outputs"],
)
def test_what_cannot_be_measured_is_called_what_it_is(function: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        empirical_ntk(Net(function), inputs())


OPERATORS = torch.library.Library("regime_tests", "DEF")
OPERATORS.define("square(Tensor x) -> Tensor")
OPERATORS.define("cube(Tensor x) -> Tensor")
OPERATORS.impl("square", lambda x: x * x, "CPU")


def below_autograd(x: Tensor) -> Tensor:
    with torch._C._AutoDispatchBelowAutograd():
        return x * x * x


OPERATORS.impl("cube", below_autograd, "CPU")


@pytest.mark.parametrize("name", ["square", "cube"])
@pytest.mark.parametrize("beside", [0.0, 1.0])
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_an_operator_without_a_derivative_is_refused_where_it_loses_gradients(name: str, beside: float, method: str) -> None:
    """Torch only warns, and leaves the way through it out of the gradient."""
    operator = getattr(torch.ops.regime_tests, name)

    def function(net: Net, x: Tensor) -> Tensor:
        h = x @ net.w
        return (operator(h) + beside * h + net.b).tanh() @ net.v.T

    model, x = Net(function), inputs()
    for call in (regime.Monitor, Linearization.of, lambda *given: empirical_ntk(*given, method=method)):
        with pytest.raises(ValueError, match=r"an operator without a derivative, .* between w of \(root\) and the outputs"):
            call(model, x)
    model.w.requires_grad_(False)
    power = 2 if name == "square" else 3
    plain = Net(lambda net, x: ((x @ net.w) ** power + beside * (x @ net.w) + net.b).tanh() @ net.v.T)
    plain.w.requires_grad_(False)
    assert relative(empirical_ntk(model, x, method=method).total, empirical_ntk(plain, x, method="dense").total) < 1e-12


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "__iadd__", "__imul__"])
def test_no_example_is_passed_alone_for_a_call_that_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Net(lambda net, x: getattr(2 * functional.linear(x, net.w), name)(net.b).tanh() @ net.v.T)
    found, alone = engine.explicit, []
    monkeypatch.setattr(engine, "explicit", lambda *given: alone.append(given[-1]) or found(*given))
    assert_exact(model, inputs())
    assert alone
    assert not any(own for layers in alone for own in layers.values())


WRONG = {
    "another weight": lambda rule: lambda use, t: _changed(rule(use, t), lambda a: 1.1 * a),
    "rows turned round": lambda rule: lambda use, t: _changed(rule(use, t), lambda a: a.flip(0)),
    "one example": lambda rule: lambda use, t: _changed(rule(use, t), lambda a: torch.cat([0 * a[:1], a[1:]])),
}


def _changed(found: replay.Weight, change: Callable[[Tensor], Tensor]) -> replay.Weight:
    return replace(found, a=change(found.a)) if isinstance(found, replay.Weight) else found


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("little", [False, True])
def test_a_rule_that_is_wrong_is_found_and_replaced(name: str, little: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every block of examples, and in the other batch."""
    model, x = Net(lambda net, x: functional.linear(x, net.w, net.b).tanh() @ net.v.T), inputs()
    assert explicit_layers(model, x) == 0
    right = RULES[functional.linear]
    monkeypatch.setitem(RULES, functional.linear, WRONG[name](right))
    assert explicit_layers(model, x) == 3
    assert_exact(model, x, little)
    memory = least(model, x, inputs(13)[9:]) if little else None
    crossed = empirical_ntk(model, x, inputs(13)[9:], memory=memory).total
    assert relative(crossed, empirical_ntk(model, x, inputs(13)[9:], method="dense").total) < 1e-10


def test_a_kernel_rule_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The products may be right where the kernel is not."""
    model, x = Net(lambda net, x: functional.linear(x, net.w, net.b).tanh() @ net.v.T), inputs()
    add = DensePart.add_kernel

    def without_bias(self: DensePart, *args: object) -> None:
        add(replace(self, bias=None), *args)

    monkeypatch.setattr(DensePart, "add_kernel", without_bias)
    assert_exact(model, x)


@pytest.mark.parametrize("error", [1e-2, 1e-4, 1e-8])
def test_a_tape_is_held_to_the_gradients_of_autograd(error: float) -> None:
    model, x = Net(lambda net, x: functional.linear(x, net.w, net.b).tanh() @ net.v.T), inputs()
    structure = learn_structure(model, x, None)
    layers = {"(root)": dict(model.named_parameters())}
    jacobians = capture(model, x, structure=structure)
    probe = GradientCheck(structure.outputs, [0, 1, 2], structure.examples, layers, 1e-6)
    assert probe.agrees("(root)", jacobians["(root)"])
    off = {"(root)": jacobians["(root)"].of_outputs(lambda g: (1 + error) * g)}
    assert probe.agrees("(root)", off["(root)"]) == (error < 1e-6)
    assert not probe.agrees("(root)", None)


def test_a_sum_of_millions_of_squares_is_exact() -> None:
    """One float32 sum is not: layers of a billion-parameter model would be taken for wrong, and pass one example at a time."""
    large = torch.rand(2**12, 2**12)
    want = large.double().square().sum()
    assert abs(squared(large) / want - 1) < 1e-7
    assert squared(torch.tensor(3.0)) == 9


class Root(nn.Linear):
    """The square root of |w.x|, which has no derivative at the origin."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).abs().sqrt()


@pytest.mark.parametrize("method", ["auto", "dense"])
@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("crossed", [False, True])
def test_gradients_that_are_not_finite_are_refused(at: int, crossed: bool, method: str) -> None:
    """Of whichever example: the check looks at a few."""
    x = torch.randn(7, 4)
    x[at] = 0
    with pytest.raises(ValueError, match=r"model: .*not finite"):
        empirical_ntk(Root(4, 2, bias=False), x, torch.randn(3, 4) if crossed else None, method=method)


VANISHING: dict[str, Callable] = {
    "sum of shares": lambda o, _: o.softmax(1).sum(1, keepdim=True),
    "sum of what is centered": lambda o, _: functional.layer_norm(o, (3,)).sum(1, keepdim=True),
    "one direction": lambda o, _: functional.normalize(o[:, :1] * o[:, 1:2].exp(), dim=1) + 0 * o[:, :1],
    "likeness to itself": lambda o, _: functional.cosine_similarity(o, o)[:, None],
}


@pytest.mark.parametrize("name", VANISHING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_that_are_rounding_alone_are_called_so_or_none(name: str, dtype: torch.dtype) -> None:
    for seed in range(8):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
        x = torch.randn(9, 4, dtype=dtype)
        words = []
        for use in (empirical_ntk, regime.Monitor):
            try:
                found = use(model, x, readout=VANISHING[name])
            except ValueError as error:
                words.append(str(error))
            else:
                assert use is regime.Monitor or found.total.abs().max() < 1e-10
        assert all("no gradients on this batch but for rounding" in each for each in words), words


def passed_back(backward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The identity, with gradients of its own."""

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            del ctx
            return x.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            del ctx
            return backward(gradient)

    return Identity.apply


UNFIT: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "clamped": (lambda g: g.clamp(-1e-3, 1e-3), "not linear"),
    "signs": (torch.sign, "not linear"),
    "clipped": (lambda g: g * min(1, 0.1 / (g.norm().item() + 1e-9)), "not linear"),
    "normalized": (lambda g: functional.normalize(g, dim=-1), "not linear"),
    "positive": (torch.relu, "not linear"),
    "rounded": (lambda g: (4 * g).round() / 4, "not linear"),
    "random": (lambda g: g + torch.randn_like(g), "random"),
    "centered": (lambda g: g - g.mean(0), "changes with the other examples"),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_that_a_backward_function_changes_are_called_what_they_are(name: str, dtype: torch.dtype) -> None:
    backward, message = UNFIT[name]
    function = passed_back(backward)
    model, x = Net(lambda net, x: function((x @ net.w).tanh()) @ net.v.T, dtype=dtype), inputs().to(dtype)
    for measure in (empirical_ntk, regime.Monitor, plan_ntk, Linearization.of):
        with pytest.raises(ValueError, match=message):
            measure(model, x)
    model.v.requires_grad_(False)  # of which the gradient is as it should be
    with pytest.raises(ValueError, match=message):
        empirical_ntk(model, x)


class Stepping(nn.Linear):
    """A step on its own parameter inside the forward pass, as meta-learning has it."""

    def forward(self, x: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad((self.weight**3).sum(), self.weight, create_graph=True)
        return functional.linear(x, self.weight - 0.1 * gradient, self.bias)


def looked_up(sparse: bool) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.EmbeddingBag(300, 60, sparse=sparse), nn.Tanh(), nn.Linear(60, 2))


@pytest.mark.parametrize("method", ["auto", "dense"])
def test_sparse_gradients_count_like_others(method: str) -> None:
    ids = torch.randint(300, (6, 4))
    kernels = [empirical_ntk(looked_up(sparse), ids, method=method).layers for sparse in (True, False)]
    assert all(relative(kernels[0][path], kernels[1][path]) < 1e-6 for path in kernels[0])
    assert plan_ntk(looked_up(True), ids).bytes > 0


@pytest.mark.parametrize("anomalies", [False, True])
def test_gradients_inside_a_forward_and_anomaly_mode(anomalies: bool) -> None:
    model, x = nn.Sequential(Stepping(4, 5), nn.Tanh(), nn.Linear(5, 2)), torch.randn(6, 4)
    with torch.autograd.set_detect_anomaly(anomalies):
        got, want = (empirical_ntk(model, x, method=method).layers for method in ("auto", "dense"))
        plain = empirical_ntk(nn.Sequential(*model[1:]), torch.randn(6, 5))
    assert all(relative(got[path], want[path]) < 1e-5 for path in want)
    assert plain.total.isfinite().all()


def test_inference_tensors() -> None:
    """A batch that was made so is taken; autograd never takes a parameter that was."""
    x, model = torch.randn(6, 4), nn.Linear(4, 2)
    with torch.inference_mode():
        inside, frozen = x.clone(), nn.Linear(4, 2)
    assert torch.equal(empirical_ntk(model, inside).total, empirical_ntk(model, x).total)
    with pytest.raises(ValueError, match="the parameter weight is not here: it was made under inference_mode"):
        empirical_ntk(frozen, x)


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (nn.Embedding(5, 2, scale_grad_by_freq=True), torch.arange(4), r"\(Embedding\) couples .* scale_grad_by_freq=False"),
        (nn.Linear(4, 2), torch.eye(4).to_sparse(), "batch: 'batch' is sparse"),
        (nn.Linear(4, 2), torch.empty(4, 4, device="meta"), "batch: 'batch' is on the meta device"),
    ],
)
def test_what_has_no_kernel_is_named(model: nn.Module, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        empirical_ntk(model, x)


def test_a_sparse_parameter_is_refused() -> None:
    model = nn.Linear(4, 2)
    model.weight = nn.Parameter(model.weight.detach().to_sparse())
    with pytest.raises(ValueError, match="the parameter weight is not here: it is sparse"):
        empirical_ntk(model, torch.randn(3, 4))


@pytest.mark.parametrize(
    ("forward", "readout"),
    [
        (lambda net, x: (x @ net.w).detach(), None),
        (lambda net, x: torch.no_grad()(lambda: x @ net.w)(), None),
        (lambda net, x: x @ net.w, lambda output, _: output.argmax(1, keepdim=True).double()),
    ],
    ids=["detached", "without gradients", "a readout of classes"],
)
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_outputs_whose_gradients_are_cut_off_are_refused(forward: Callable, readout: Callable | None, method: str) -> None:
    with pytest.raises(ValueError, match="cuts gradients off"):
        empirical_ntk(Net(forward), inputs(), readout=readout, method=method)
    with pytest.raises(ValueError, match="cuts gradients off"):
        Linearization.of(Net(forward), inputs(), readout)


@pytest.mark.parametrize("used", [torch.conj, torch.adjoint], ids=["conjugate", "adjoint"])
def test_complex_parameters_may_be_conjugated(used: Callable) -> None:
    model = Net(lambda net, x: (x.to(net.w.dtype) @ used(net.w)).abs(), dtype=torch.complex128)
    assert_exact(model, inputs())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", [torch.abs, lambda w: w.real.sin(), lambda w: torch.view_as_real(w).prod(-1)])
def test_what_is_real_may_be_made_of_complex_parameters(made: Callable) -> None:
    assert_exact(Net(lambda net, x: x @ made(net.w), dtype=torch.complex128), inputs())


@pytest.mark.parametrize("row", range(9))
@pytest.mark.parametrize(
    "write",
    [
        lambda view, p: view.remainder_(p),
        lambda view, p: view.clamp_(max=p),
        lambda view, p: view.mul_(torch.where(view.detach().abs() > 1, p, torch.ones_like(p))),
    ],
    ids=["remainder", "clamp", "where"],
)
def test_a_parameter_that_one_example_alone_meets_is_checked_on_it_or_taken_one_by_one(write: Callable, row: int) -> None:
    class Shared(nn.Module):
        """Writes into a view of what is also returned, so that gradients come to the call by two ways."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.p = nn.Linear(5, 4).double(), nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            kept = torch.tanh(self.layer(x)) ** 2 * (1 + 9 * (x.abs().amax(1, keepdim=True) > 50))
            return torch.cat([write(kept[:, :], self.p), kept], 1)

    torch.manual_seed(0)
    x = inputs() / 10
    x[row] *= 1000 / x[row].abs().max()
    model = Shared()
    assert float(empirical_ntk(model, x, method="dense").layers["(root)"][row, row]) > 0
    assert relative(empirical_ntk(model, x).layers["(root)"], empirical_ntk(model, x, method="dense").layers["(root)"]) < 1e-9


class Stopped(torch.autograd.Function):
    """Has no gradient, rather than one of zeros."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        del ctx
        return 2 * x

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> None:
        del ctx, gradient


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: x @ net.v.T + Stopped.apply(torch.tanh(x @ net.w.T) @ net.v.T),
        lambda net, x: (x @ net.v.T) * Stopped.apply(torch.tanh(x @ net.w.T) @ net.v.T),
        lambda net, x: torch.stack([(x @ net.v.T)[:, 0], Stopped.apply(torch.tanh(x @ net.w.T))[:, 0]], 1),
        lambda net, x: (torch.tanh(x @ net.w.T) + Stopped.apply(torch.tanh(x @ net.w.T))) @ net.v.T,
        lambda net, x: x @ net.v.T + torch.linalg.vector_norm(functional.linear(x, net.w, net.b), 0, dim=1, keepdim=True),
        lambda net, x: x @ net.v.T + Stopped.apply(x.flip(0) @ net.w.T @ net.v.T).flip(0),
    ],
    ids=["added", "multiplied", "one output", "twice", "torch's own", "in another order"],
)
def test_a_function_without_a_gradient_stops_it(function: Callable) -> None:
    net, x = Net(function), inputs()
    expected = empirical_ntk(net, x, outputs="full", method="dense").total
    assert relative(empirical_ntk(net, x, outputs="full").total, expected) < 1e-9
    assert Linearization.of(net, x).shape[0] == 18

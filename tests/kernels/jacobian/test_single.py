"""Networks stored in half precision have the kernel of the same network in float32, also where widened weights do not fit."""

import copy
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import regime
from regime.kernels.jacobian import single
from regime.kernels.jacobian.capture import learn_structure
from regime.kernels.jacobian.undisturbed import undisturbed
from tests.kernels.jacobian.architectures import relative
from tests.kernels.jacobian.random_models import RandomModel

GENERATOR = torch.Generator().manual_seed(1)
X, IMAGES, IDS = (
    torch.randn(7, 6, generator=GENERATOR),
    torch.randn(7, 2, 6, 6, generator=GENERATOR),
    torch.arange(28).view(7, 4) % 9,
)


class Module(nn.Module):
    """A network of some parts and a function of them and the inputs."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.of = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.of(self, x)


class Square(torch.autograd.Function):
    """x W, by a function of one's own that keeps W and takes it again on the way back."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return gradient @ weight.mT, x.mT @ gradient


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5)


def tied(m: Module, ids: Tensor) -> Tensor:
    hidden = m.norm(m.table(ids)).mean(1)
    return hidden @ m.table.weight.T + functional.linear(hidden, m.table.weight[:9])


def attending(m: Module, ids: Tensor) -> Tensor:
    x = m.table(ids)
    q, k, v = functional.linear(x, m.weight, m.bias).chunk(3, -1)
    return m.head(functional.scaled_dot_product_attention(q, k, v).mean(1))


def sliced(m: Module, x: Tensor) -> Tensor:
    one, two = m.weight.unbind()
    return m.head(torch.tanh(x @ one.transpose(0, 1) + functional.linear(x, two)) * m.scale.view(1, -1))


MODELS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)), X),
    "tied": (lambda: Module(tied, table=nn.Embedding(9, 8), norm=nn.LayerNorm(8)), IDS),
    "attention": (
        lambda: Module(attending, table=nn.Embedding(9, 8), weight=weight(24, 8), bias=weight(24), head=nn.Linear(8, 2)),
        IDS,
    ),
    "torch's attention": (
        lambda: Module(
            lambda m, ids: m.layer(m.table(ids)).mean(1),
            table=nn.Embedding(9, 8),
            layer=nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).eval(),
        ),
        IDS,
    ),
    "recurrent": (
        lambda: Module(
            lambda m, ids: m.rnn(m.table(ids))[0][:, -1], table=nn.Embedding(9, 6), rnn=nn.GRU(6, 4, batch_first=True)
        ),
        IDS,
    ),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4).eval(), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        ),
        IMAGES,
    ),
    "slices": (lambda: Module(sliced, weight=weight(2, 8, 6), scale=weight(8), head=nn.Linear(8, 2)), X),
    "a function of its own": (
        lambda: Module(lambda m, x: Square.apply(m.first(x).tanh(), m.weight), first=nn.Linear(6, 5), weight=weight(5, 2)),
        X,
    ),
    "checkpointed": (
        lambda: Module(
            lambda m, x: m.head(checkpoint(m.body, x, use_reentrant=False)),
            body=nn.Sequential(nn.Linear(6, 8), nn.Tanh()),
            head=nn.Linear(8, 2),
        ),
        X,
    ),
    "asks for the precision": (
        lambda: Module(
            lambda m, x: m.head(m.body(x.to(m.body.weight.dtype)).tanh() + torch.zeros(8, dtype=m.body.weight.dtype)),
            body=nn.Linear(6, 8),
            head=nn.Linear(8, 2),
        ),
        X,
    ),
    "by vmap": (
        lambda: Module(
            lambda m, x: m.head(torch.vmap(lambda row: functional.linear(row, m.weight).tanh())(x)),
            weight=weight(8, 6),
            head=nn.Linear(8, 2),
        ),
        X,
    ),
}  # fmt: skip


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("large", [False, True], ids=["whole", "by call"])
@pytest.mark.parametrize("name", MODELS)
def test_a_kernel_is_that_of_the_network_in_single_precision(
    name: str, large: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, x = MODELS[name]
    torch.manual_seed(0)
    model = make().to(dtype)
    x = x.to(dtype) if x.is_floating_point() else x
    want = regime.empirical_ntk(copy.deepcopy(model).double(), x.double() if x.is_floating_point() else x, method="dense")
    before, parameters = state(model), dict(model.named_parameters())
    monkeypatch.setattr(single, "LARGE", 0 if large else 2**40)
    for settings in ({}, {"method": "dense"}):
        got = regime.empirical_ntk(model, x, **settings)
        assert got.layers.keys() == want.layers.keys()
        for path, kernel in want.layers.items():
            assert got.layers[path].dtype == torch.float32
            assert relative(got.layers[path].double(), kernel) < 1e-5, path
    assert regime.plan_ntk(model, x).bytes > 0
    linear = regime.Linearization.of(model, x)
    directions = {}
    for full, p in model.named_parameters():
        path, _, own = full.rpartition(".")
        directions.setdefault(path or "(root)", {})[own] = torch.ones_like(p)
    assert linear.jvp(directions).dtype == torch.float32
    assert all(torch.equal(one, two) for one, two in zip(before.values(), state(model).values(), strict=True))
    assert all(own is parameters[path] and own.dtype == dtype for path, own in model.named_parameters())


def test_widened_weights_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pass holds for the way back are the activations of a network in float32."""
    monkeypatch.setattr(single, "LARGE", 0)
    model = nn.Sequential(*(nn.Linear(256, 256) for _ in range(8)), nn.LayerNorm(256), nn.Linear(256, 2)).bfloat16()
    with undisturbed(model):
        held = learn_structure(model, torch.ones(4, 256), None).held_bytes
    assert held == learn_structure(model.float(), torch.ones(4, 256), None).held_bytes


def test_a_write_into_a_large_half_precision_parameter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "LARGE", 0)
    model = nn.Sequential(nn.Embedding(9, 4, max_norm=0.5), nn.Flatten(), nn.Linear(16, 2)).bfloat16()
    before = state(model)
    with pytest.raises(ValueError, match=r"model: embedding writes into a parameter of half precision; call model\.float\(\)"):
        regime.empirical_ntk(model, IDS)
    assert all(torch.equal(one, two) for one, two in zip(before.values(), state(model).values(), strict=True))


def test_a_network_that_casts_by_itself_keeps_its_rounding() -> None:
    class Casting(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x.bfloat16(), self.weight, self.bias)

    torch.manual_seed(0)
    model = nn.Sequential(Casting(6, 8), nn.Tanh(), nn.Linear(8, 2)).bfloat16()
    plain = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    plain.load_state_dict(model.state_dict())
    with undisturbed(model) as passes:
        model(X)
    assert passes.rounding == torch.finfo(torch.bfloat16).eps
    got, want = regime.empirical_ntk(model, X), regime.empirical_ntk(plain, X.bfloat16().float())
    assert relative(got.total, want.total) < 1e-5


class Holding(nn.Module):
    """A parameter that a function took hold of when the network was made."""

    def __init__(self, use: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.weight = nn.Linear(6, 5), weight(5, 2)
        held = self.weight
        self.last = lambda x: use(x, held)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh())


@pytest.mark.parametrize("large", [0, 2**40])
def test_parameters_that_functions_hold_are_found_or_refused(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "LARGE", large)
    kernels = []
    for dtype in (torch.bfloat16, torch.float32):
        torch.manual_seed(0)
        kernels.append(regime.empirical_ntk(Holding(torch.matmul).bfloat16().to(dtype), X.bfloat16().float()).layers)
    assert all(relative(kernels[0][path], kernel) < 1e-5 for path, kernel in kernels[1].items())
    for call in (regime.empirical_ntk, regime.plan_ntk, regime.Linearization.of, regime.Monitor):
        with pytest.raises(ValueError, match=r"holds a parameter of half precision; call model\.float\(\)"):
            call(Holding(Square.apply).bfloat16(), X.repeat(2, 1))


@pytest.mark.parametrize("large", [0, 2**40])
def test_random_models(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the same models in float32: equal, or refused alike."""
    monkeypatch.setattr(single, "LARGE", large)
    found = Counter()
    for seed in range(50):
        half, wide = RandomModel(seed), RandomModel(seed)
        if any(tensor.is_complex() for tensor in (*half.parameters(), *half.buffers())):
            continue
        x, kernels = half.inputs(1 + seed % 8), []
        for model, given in ((half.bfloat16(), x.bfloat16()), (wide.bfloat16().float(), x.bfloat16().float())):
            torch.manual_seed(seed)
            try:
                kernels.append(regime.empirical_ntk(model, given).total)
            except ValueError as error:
                kernels.append(str(error)[:50])
        got, want = kernels
        if isinstance(got, str) or isinstance(want, str):
            found["refused" if got == want or "holds a parameter" in str(got) else f"{seed}: {got} for {want}"] += 1
        else:
            found["right" if not want.any() or relative(got, want) < 1e-4 else f"{seed}: wrong"] += 1
    assert found.keys() == {"right", "refused"}, found
    assert found["right"] > 35


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["scripted", "traced"])
def test_scripted_networks_of_half_precision_are_refused(dtype: torch.dtype, kind: str) -> None:
    model, x = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype), torch.randn(5, 6).to(dtype)
    scripted = torch.jit.script(model) if kind == "scripted" else torch.jit.trace(model, x)
    with pytest.raises(ValueError, match=r"scripted, and in half precision, .* call model\.float\(\)"):
        regime.empirical_ntk(scripted, x)
    assert regime.empirical_ntk(scripted.float(), x.float()).total.isfinite().all()

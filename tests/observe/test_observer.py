"""What a network depends on beside trained parameters, how fine it is, and where its representations lie."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn

import regime
from regime.measures.representation import representation_change
from regime.observe.observer import Observer

X = torch.randn(24, 6, generator=torch.Generator().manual_seed(1)) * 3 + 2


class Scaled(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return 10 * self.net(x)


def batch_norm() -> nn.Module:
    return Scaled(nn.Linear(6, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 1))


class Temperate(nn.Module):
    """A number in a buffer and one in an attribute take part, and training moves both."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.warmth = nn.Linear(6, 64), nn.Linear(64, 1), 1.0
        self.register_buffer("heat", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.heat, self.warmth = self.heat * 1.2, self.warmth * 1.1
        return self.head((self.body(x) * self.heat).tanh() / self.warmth)


def trained(model: nn.Module, rate: float, steps: int = 8) -> regime.Measured:
    monitor = regime.Monitor(model.train(), X, loss=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    y = X[:, :1].sin()
    for _ in range(steps):
        loss = (model(X) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return monitor.measure(steps, loss=0.5)


@pytest.mark.parametrize("make", [batch_norm, Temperate])
def test_what_moves_beside_training_is_told_apart(make: Callable[[], nn.Module]) -> None:
    """Nothing is trained: no change, a gap of nothing, no verdict, and the drift by its name."""
    torch.manual_seed(0)
    event = trained(make(), 0.0)
    for measure in ("kernel_change", "taylor_gap", "parameter_movement", "feature_movement"):
        assert event.measures[measure] == 0
    assert event.measures["representation_change"] == pytest.approx(0, abs=1e-6)
    assert event.measures["buffer_change"] > 0.1
    assert event.measures["kernel_velocity"] is None
    assert event.undefined["kernel_velocity"] == "buffers, or what is trained, changed since the measurement before"
    assert event.verdict.label == "no verdict"
    assert any("What is not trained, such as" in reason for reason in event.verdict.reasons)
    assert event.verdict.advice[0].startswith("Settle what is not trained")


def test_cold_and_settled_statistics_give_one_verdict() -> None:
    events = []
    for settled in (False, True):
        torch.manual_seed(0)
        model = batch_norm()
        if settled:
            model.net[1].momentum = None
            model.train()(X)
            model.net[1].momentum = 0.1
        events.append(trained(model, 1e-5))
    cold, warm = events
    assert cold.verdict.label == warm.verdict.label == "lazy"
    assert max(event.measures["kernel_change"] for event in events) < 0.01
    assert cold.measures["buffer_change"] > 0.3
    assert warm.measures["buffer_change"] < 1e-3


def test_changes_are_against_the_start_with_the_buffers_of_now() -> None:
    torch.manual_seed(0)
    model = batch_norm().double()
    begun = copy.deepcopy(model).eval()
    monitor = regime.Monitor(model, X.double())
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, dtype=torch.float64)
    model.net[1].running_var *= 3
    event = monitor.measure(1)
    moved = copy.deepcopy(begun)
    moved.net[1].running_var.copy_(model.net[1].running_var)
    first, start, now = (regime.empirical_ntk(each.eval(), X.double()).total for each in (begun, moved, copy.deepcopy(model)))
    assert event.measures["kernel_change"] == pytest.approx(((now - start).norm() / start.norm()).item(), rel=1e-9)
    assert event.measures["buffer_change"] == pytest.approx(((start - first).norm() / first.norm()).item(), rel=1e-9)
    directions = {
        path: {name: d[f"{path}.{name}"] for name in ("weight", "bias")}
        for path in ("net.0", "net.1", "net.3")
        for d in [{n: p.detach() - q.detach() for (n, p), q in zip(model.named_parameters(), begun.parameters(), strict=True)}]
    }
    linear = regime.Linearization.of(moved, X.double())
    f, f0 = copy.deepcopy(model).eval()(X.double()), linear.outputs
    gap = (f - f0 - linear.jvp(directions)).norm() / (f - f0).norm()
    assert event.measures["taylor_gap"] == pytest.approx(gap.item(), rel=1e-6)


def deep() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def freeze_biases(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("bias" in name)


TRAINABLE = {
    "unfrozen later": (lambda m: m[0].requires_grad_(False), lambda m: m.requires_grad_(True)),
    "biases, then all": (freeze_biases, lambda m: m.requires_grad_(True)),
    "frozen later": (lambda m: m, lambda m: m[2].requires_grad_(False)),
    "all frozen at the end": (lambda m: m, lambda m: m.requires_grad_(False)),
    "swapped": (lambda m: m[4].requires_grad_(False), lambda m: (m.requires_grad_(True), m[0].requires_grad_(False))),
}


@pytest.mark.parametrize("name", TRAINABLE)
def test_what_is_trained_at_any_time_counts_from_the_start(name: str) -> None:
    before, after = TRAINABLE[name]
    torch.manual_seed(0)
    model = deep()
    before(model)
    monitor = regime.Monitor(model, X)
    after(model)
    flags = [parameter.requires_grad for parameter in model.parameters()]
    event = monitor.measure(1)
    assert event.measures["kernel_change"] == 0
    assert event.measures.get("buffer_change", 0) == pytest.approx(0, abs=1e-9)
    model[2].bias.data += 0.3
    event = monitor.measure(2)
    start = deep()
    start.load_state_dict(model.state_dict())
    start[2].bias.data -= 0.3
    now, then = (regime.empirical_ntk(each, X).total for each in (copy.deepcopy(model).requires_grad_(True), start))
    assert event.measures["kernel_change"] == pytest.approx(((now - then).norm() / then.norm()).item(), rel=1e-3)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags


def test_parameters_that_appear_or_vanish_are_named() -> None:
    class Adapted(nn.Module):
        def __init__(self, base: nn.Module) -> None:
            super().__init__()
            self.base, self.adapter = base, nn.Linear(6, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.adapter(x)

    model = deep()
    monitor = regime.Monitor(model, X)
    model[0] = Adapted(model[0])
    with pytest.raises(ValueError, match=r"appeared, vanished or changed their shape since the start: 0\.weight"):
        monitor.measure(1)


class Routed(nn.Module):
    """Two experts; each example goes to one, by the sign of a learned gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.body, self.out = nn.Linear(6, 1), nn.Linear(6, 8), nn.Linear(8, 1)
        self.experts = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x: Tensor) -> Tensor:
        h, chosen = self.body(x).tanh(), (self.gate(x)[:, 0] > 0).long()
        mixed = h.clone()
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                mixed = mixed.index_add(0, rows, expert(h[rows]))
        return self.out(mixed)


@pytest.mark.parametrize("first", [50.0, -50.0])
def test_experts_that_no_example_reaches_then_or_now(first: float) -> None:
    torch.manual_seed(0)
    model = Routed()
    model.gate.bias.data.fill_(first)
    start = regime.empirical_ntk(model, X).total
    monitor = regime.Monitor(model, X, loss=1.0)
    model.gate.bias.data.fill_(-first)
    event = monitor.measure(1, loss=0.5)
    now = regime.empirical_ntk(model, X).total
    assert event.measures["kernel_change"] == pytest.approx(((now - start).norm() / start.norm()).item(), rel=1e-3)
    rows = {row.layer: row for row in event.layers}
    came, went = ("experts.0", "experts.1") if first > 0 else ("experts.1", "experts.0")
    assert rows[came].measures["kernel_share"] > 0
    assert rows[came].undefined["kernel_change"] == "the kernel is zero on the probe points, at the start or now"
    assert rows[went].measures["kernel_share"] == 0
    assert rows[went].measures["kernel_change"] == 1
    shares = [row.measures["kernel_share"] for row in event.layers if row.measures["kernel_share"] is not None]
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mixed", [False, True])
def test_half_precision_is_measured_as_the_same_network_in_float32(dtype: torch.dtype, mixed: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.LayerNorm(32), nn.Tanh(), nn.Linear(32, 2)).to(dtype)
    if mixed:  # as where norms are kept in single precision

        class Norm(nn.LayerNorm):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x.float()).to(x.dtype)

        model[1] = Norm(32)
    batch, wide = X.to(dtype), copy.deepcopy(model).float()
    monitors = regime.Monitor(model, batch), regime.Monitor(wide, batch.float())
    linear = regime.Linearization.of(model, batch)
    for name, parameter in model.named_parameters():
        parameter.data += (0.02 * torch.randn(parameter.shape)).to(parameter.dtype)
        wide.get_parameter(name).data.copy_(parameter.data)
    half, single = (monitor.measure(1) for monitor in monitors)
    for measure in ("kernel_change", "taylor_gap", "representation_change"):
        assert half.measures[measure] == pytest.approx(single.measures[measure], rel=1e-3)
    assert (monitors[0].observer.noise > 0) != mixed  # a network that casts by itself has no double precision
    assert half.floors["taylor_gap"] == pytest.approx(single.floors["taylor_gap"], rel=1e-3)
    assert {parameter.dtype for parameter in model.parameters()} == ({dtype, torch.float32} if mixed else {dtype})
    ones = {path: {name: torch.ones_like(p) for name, p in model[int(path)].named_parameters()} for path in ("0", "1", "3")}
    assert linear.jvp(ones).dtype == linear.kernel_product(linear.outputs.to(dtype)).dtype == torch.float32


def test_a_network_that_goes_to_half_precision_meanwhile() -> None:
    torch.manual_seed(0)
    model = deep()
    monitor = regime.Monitor(model, X)
    event = monitor.measure(1)
    assert event.measures["kernel_change"] == 0
    model.bfloat16()
    event = monitor.measure(2)
    assert 0 < event.measures["kernel_change"] < 0.02
    assert event.measures["taylor_gap"] < 0.05, "what rounding made of the parameters is a movement like any other"


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_what_a_forward_rounds_by_itself_is_in_the_floor(stored: torch.dtype) -> None:
    """Outputs are float32, and so may be the parameters; the numbers between are not."""

    class Casting(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            weight, bias = (t.bfloat16() if stored == torch.float32 else t for t in (self.weight, self.bias))
            return nn.functional.linear(x.bfloat16(), weight, bias).float()

    torch.manual_seed(0)
    model = nn.Sequential(Casting(6, 32), nn.Tanh(), Casting(32, 1)).to(stored)
    monitor = regime.Monitor(model, X)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 4 * 2**-8 * parameter.abs().max() * torch.randn(parameter.shape).sign() * (stored == torch.bfloat16)
            parameter += 1e-4 * torch.randn(parameter.shape)
    event = monitor.measure(1)
    assert event.floors["taylor_gap"] > event.measures["taylor_gap"]
    assert event.floors["kernel_change"] > 0.01


@pytest.mark.parametrize("ambient", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)])
def test_modes_around_a_measurement_change_nothing(ambient: Callable[[], AbstractContextManager]) -> None:
    events = []
    for context in (nullcontext, ambient):
        torch.manual_seed(0)
        model = deep()
        with context():
            monitor = regime.Monitor(model, X)
            model[0].weight.data[:, 0] += 0.1
            events.append(monitor.measure(1).measures)
    assert events[0] == events[1]


class Registered(nn.Module):
    """The head is registered first, a frozen copy last, and both stand in the way of who goes by order."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.second, self.first = nn.Linear(16, 1), nn.Linear(16, 16), nn.Linear(6, 16)
        self.teacher = deep().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return 3 * self.head(self.second(self.first(x).tanh()).tanh()) - self.teacher(x)


class Branched(nn.Module):
    """A branch that is computed last and thrown away, and outputs that are put together from two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.aside = nn.Linear(6, 16), nn.Linear(16, 16)
        self.left, self.right = nn.Linear(16, 1), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).tanh()
        y = torch.cat([self.left(h), self.right(h)], 1)
        self.aside(h)
        return y.log_softmax(1)


class Adapted(nn.Module):
    """A layer with a low-rank adapter beside it, which the output layer may have, too."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down, self.up = nn.Linear(layer.in_features, 2, bias=False), nn.Linear(2, layer.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.up(self.down(x))


def adapted() -> nn.Module:
    model = deep()
    for name, layer in model.named_children():
        if isinstance(layer, nn.Linear):
            setattr(model, name, Adapted(layer))
    return model


class Residual(nn.Module):
    """Branches whose sums no module gives: the last of them stands for all."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.third, self.head = (nn.Linear(6, 6) for _ in range(4))
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for branch in (self.second, self.third):
            change = branch(h.tanh())
            h = h.add_(change) if self.inplace else h + change
        return self.head(h)


class Ended(nn.Module):
    """Outputs that a temperature and a shift of their own end, or a readout that is a product and a sum."""

    def __init__(self, scaled: bool) -> None:
        super().__init__()
        self.body, self.out, self.scaled = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8)), nn.Linear(8, 2), scaled
        self.scale, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(2))
        self.weights = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).tanh()
        return self.out(h) * self.scale.exp() + self.shift if self.scaled else (self.weights * h).sum(1, keepdim=True)


LAST = [(Registered, "second"), (Branched, "body"), (deep, "2"), (adapted, "2"), (Residual, "third")]
LAST += [(lambda: Residual(True), "third"), (lambda: Ended(True), "body.2"), (lambda: Ended(False), "body.2")]


@pytest.mark.parametrize(("make", "last"), LAST)
def test_the_last_hidden_layer_is_found_by_dataflow(make: Callable[[], nn.Module], last: str) -> None:
    torch.manual_seed(0)
    model = make()
    monitor = regime.Monitor(model, X)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape)
    event = monitor.measure(1)
    rows = {row.layer: row for row in (*event.layers, *event.blocks)}
    assert event.measures["representation_change"] == rows[last].measures["representation_change"] > 0


class ChannelsLast(nn.Module):
    """Images (n, h, w, c) all through, as in Swin and ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second, self.head = nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 7), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.norm(self.first(x)).relu()).tanh().mean((1, 2)))


class Embed(nn.Module):
    """A table of positions beside a convolution: it acts on positions, and is no feature axis for that."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.map = nn.Parameter(torch.randn(4, 5)), nn.Conv2d(3, 5, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).flatten(2).mT + self.table


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out, self.head = Embed(), nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.out(self.embed(x).tanh()).tanh().mean(1))


def places(model: nn.Module, batch: Tensor) -> tuple[Observer, dict[str, tuple[int, tuple[int, ...]]]]:
    observer = Observer(model.eval(), batch)
    return observer, {name: (place.examples, place.features) for name, place in observer.places.items()}


def test_features_lie_where_parameters_act() -> None:
    torch.manual_seed(0)
    sound = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Conv1d(5, 4, 3), nn.Flatten(), nn.Linear(20, 2))
    assert places(sound, torch.randn(8, 3, 9))[1] == {"0": (0, (1,)), "1": (0, (1,)), "3": (0, (1,))}
    last = (0, (3,))
    assert places(ChannelsLast(), torch.randn(8, 4, 4, 3))[1] == {"first": last, "norm": last, "second": last}
    assert places(Patches(), torch.randn(8, 3, 4, 4))[1] == {"embed": (0, (2,)), "embed.map": (0, (1,)), "out": (0, (2,))}
    square = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Flatten(), nn.Linear(25, 1))
    observer, found = places(square, torch.randn(8, 5, 5))
    assert found == {"0": (0, (2,)), "2": (0, (2,))}
    assert observer.first.representations["0"].shape == (8, 5)


def test_tables_with_sparse_gradients_are_watched() -> None:
    ids, found = torch.randint(300, (8, 4)), []
    for sparse in (False, True):
        torch.manual_seed(0)
        table = nn.Sequential(nn.Embedding(300, 6, sparse=sparse), nn.Linear(6, 5), nn.Flatten(), nn.Linear(20, 2))
        observer, places_of = places(table, ids)
        found.append((places_of, observer.first.kernels["0"]))
    assert found[0][0] == found[1][0] == {"0": (0, (2,)), "1": (0, (2,))}
    assert torch.allclose(found[0][1], found[1][1])


class Recurrence(nn.Module):
    """A cell of one's own: along the features of a position all of the position before act."""

    def __init__(self) -> None:
        super().__init__()
        self.u, self.w = nn.Parameter(torch.randn(5, 6)), nn.Parameter(torch.randn(6, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states = [x.new_zeros(x.shape[1], 6)]
        for each in x:
            states.append((each @ self.u + states[-1] @ self.w).tanh())
        return torch.stack(states[1:]), states[-1]


@pytest.mark.parametrize(
    ("make", "width", "told"),
    [
        (lambda: nn.GRU(5, 6), 6, True),
        (lambda: nn.LSTM(5, 6, num_layers=2, bidirectional=True, proj_size=3), 6, True),
        (Recurrence, 6, False),
    ],
)
def test_examples_may_come_second_and_features_may_not_be_told(make: Callable[[], nn.Module], width: int, told: bool) -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map, self.rnn, self.out = nn.Linear(4, 5), make(), nn.Linear(width, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rnn(self.map(x.transpose(0, 1)))[0][-1])

    torch.manual_seed(0)
    x = torch.randn(9, 3, 4)
    observer, found = places(model := TimeFirst(), x)
    assert found == {"map": (1, (2,)), "rnn": (1, (2,) if told else ())}
    assert torch.allclose(observer.first.representations["map"], model.map(x).mean(1), atol=1e-6)
    hidden = model.rnn(model.map(x.transpose(0, 1)))[0].transpose(0, 1)
    assert torch.allclose(observer.first.representations["rnn"], hidden.mean(1) if told else hidden.flatten(1), atol=1e-5)
    assert observer.last_hidden == "rnn"


class Bare(nn.Module):
    """No module but the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.v = nn.Parameter(torch.randn(8, 6)), nn.Parameter(torch.randn(2, 8))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.w.T).tanh() @ self.v.T


@pytest.mark.parametrize("make", [Bare, lambda: nn.Linear(6, 2)])
def test_a_network_without_representations_is_measured(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    monitor = regime.Monitor(model, X, loss=1.0)
    for parameter in model.parameters():
        parameter.data += 0.1
    event = monitor.measure(1, loss=0.5)
    assert event.measures["kernel_change"] is not None
    assert event.measures["taylor_gap"] is not None
    assert event.measures["representation_change"] is None
    assert event.undefined["representation_change"] == "no representation of the examples here"


def test_a_mask_of_padding_reaches_pooling_and_no_fused_path_hides_it() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
            self.out = nn.Linear(8, 1)

        def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
            hidden = self.body(x, src_key_padding_mask=attention_mask == 0)
            weight = attention_mask[..., None].to(hidden)
            return self.out((hidden * weight).sum(1) / weight.sum(1))

    torch.manual_seed(0)
    model = Encoder().eval()
    mask = (torch.arange(6) < torch.tensor([[6], [4], [2]])).long().repeat(3, 1)
    batch = {"x": torch.randn(9, 6, 8), "attention_mask": mask}
    observer = Observer(model, batch)
    assert observer.last_hidden == "body.layers.1"
    with torch.enable_grad():
        hidden = model.body(batch["x"], src_key_padding_mask=mask == 0)
    want = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    assert torch.allclose(observer.first.representations["body.layers.1"], want, atol=1e-5)
    assert representation_change(want.detach(), want.detach()).item() == pytest.approx(0, abs=1e-5)


def test_outputs_that_are_small_differences_of_large_numbers_have_a_floor_of_their_own() -> None:
    """alpha (f - f_0) in float32: what is left of the gap is rounding, and the floor says so."""

    class Centered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f, self.frozen = deep(), deep().requires_grad_(False)
            self.frozen.load_state_dict(self.f.state_dict())

        def forward(self, x: Tensor) -> Tensor:
            return 1000 * (self.f(x) - self.frozen(x))

    torch.manual_seed(0)
    events = []
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        model = Centered().to(dtype)
        monitor = regime.Monitor(model, X.to(dtype))
        for parameter in model.f.parameters():
            parameter.data *= 1 + 2e-6
        events.append(monitor.measure(1))
    single, double = events
    assert single.floors["taylor_gap"] > single.measures["taylor_gap"] > 0.01
    assert double.measures["taylor_gap"] < 1e-4 > double.floors["taylor_gap"]


class Parts(nn.Module):
    def __init__(self, change: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.body, self.head = change(nn.Sequential(nn.Linear(6, 16), nn.Tanh())), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("change", [torch.jit.script, compiled])
def test_scripted_and_compiled_parts_are_measured_as_they_were_written(
    change: Callable[[nn.Module], nn.Module], whole: bool
) -> None:
    measures = []
    for changed in (False, True):
        torch.manual_seed(0)
        make = change if changed else nn.Module.train
        model = make(Parts(nn.Module.train)) if whole else Parts(make)
        model(X)
        monitor = regime.Monitor(model, X)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter *= 1.1
        measures.append(monitor.measure(1).measures)
    plain, other = measures
    for measure in ("kernel_change", "taylor_gap", "parameter_movement"):
        assert other[measure] == pytest.approx(plain[measure], rel=1e-4)


class Estimated(nn.Module):
    """A network whose hidden features pass through a function that may not have the gradients it says."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.between = nn.Linear(6, 32), nn.Linear(32, 2), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(x).tanh()))


def reversed_(x: Tensor) -> Tensor:
    return 2 * x.detach() - x


@pytest.mark.parametrize(
    ("between", "cut"),
    [
        (lambda x: 0.5 * x + 0.5 * x.detach(), True),
        (lambda x: torch.cat([x[:, :16].detach(), x[:, 16:]], 1), True),
        (reversed_, True),
        (lambda x: x + (x.sign() - x).detach(), True),
        (lambda x: x + (torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127) - x).detach(), True),
        (lambda x: x, False),
        (lambda x: (50 * x).sin(), False),
        (lambda x: (x * 1e4).relu() * 1e-4, False),
        (lambda x: 1e4 + x - 1e4, False),
    ],
    ids=["half", "units", "reversed", "sign", "quantized", "plain", "curved", "kinks", "rounded"],
)
@pytest.mark.parametrize("double", [False, True])
def test_no_gap_is_told_where_gradients_are_not_derivatives(between: Callable, cut: bool, double: bool) -> None:
    dtype = torch.float64 if double else torch.float32
    model, x = Estimated(between).to(dtype), X.to(dtype)
    monitor = regime.Monitor(model, x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1e-3 * torch.randn_like(parameter)
    event = monitor.measure(1)
    assert (event.measures["taylor_gap"] is None) == cut
    assert event.measures["kernel_change"] > 0
    assert ("not the derivatives" in event.undefined.get("taylor_gap", "")) == cut
    assert ("not the derivatives" in event.verdict.reasons[0]) == cut
    if cut:
        assert event.verdict.label == "no verdict"
        assert event.verdict.agree == "no gap"


@pytest.mark.parametrize("change", [lambda x: x.mul_(3), lambda x: x.copy_(x.flip(0))], ids=["scaled", "shuffled"])
def test_a_batch_that_is_written_into_afterwards_is_measured_as_it_was(change: Callable) -> None:
    model, x = Scaled(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1)), X.clone()
    monitor = regime.Monitor(model, x)
    change(x)
    assert monitor.measure(1).measures["kernel_change"] == 0

"""Random small models from a seed: pieces in a random order, with what breaks assumptions in between.

A piece is a function `(make, d) -> forward` on features (n, d), on tokens (n, T, d) or on images (n, d, h, w). `make` gives
parameters and modules, new ones or some of before: layers are shared, sliced, transposed, changed in place.
"""

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.checkpoint import checkpoint

Forward = Callable[[Tensor], Tensor]
Piece = Callable[["Make", int], Forward]

SMALL = (1, 2, 3, 5)
TOKENS = 4
"""Most tokens, and pixels a side, of an example."""
WORDS = 7


class Make:
    """Gives a model's parts, by a seed; every fourth is one of before, where one fits."""

    def __init__(self, model: nn.Module, chance: random.Random) -> None:
        self.model, self.chance = model, chance
        self.parts: dict[tuple, list[nn.Module | nn.Parameter]] = {}

    def _get(self, key: tuple, build: Callable[[], nn.Module | nn.Parameter]) -> nn.Module | nn.Parameter:
        known = self.parts.setdefault(key, [])
        if known and self.chance.random() < 0.25:
            return self.chance.choice(known)
        known.append(build())
        part, name = known[-1], f"part{sum(map(len, self.parts.values()))}"
        register = self.model.add_module if isinstance(part, nn.Module) else self.model.register_parameter
        register(name, part)
        return part

    def parameter(self, *shape: int, dtype: torch.dtype | None = None) -> nn.Parameter:
        return self._get((shape, dtype), lambda: nn.Parameter(torch.randn(shape, dtype=dtype)))

    def module(self, kind: Callable[..., nn.Module], *sizes: int, **options: object) -> nn.Module:
        return self._get((kind, sizes, *options.items()), lambda: kind(*sizes, **options))

    def linear(self, i: int, o: int) -> nn.Linear:
        return self.module(nn.Linear, i, o, bias=self.chance.random() < 0.7)

    def entrywise(self) -> Forward:
        return self.chance.choice([torch.tanh, F.gelu, torch.sin, F.softplus, lambda x: x * x.sigmoid(), lambda x: x + 0])


class Scaled(torch.autograd.Function):
    """x w, out of sight of whoever looks at torch's functions."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return g @ w, g.flatten(0, -2).t() @ x.flatten(0, -2)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """A function that is called as torch's is, and does another thing."""
    if torch.overrides.has_torch_function((x, weight)):
        return torch.overrides.handle_torch_function(linear, (x, weight), x, weight)
    return (x @ weight.mT) * (1 + weight.square().mean())


def _dense(make: Make, d: int) -> Forward:
    layer, phi = make.linear(d, d), make.entrywise()
    return lambda x: phi(layer(x))


def _residual(make: Make, d: int) -> Forward:
    layer, phi = make.linear(d, d), make.entrywise()
    return lambda x: x + phi(layer(x)) / 2


def _twice(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return lambda x: layer(torch.tanh(layer(x)))


def _broadcast_bias(make: Make, d: int) -> Forward:
    w, b = make.parameter(d, d), make.parameter(*make.chance.choice([(1,), (d,)]))
    return lambda x: F.linear(x, w, b)


def _addmm(make: Make, d: int) -> Forward:
    w, b = make.parameter(d, d), make.parameter(*make.chance.choice([(d,), (1, d), (1, 1), (1,)]))
    options = make.chance.choice([{}, {"alpha": 0.5}, {"beta": 2.0}])
    return lambda x: torch.addmm(b, x.reshape(-1, d), w, **options).view_as(x)


def _transposed(make: Make, d: int) -> Forward:
    w = make.parameter(d, d)
    return lambda x: (w @ x.mT).mT if x.dim() > 2 else (w @ x.T).T


def _einsum(make: Make, d: int) -> Forward:
    w = make.parameter(2, d, d)
    return lambda x: torch.einsum("...i,kio->...o", x, w)


def _sliced(make: Make, d: int) -> Forward:
    w = make.parameter(2 * d, d + 1)
    return lambda x: x @ w[d:, 1:] + w[0, :d]


def _norm(make: Make, d: int) -> Forward:
    return make.module(make.chance.choice([nn.LayerNorm, nn.RMSNorm]), d)


def _weight_norm(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return layer if is_parametrized(layer) else parametrizations.weight_norm(layer)


def _scale(make: Make, d: int) -> Forward:
    w = make.parameter(*make.chance.choice([(d,), (1,), (1, d), ()]))
    return make.chance.choice([lambda x: x * w, lambda x: w * x + w, lambda x: x / (1 + w * w), lambda x: x.pow(2).mul(w)])


def _in_place(make: Make, d: int) -> Forward:
    layer, w = make.linear(d, d), make.parameter(d)

    def forward(x: Tensor) -> Tensor:
        h = layer(x)
        h += w
        return h.mul_(w).tanh_()

    return forward


def _in_place_view(make: Make, d: int) -> Forward:
    layer, w = make.linear(d, d), make.parameter(d)

    def forward(x: Tensor) -> Tensor:
        h = layer(x) + 0
        h[..., : (d + 1) // 2].mul_(w[: (d + 1) // 2])
        return h

    return forward


def _changed_later(make: Make, d: int) -> Forward:
    """What a call was given is another afterwards."""
    layer, w = make.linear(d, d), make.parameter(d)

    def forward(x: Tensor) -> Tensor:
        h = layer(x)
        out = torch.add(h, w.tanh())
        h.zero_()
        return out.sin() + h

    return forward


def _no_grad(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)

    def forward(x: Tensor) -> Tensor:
        with torch.no_grad():
            size = layer.weight.flatten().norm() + layer.weight.t()[0, 0].abs()
        return layer(x) / size

    return forward


def _custom(make: Make, d: int) -> Forward:
    w = make.parameter(d, d)
    return lambda x: Scaled.apply(x, w)


def _custom_and_plain(make: Make, d: int) -> Forward:
    layer = make.module(nn.Linear, d, d, bias=True)
    return lambda x: Scaled.apply(x, layer.weight) + layer(x).tanh()


def _of_another(make: Make, d: int) -> Forward:
    w = make.parameter(d, d)
    return lambda x: linear(x, w)


def _made_weights(make: Make, d: int) -> Forward:
    a, b = make.parameter(d, 2), make.parameter(2, d)
    return lambda x: F.linear(x, (a @ b).tanh(), a[:, 0])


def _by_data(make: Make, d: int) -> Forward:
    one, two = make.linear(d, d), make.linear(d, d)
    return lambda x: torch.where(x.sum(-1, keepdim=True) > 0, one(x), two(x).tanh())


def _routed(make: Make, d: int) -> Forward:
    """Experts, each for the examples that choose it."""
    gate, experts = make.linear(d, 2), [make.linear(d, d), make.linear(d, d)]

    def forward(x: Tensor) -> Tensor:
        flat = x.reshape(-1, d)
        weight, which = gate(flat).softmax(-1).max(-1)
        out = torch.zeros_like(flat)
        for k, expert in enumerate(experts):
            chosen = (which == k).nonzero()[:, 0]
            if len(chosen):
                out = out.index_add(0, chosen, weight[chosen, None] * expert(flat[chosen]))
        return out.view_as(x) + x

    return forward


def _one_by_one(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return lambda x: torch.stack([layer(row).tanh() for row in x])


def _sorted_inside(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)

    def forward(x: Tensor) -> Tensor:
        order = x.flatten(1).sum(1).argsort()
        return layer(x[order])[order.argsort()]

    return forward


def _squared_weight(make: Make, d: int) -> Forward:
    """A weight that enters by itself as well: every example has the same of it."""
    layer = make.linear(d, d)
    return lambda x: layer(x) * (1 + layer.weight.square().mean())


def _slope(make: Make, d: int) -> Forward:
    """A derivative taken inside the model."""
    layer = make.linear(d, d)

    def forward(x: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(layer(at).tanh().sum(), at, create_graph=True)
        return slope + x

    return forward


def _complex(make: Make, d: int) -> Forward:
    w = make.parameter(d, d, dtype=torch.complex128)
    return lambda x: torch.view_as_real((x.to(w.dtype) @ w) * 1j).sum(-1)


def _spectrum(make: Make, d: int) -> Forward:
    """Real weights on complex numbers."""
    w = make.parameter(d)
    return lambda x: (torch.fft.fft(x) * w).abs().tanh()


def _gathered(make: Make, d: int) -> Forward:
    table = make.parameter(WORDS, d)
    return lambda x: x + table[(x.sum(-1).abs() * 3).long() % WORDS]


def _looked_up(make: Make, d: int) -> Forward:
    """A table that is an embedding and an output layer at once."""
    table = make.module(nn.Embedding, WORDS, d)
    return lambda x: table((x.sum(-1).abs() * 3).long() % WORDS) + F.linear(x, table.weight).softmax(-1) @ table.weight


def _buffers(make: Make, d: int) -> Forward:
    """Running statistics in evaluation mode."""
    norm = make.module(nn.BatchNorm1d, d)
    return lambda x: norm(x.reshape(-1, d)).view_as(x)


def _unused(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return lambda x: x + 0 * layer(x).detach() if layer(x).sum() > 1e9 else x


def _half_frozen(make: Make, d: int) -> Forward:
    layer = make.module(nn.Linear, d, d, bias=True)
    make.chance.choice([layer.weight, layer.bias]).requires_grad_(False)
    return layer


def _shared_in_place(make: Make, d: int) -> Forward:
    w = make.parameter(d, d)

    def forward(x: Tensor) -> Tensor:
        made = w.tanh().clone()
        made[0] = 0.5
        made += w[:1]
        return x @ made

    return forward


def _split(make: Make, d: int) -> Forward:
    w = make.parameter(d, 2 * d)

    def forward(x: Tensor) -> Tensor:
        one, two = w.chunk(2, 1)
        return (x @ one).tanh() + x @ torch.stack([one, two]).mean(0)

    return forward


def _bilinear(make: Make, d: int) -> Forward:
    layer = make.module(nn.Bilinear, d, d, d)
    return lambda x: layer(x, x.tanh())


def _mixed_terms(make: Make, d: int) -> Forward:
    w, b = make.parameter(d), make.parameter(d)
    return make.chance.choice(
        [
            lambda x: torch.lerp(x, w, 0.3) + b,
            lambda x: torch.addcmul(b, x, w, value=0.5),
            lambda x: torch.where(x > w, x, b * x),
            lambda x: torch.maximum(x, w) - torch.add(x, b, alpha=2),
            lambda x: F.prelu(x.mT, w).mT if x.dim() > 2 else F.prelu(x, w),
        ]
    )


def _vmapped(make: Make, d: int) -> Forward:
    w = make.parameter(d, d)
    return lambda x: torch.vmap(lambda row: (row @ w).tanh())(x)


def _checkpointed(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return lambda x: checkpoint(lambda h: layer(h).tanh(), x, use_reentrant=False)


def _repeated(make: Make, d: int) -> Forward:
    w = make.parameter(d)
    return make.chance.choice([lambda x: x * w.repeat(len(x), *[1] * (x.dim() - 1)), lambda x: x + w.expand(x.shape)])


def _padded(make: Make, d: int) -> Forward:
    table = make.module(nn.Embedding, WORDS, d, padding_idx=2)
    return lambda x: x + table((x.sum(-1).abs() * 5).long() % WORDS)


def _bag(make: Make, d: int) -> Forward:
    table = make.module(nn.EmbeddingBag, WORDS, d, mode="sum")

    def forward(x: Tensor) -> Tensor:
        words = (x.reshape(-1, d).abs() * 5).long() % WORDS
        return x + table(words).view_as(x)

    return forward


def _loop(make: Make, d: int) -> Forward:
    layers = [make.linear(d, d) for _ in range(2)]

    def forward(x: Tensor) -> Tensor:
        outs = []
        for k in range(len(x)):
            outs.append(layers[int(x[k].sum() > 0)](x[k : k + 1]))
        return torch.cat(outs)

    return forward


def _coupled(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return make.chance.choice([lambda x: layer(x) - layer(x).mean(0), lambda x: layer(x) / len(x), lambda x: layer(x.flip(0))])


def _faintly_coupled(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return lambda x: 1e-3 * (layer(x) - layer(x).tanh().mean(0))


def _random(make: Make, d: int) -> Forward:
    layer = make.linear(d, d)
    return make.chance.choice([lambda x: F.dropout(layer(x), 0.5), lambda x: layer(x + torch.randn_like(x))])


EVERYWHERE: list[Piece] = [
    _dense, _dense, _residual, _twice, _broadcast_bias, _transposed, _einsum, _sliced, _norm, _weight_norm, _scale, _in_place,
    _in_place_view, _changed_later, _no_grad, _custom, _custom_and_plain, _of_another, _made_weights, _by_data, _routed,
    _one_by_one, _sorted_inside, _squared_weight, _slope, _complex, _spectrum, _gathered, _looked_up, _buffers, _unused,
    _half_frozen, _addmm, _shared_in_place, _split, _bilinear, _mixed_terms, _vmapped, _checkpointed, _repeated, _padded, _bag,
    _loop,
]  # fmt: skip
REFUSED: list[Piece] = [_coupled, _faintly_coupled, _random]


def _attention(make: Make, d: int) -> Forward:
    q, k, v = (make.linear(d, d) for _ in range(3))
    return lambda x: x + F.scaled_dot_product_attention(q(x), k(x), v(x))


def _packed_attention(make: Make, d: int) -> Forward:
    layer = make.module(nn.MultiheadAttention, d, 1, batch_first=True)
    return lambda x: x + layer(x, x, x, need_weights=False)[0]


def _positions(make: Make, d: int) -> Forward:
    table = make.parameter(1, 4 * TOKENS, d)
    return lambda x: x + table[:, : x.shape[1]]


def _recurrent(make: Make, d: int) -> Forward:
    layer = make.module(make.chance.choice([nn.LSTM, nn.GRU, nn.RNN]), d, d)
    return lambda x: layer(x.transpose(0, 1))[0].transpose(0, 1)


def _token_conv(make: Make, d: int) -> Forward:
    layer = make.module(
        nn.Conv1d, d, d, kernel_size=make.chance.choice([1, 3]), padding="same", groups=make.chance.choice([1, d])
    )
    return lambda x: layer(x.mT).mT


def _queries(make: Make, d: int) -> Forward:
    query = make.parameter(2, d)
    return lambda x: torch.cat([x, query.expand(len(x), -1, -1)], 1).cumsum(1)


def _token_mixing(make: Make, d: int) -> Forward:
    del d
    w = make.parameter(4 * TOKENS, 4 * TOKENS)
    return lambda x: w[: x.shape[1], : x.shape[1]] @ x


ON_TOKENS: list[Piece] = [_attention, _packed_attention, _positions, _recurrent, _token_conv, _queries, _token_mixing]


def _conv(make: Make, d: int) -> Forward:
    options = {"padding": make.chance.choice([1, "same"]), "padding_mode": make.chance.choice(["zeros", "circular"])}
    layer = make.module(nn.Conv2d, d, d, 3, groups=make.chance.choice([1, d]), dilation=1, **options)
    return lambda x: layer(x).tanh()


def _group_norm(make: Make, d: int) -> Forward:
    return make.module(nn.GroupNorm, 1, d)


def _instance_norm(make: Make, d: int) -> Forward:
    return make.module(nn.BatchNorm2d, d)


def _upsampled(make: Make, d: int) -> Forward:
    layer = make.module(nn.ConvTranspose2d, d, d, 2)
    return lambda x: layer(x)[..., 1:, 1:]


ON_IMAGES: list[Piece] = [_conv, _conv, _group_norm, _instance_norm, _upsampled]


class RandomModel(nn.Module):
    """Two to five pieces on features, tokens or images, then a head; `inputs(n)` makes examples for it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        chance = random.Random(seed)
        self.kind, self.d = chance.choice(["features", "tokens", "images"]), chance.choice(SMALL)
        self.size, self.seed = chance.choice(range(1, TOKENS + 1)), seed
        pieces = {"features": EVERYWHERE, "tokens": EVERYWHERE + 2 * ON_TOKENS, "images": ON_IMAGES}[self.kind]
        make = Make(self, chance)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            chosen = [chance.choice(pieces) for _ in range(chance.randint(2, 5))]
            if chance.random() < 0.1 and self.kind != "images":
                chosen[-1] = chance.choice(REFUSED)
            self.names = [piece.__name__ for piece in chosen]
            forwards = [piece(make, self.d) for piece in chosen]
            self.forwards = forwards
            self.head = nn.Linear(self.d, chance.choice([1, 1, 2, 3]))
            self.double().eval()
            with torch.no_grad():
                for buffer in self.buffers():
                    buffer.add_(0.3 if buffer.is_floating_point() else 0)
        frozen = chance.random() < 0.15 and [p for p in self.parameters() if chance.random() < 0.3]
        for parameter in frozen or []:
            parameter.requires_grad_(False)
        self.head.weight.requires_grad_(True)

    def inputs(self, n: int) -> Tensor:
        sizes = {"features": (), "tokens": (self.size,), "images": (self.size + 1, self.size + 1)}[self.kind]
        shape = (n, self.d, *sizes) if self.kind == "images" else (n, *sizes, self.d)
        return torch.randn(*shape, generator=torch.Generator().manual_seed(self.seed), dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        for forward in self.forwards:
            x = forward(x)
        if self.kind == "images":
            x = x.mean((2, 3))
        return self.head(x.mean(1) if self.kind == "tokens" else x)

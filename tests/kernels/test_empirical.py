"""Every fast kernel against the dense oracle, in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.utils.prune
from torch import Tensor, nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, GPT2Model, LlamaConfig, LlamaModel

from regime import Monitor, empirical_ntk, plan_ntk
from regime.kernels.jacobian.parameters import blocks_of

TOLERANCE = 1e-10
METHODS = ("auto", "token-gram", "per-example")


def relative(got: Tensor, want: Tensor) -> float:
    return ((got - want).norm() / want.norm()).item()


def assert_equals_oracle(model: nn.Module, batch, readout=None, other=None) -> None:
    """Every layer, and the whole, for traces and full kernels, by every method."""
    model.double().eval()
    for outputs in ("trace", "full"):
        want = empirical_ntk(model, batch, other, readout=readout, outputs=outputs, method="dense")
        for method in METHODS:
            got = empirical_ntk(model, batch, other, readout=readout, outputs=outputs, method=method)
            assert list(got.layers) == list(want.layers)
            for path, kernel in want.layers.items():
                assert (kernel is None) == (got.layers[path] is None), path
                if kernel is not None:
                    assert got.layers[path].shape == kernel.shape
                    # a layer whose kernel vanishes against the whole has nothing but rounding to compare
                    assert (got.layers[path] - kernel).norm() < TOLERANCE * max(kernel.norm(), 1e-6 * want.total.norm()), path
            assert relative(got.total, want.total) < TOLERANCE
            assert relative(sum(k for k in got.layers.values() if k is not None), got.total) < TOLERANCE


def mlp(outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 16), nn.ReLU(inplace=True), nn.Linear(16, 16, bias=False), nn.Tanh(), nn.Linear(16, outputs)
    )


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def points(n: int, d: int = 5) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64)


@pytest.mark.parametrize("outputs", [1, 3])
def test_mlp(outputs: int) -> None:
    assert_equals_oracle(mlp(outputs), points(7))
    assert_equals_oracle(mlp(outputs), points(7), other=points(4))


def sentences(n: int, tokens: int, vocabulary: int = 50) -> dict[str, Tensor]:
    """Random token ids; row i has i % 3 positions of padding, token 0, at its end."""
    ids = torch.randint(1, vocabulary, (n, tokens))
    mask = torch.ones(n, tokens, dtype=torch.long)
    for i in range(n):
        mask[i, tokens - min(i % 3, tokens - 1) :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def pooled(output, batch) -> Tensor:
    mask = batch["attention_mask"].unsqueeze(-1).to(output.last_hidden_state.dtype)
    return ((output.last_hidden_state * mask).sum(1) / mask.sum(1))[:, :3]


SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "hidden_size": 16, "vocab_size": 50}
GPT2 = GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=16, vocab_size=50, bos_token_id=1, eos_token_id=1)
TRANSFORMERS = {
    "bert": lambda: BertModel(BertConfig(max_position_embeddings=16, **SMALL)),
    "gpt2": lambda: GPT2Model(GPT2),
    "llama": lambda: LlamaModel(LlamaConfig(num_key_value_heads=1, **SMALL)),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize(("n", "tokens"), [(4, 7), (6, 6), (1, 5), (3, 1)], ids=["n<T", "n=T", "n=1", "T=1"])
def test_transformers_with_padding(name: str, n: int, tokens: int) -> None:
    assert_equals_oracle(TRANSFORMERS[name](), sentences(n, tokens), pooled)


def test_bert_pooler_is_null_under_mean_pooling() -> None:
    ntk = empirical_ntk(TRANSFORMERS["bert"]().eval(), sentences(3, 4), readout=pooled)
    assert [path for path, kernel in ntk.layers.items() if kernel is None] == ["pooler.dense"]


def test_tied_embedding_counts_once() -> None:
    model = GPT2LMHeadModel(GPT2)
    readout = lambda output, batch: output.logits[:, -1, :3]  # noqa: E731, ARG005
    assert_equals_oracle(model, sentences(4, 5), readout)
    assert "lm_head" not in empirical_ntk(model, sentences(2, 5), readout=readout).layers


class Recurrent(nn.Module):
    """One layer called three times, and one whose weight is also used outside it."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(5, 5)
        self.out = nn.Linear(5, 2)
        self.offset = nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = torch.tanh(self.step(x))
        return self.out(x) + nn.functional.linear(x.square(), self.out.weight) + self.offset


def test_reuse_inside_a_model() -> None:
    assert_equals_oracle(Recurrent(), points(6))
    assert "(root)" in empirical_ntk(Recurrent(), points(3).float()).layers


class Positions(nn.Module):
    """A table without an example axis whose first size equals the number of examples."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.table = nn.Embedding(tokens, 3)
        self.mix = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        table = self.mix(self.table(torch.arange(self.tokens)))
        return (x @ table).tanh()


@pytest.mark.parametrize("n", [1, 4, 5])
def test_tables_without_examples(n: int) -> None:
    assert_equals_oracle(Positions(4), points(n, 4))


def test_padding_index_has_no_gradient() -> None:
    model = nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 1))
    assert_equals_oracle(model, torch.tensor([[0, 1, 2], [1, 1, 0], [3, 4, 5]]))


@pytest.mark.parametrize("outputs", ["trace", "full"])
def test_tokens_may_be_of_32_bits(outputs: str) -> None:
    model = nn.Sequential(nn.Embedding(3_000_000, 1), nn.Tanh(), nn.Flatten(), nn.Linear(2, 2))
    x = 3_000_000 - torch.stack([torch.arange(1, 801), torch.arange(1, 801) % 9 + 1], dim=1)  # by examples, more than 2**31
    want = empirical_ntk(model, x, outputs=outputs, layers=["0"]).total
    assert torch.equal(empirical_ntk(model, x.int(), outputs=outputs, layers=["0"]).total, want)
    assert torch.equal(empirical_ntk(model, x.int(), x, outputs=outputs, layers=["0"]).total, want)


class Growing(nn.Module):
    """Weights that are sums of a list, to which one is added after each use."""

    def __init__(self, join: Callable[[list[Tensor]], Tensor], anew: bool) -> None:
        super().__init__()
        self.parts, self.join, self.anew = nn.ParameterList([torch.randn(5, 5) for _ in range(3)]), join, anew

    def forward(self, x: Tensor) -> Tensor:
        known: list[Tensor] = []
        for part in self.parts:
            known.append(part)
            x = nn.functional.linear(x, self.join(known).tanh())
            if self.anew:
                known[0] = known[0] * 2
        return x


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("join", [lambda known: torch.stack(known).sum(0), lambda known: sum(torch.cat(known).split(5))])
def test_lists_that_grow_after_a_call(join: Callable, anew: bool) -> None:
    assert_equals_oracle(Growing(join, anew), points(6))


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("method", ["auto", "dense"])
def test_pairs_out_of_range_are_refused(outputs: str, method: str) -> None:
    x, large = torch.ones(3, 4), torch.tensor([[1.0], [1e19], [1.0]])
    settings = {"outputs": outputs, "method": method}
    assert empirical_ntk(nn.Linear(4, 2), x * large, x, **settings).total.isfinite().all()
    with pytest.raises(
        ValueError, match=r"the kernel of \(root\) is not finite: gradients of some examples are not, or are too"
    ):
        empirical_ntk(nn.Linear(4, 2), x * large, x * large * 100, **settings)


@pytest.mark.parametrize("method", ["auto", "dense"])
@pytest.mark.parametrize("steps", [1, 2])
def test_batches_that_the_same_parameters_made(steps: int, method: str) -> None:
    step = nn.Sequential(nn.Linear(5, 5), nn.Tanh()).double()
    x = points(6)
    for _ in range(steps):
        x = step(x)
    want = empirical_ntk(step, x.detach(), method="dense").total
    assert relative(empirical_ntk(step, x, method=method).total, want) < TOLERANCE
    assert relative(empirical_ntk(step, x, x, method=method).total, want) < TOLERANCE
    x.sum().backward()
    assert step[0].weight.grad.any()


def test_frozen_parameters_are_left_out() -> None:
    model = mlp(2).double()
    model[0].weight.requires_grad_(False)
    model[4].requires_grad_(False)
    assert_equals_oracle(model, points(5))
    assert list(empirical_ntk(model, points(5)).layers) == ["0", "2"]


def test_symmetric_positive_semidefinite_and_equal_to_itself_as_other() -> None:
    model, x = mlp(2).double(), points(8)
    kernel = empirical_ntk(model, x, outputs="full").total
    flat = kernel.transpose(1, 2).reshape(16, 16)
    assert torch.linalg.eigvalsh(flat).min() > -1e-10 * flat.norm()
    assert relative(flat.T, flat) < 1e-14
    assert relative(empirical_ntk(model, x, x.clone(), outputs="full").total, kernel) < 1e-14
    order = torch.randperm(8)
    assert relative(empirical_ntk(model, x[order], outputs="full").total, kernel[order][:, order]) < 1e-13
    trace = torch.einsum("nmcc->nm", kernel) / 2
    assert relative(empirical_ntk(model, x).total, trace) < 1e-14


def test_groups_and_globs() -> None:
    model, batch = TRANSFORMERS["bert"]().double().eval(), sentences(3, 4)
    layers = empirical_ntk(model, batch, readout=pooled)
    blocks = empirical_ntk(model, batch, readout=pooled, group="block")
    total = empirical_ntk(model, batch, readout=pooled, group="total")
    assert list(blocks.layers) == ["embeddings", "encoder.layer.0", "encoder.layer.1", "pooler"]
    assert list(total.layers) == ["total"]
    assert relative(blocks.total, layers.total) < 1e-13
    assert relative(total.total, layers.total) < 1e-13
    first = empirical_ntk(model, batch, readout=pooled, layers=["encoder.layer.0.*"])
    assert relative(first.total, blocks.layers["encoder.layer.0"]) < 1e-13


def test_globs_are_aware_of_dots() -> None:
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(11)])
    assert list(empirical_ntk(model, torch.ones(2, 2), layers=["1"]).layers) == ["1"]
    assert list(empirical_ntk(model, torch.ones(2, 2), layers=["1*"]).layers) == ["1", "10"]


BLOCKS = {
    "encoder.layer.0.attention.query": "encoder.layer.0",
    "h.11.mlp.c_fc": "h.11",
    "head": "head",
    "0": "0",
    "blocks.0": "blocks.0",
    "blocks.0.fc": "blocks.0",
    "blocks.1": "blocks",
    "layers.0.experts.1": "layers.0",
    "layers.0.experts.1.up": "layers.0",
    "vit.encoder": "vit",
    "vit.encoder.norm": "vit.encoder",
}


def test_blocks_by_path() -> None:
    assert blocks_of(BLOCKS) == BLOCKS


def test_the_model_comes_back_as_it_was() -> None:
    model = TRANSFORMERS["bert"]().train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    model.embeddings.word_embeddings.weight.grad = torch.ones_like(model.embeddings.word_embeddings.weight)
    empirical_ntk(model, sentences(3, 4), readout=pooled)
    with pytest.raises(ValueError, match=r"batch: .* index out of range"):
        empirical_ntk(model, {"input_ids": torch.full((2, 4), 10**6), "attention_mask": torch.ones(2, 4)}, readout=pooled)
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    grads = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert grads == {"embeddings.word_embeddings.weight"}


class Sorted(nn.Module):
    """Puts its examples in another order inside, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        order = x[:, 0].argsort()
        return self.b(torch.tanh(self.a(x[order]))[order.argsort()])


class Folded(nn.Module):
    """Examples come first in a layer only where each has one position."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.out = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.fold(x.reshape(-1, 3))).view(len(x), -1, 4).mean(1))


def patched() -> nn.Module:
    layer = nn.Linear(5, 2)
    layer.forward = lambda x: nn.functional.linear(x * x, layer.weight, layer.bias)
    return nn.Sequential(layer)


def attention() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 5)), nn.TransformerEncoderLayer(5, 1, 7, 0.0, batch_first=True), nn.Flatten())


ODD_MODELS = {
    "weight norm": lambda: nn.Sequential(nn.utils.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 2)),
    "parametrized": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.Linear(4, 2)),
    "pruned": lambda: nn.Sequential(nn.utils.prune.random_unstructured(nn.Linear(5, 4), "weight", 0.5), nn.Linear(4, 2)),
    "patched forward": patched,
    "sorted inside": Sorted,
    "attention": attention,
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")
@pytest.mark.parametrize("name", ODD_MODELS)
def test_modules_that_only_look_like_their_type(name: str) -> None:
    assert_equals_oracle(ODD_MODELS[name](), points(6))


def test_batches_that_a_layer_meets_in_different_shapes() -> None:
    one, many = torch.randn(4, 1, 3, dtype=torch.float64), torch.randn(5, 2, 3, dtype=torch.float64)
    assert_equals_oracle(Folded(), many, other=one)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
def test_a_layer_of_no_width_has_no_kernel_and_what_follows_has_its_bias() -> None:
    model, x = nn.Sequential(nn.Linear(4, 0), nn.Linear(0, 3)), torch.randn(8, 4)
    kernel = empirical_ntk(model, x)
    assert kernel.layers["0"] is None
    assert torch.equal(kernel.total, torch.ones(8, 8))
    assert plan_ntk(model, x).layers["0"].method is None
    assert Monitor(model, x).measure(1).measures["kernel_change"] == 0


def test_ambient_modes_change_nothing() -> None:
    model, x = mlp(2), points(5).float()
    want = empirical_ntk(model, x).total
    with torch.no_grad():
        assert torch.equal(empirical_ntk(model, x).total, want)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relative(empirical_ntk(model, x).total, want) < 1e-6
    with torch.inference_mode():
        assert torch.equal(empirical_ntk(model, x).total, want)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: empirical_ntk(nn.Linear(5, 2), points(3).float()[:, None]), r"outputs must be a tensor \(n, C\)"),
        (lambda: empirical_ntk(mlp(1).requires_grad_(False), points(3).float()), "no trainable parameters"),
        (lambda: empirical_ntk(mlp(1), points(3).float(), layers=["9"]), "match none"),
        (lambda: empirical_ntk(mlp(1), points(3).float(), method="fast"), "method = 'fast' is not allowed; allowed: 'auto'"),
        (lambda: empirical_ntk(mlp(1), points(3).float(), outputs="all"), "outputs = 'all' is not allowed"),
        (lambda: empirical_ntk(mlp(1), points(3).float() * torch.nan), "not finite"),
        (lambda: empirical_ntk(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)), points(3).float()), r"model\.eval\(\)"),
        (lambda: empirical_ntk(nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5)), points(3).float()), r"model\.eval\(\)"),
        (lambda: empirical_ntk(mlp(1), {"input": torch.ones(3, 5), "x": torch.ones(2)}), "same number of examples"),
        (lambda: empirical_ntk(mlp(1), torch.ones(0, 5)), "at least one"),
        (lambda: empirical_ntk(mlp(1), [[1.0]]), "a tensor or a dict of keyword tensors is needed, got list"),
        (
            lambda: empirical_ntk(mlp(1), points(3).float(), layers="0"),
            r"layers = '0' is not allowed",
        ),
        (
            lambda: empirical_ntk(
                nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, track_running_stats=False)).eval(), points(3).float()
            ),
            "track_running_stats",
        ),
        (
            lambda: empirical_ntk(
                nn.MultiheadAttention(4, 1, dropout=0.5), dict.fromkeys(("query", "key", "value"), torch.ones(2, 1, 4))
            ),
            "random",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

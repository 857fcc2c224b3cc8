"""P2: the layerwise kernel of all of MiniLM's parameters, against one pass and against per-example gradients."""

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import regime
from regime.kernels.empirical import NTK
from regime.models import loading, texts
from regime.models.readout import HeadReadout
from regime.observe.pooling import mean_pool
from tests.benchmarks.memory import peak
from tests.benchmarks.report import Section, Table
from tests.benchmarks.timing import in_turn, ratio, turn

ROUNDS = 7
SENTENCES, TOKENS = 64, 32
VARIANTS = ("review sentences, padded", "32 real tokens each")
PASSES, FASTER, LEANER = 1.7, 5.0, 4.0
AGREEMENT = 1e-4

Inputs = dict[str, Tensor]


def batch(variant: str, sentences: int) -> Inputs:
    """Return rows of 32 positions: shipped sentences, cut and padded, or random tokens everywhere."""
    pretrained = loading.load("minilm")
    if variant == VARIANTS[0]:
        options = {"padding": "max_length", "truncation": True, "max_length": TOKENS, "return_tensors": "pt"}
        tokens = pretrained.tokenizer(texts.split("sentiment", [sentences])[0].texts, **options)
        return {name: tokens[name] for name in ("input_ids", "attention_mask")}
    special, generator = max(pretrained.tokenizer.all_special_ids), torch.Generator().manual_seed(0)
    ids = torch.randint(special + 1, pretrained.model.config.vocab_size, (sentences, TOKENS), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def model(blocks: int | None = None) -> HeadReadout:
    """Return MiniLM, or so many of its blocks."""
    net = loading.load("minilm").model
    if blocks is not None:
        net = copy.deepcopy(net)
        net.encoder.layer = net.encoder.layer[:blocks]
    return HeadReadout(net, "mean", 1, seed=0)


def one_pass(net: nn.Module, inputs: Inputs) -> tuple[Tensor | None, ...]:
    """One forward and one backward pass of the whole batch: the gradients of all parameters."""
    return torch.autograd.grad(net(**inputs).sum(), list(net.parameters()), allow_unused=True)


def kernel(net: nn.Module, inputs: Inputs) -> NTK:
    return regime.empirical_ntk(net, inputs)


def looped(net: nn.Module, inputs: Inputs) -> dict[str, Tensor]:
    """Per-example gradients by a backward pass an example, as rows, and the kernel of each layer."""
    names, parameters = zip(*net.named_parameters(), strict=True)
    n = len(inputs["input_ids"])
    rows: dict[str, Tensor] = {}
    for k in range(n):
        output = net(**{name: tensor[k : k + 1] for name, tensor in inputs.items()})
        gradients = torch.autograd.grad(output.sum(), parameters, allow_unused=True)
        for name, gradient in zip(names, gradients, strict=True):
            if gradient is not None:
                rows.setdefault(name, gradient.new_empty(n, gradient.numel()))[k] = gradient.flatten()
    return _by_layer(rows)


def vectorized(net: nn.Module, inputs: Inputs) -> dict[str, Tensor]:
    """The same by `torch.func.vmap`.

    It breaks on the encoder's own masking, which branches on the mask's values; so it gets eager attention and a mask that is
    ready to be added to the scores.
    """
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters() if "pooler" not in name}
    mask = inputs["attention_mask"]
    added = torch.where(mask.bool(), 0.0, torch.finfo(torch.float32).min)[:, None, None, :]
    added = added.expand(-1, 1, mask.shape[1], -1)

    def output(parameters: dict[str, Tensor], ids: Tensor, mask: Tensor, added: Tensor) -> Tensor:
        return functional_call(masked, parameters, (ids[None], mask[None], added[None]))[0, 0]

    attention = net.model.config._attn_implementation
    masked = _Masked(net)
    net.model.set_attn_implementation("eager")
    try:
        parameters = {f"net.{name}": parameter for name, parameter in parameters.items()}
        gradients = vmap(grad(output), (None, 0, 0, 0))(parameters, inputs["input_ids"], mask, added)
    finally:
        net.model.set_attn_implementation(attention)
    return _by_layer({name.removeprefix("net."): each.flatten(1) for name, each in gradients.items()})


class _Masked(nn.Module):
    """The same model with the attention mask ready-made."""

    def __init__(self, net: HeadReadout) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, mask: Tensor, added: Tensor) -> Tensor:
        hidden = self.net.model(input_ids=input_ids, attention_mask=added).last_hidden_state
        return self.net.head(mean_pool(hidden, mask))


def _by_layer(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """J J^T of each layer from rows named like parameters."""
    layers: dict[str, Tensor] = {}
    for name, j in rows.items():
        path = name.rpartition(".")[0]
        layers[path] = layers[path] + j @ j.T if path in layers else j @ j.T
    return layers


WAYS: dict[str, Callable[[nn.Module, Inputs], object]] = {
    "one pass": one_pass,
    "ours": kernel,
    "per example, loop": looped,
    "per example, vmap": vectorized,
}
PEERS = ("per example, loop", "per example, vmap")


def prepared(way: str, variant: str, sentences: int, blocks: int | None = None) -> Callable[[], object]:
    """The call whose memory is measured; the model is loaded and has run forward once."""
    net, inputs = model(blocks), batch(variant, sentences)
    with torch.no_grad():
        net(**inputs)
    return partial(WAYS[way], net, inputs)


def section(rounds: int, quick: bool) -> Section:
    """Time in turn and peak memory in fresh processes, for both variants."""
    result = Section(
        f"P2: layerwise NTK of all parameters of MiniLM, {SENTENCES} sentences of {TOKENS} tokens, fp32, trace",
        [
            f"One pass: forward and backward of the batch, all parameter gradients. {rounds} rounds, one turn each; medians; "
            "95% intervals by bootstrap over rounds.",
            "Per-example gradients: rows (n, P) and J J^T of each layer, by a loop over examples and by torch.func.vmap (eager "
            "attention, ready-made mask: on the model as it is vmap fails). Ratios of time are against the faster, of memory "
            "against the leaner.",
            "Memory: the peak of resident memory in a fresh process above what it is after loading and one forward pass.",
        ],
    )
    for variant in VARIANTS[: 1 if quick else None]:
        _variant(variant, rounds, result, quick)
    return result


def _variant(variant: str, rounds: int, result: Section, quick: bool) -> None:
    sentences, blocks = (4, 1) if quick else (SENTENCES, None)
    net, inputs = model(blocks), batch(variant, sentences)
    threads = torch.get_num_threads()
    memory = {way: peak(prepared, way, variant, sentences, blocks, threads=threads, fresh=not quick) for way in WAYS}
    seconds = in_turn({way: turn(partial(call, net, inputs), warm=False) for way, call in WAYS.items()}, rounds)
    result.seconds[variant] = seconds
    errors = _errors(net, inputs)
    rows = [
        {
            "way": way,
            "seconds": float(np.median(taken)),
            "passes": str(ratio(taken, seconds["one pass"])),
            "peak MiB": memory[way] / 2**20,
            "total against ours": f"{errors[way]:.1e}" if way in errors else "",
        }
        for way, taken in seconds.items()
    ]
    result.tables.append(Table(variant, rows))
    peer = min(PEERS, key=lambda way: np.median(seconds[way]))
    result.promise(f"{variant}: at most {PASSES:g} passes", ratio(seconds["ours"], seconds["one pass"]), at_most=PASSES)
    result.promise(f"{variant}: {FASTER:g} times faster than {peer}", ratio(seconds[peer], seconds["ours"]), at_least=FASTER)
    leaner = min(PEERS, key=memory.get)
    result.promise(f"{variant}: {LEANER:g} times leaner than {leaner}", memory[leaner] / memory["ours"], at_least=LEANER)
    result.promise(f"{variant}: all agree within {AGREEMENT:g}", max(errors.values()), at_most=AGREEMENT)


def _errors(net: nn.Module, inputs: Inputs) -> dict[str, float]:
    """Relative Frobenius errors of the peers' total kernels against ours."""
    ours = kernel(net, inputs).total.double()
    totals = {way: sum(WAYS[way](net, inputs).values()).double() for way in PEERS}
    return {way: float((total - ours).norm() / ours.norm()) for way, total in totals.items()}

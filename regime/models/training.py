"""How a transformer is trained: which parameters, by which optimizer, at which rate."""

from collections.abc import Callable, Iterable
from math import cos, pi

import torch
from torch import Tensor, nn

from regime.config import ProbeConfig
from regime.config.own import blamed, find, is_own
from regime.errors import ConfigError
from regime.kernels.jacobian.parameters import matches


def freeze(model: nn.Module, globs: Iterable[str], name: Callable[[str], str]) -> None:
    """Let only those parameters be trained whose name, or whose module's, matches one of the globs.

    What the model itself has frozen, such as what adapters stand beside, or the integers of quantized weights, stays so.

    Args:
        name: a parameter's full name -> the name that globs are about.

    Raises:
        ConfigError: none does.
    """
    names = []
    for full, parameter in model.named_parameters():
        own = name(full)
        names.append(own)
        chosen = any(matches(part, glob) for part in (own, own.rpartition(".")[0]) for glob in globs)
        parameter.requires_grad_(parameter.requires_grad and chosen)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            f"trainable = {list(globs)!r:.80} is not allowed: it matches no parameter, or frozen ones alone; allowed: globs on "
            f"names such as {names[len(names) // 2]!r}, with * within one part, **. for any parts before, .* for all below"
        )


def make_optimizer(config: ProbeConfig, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Build the configuration's optimizer, without weight decay; one's own with its defaults.

    Raises:
        ConfigError: one's own cannot be had, or is no torch.optim.Optimizer.
    """
    parameters = list(parameters)
    if is_own(config.optimizer):
        kind = find("optimizer", config.optimizer, made=False)
        if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
            raise ConfigError(f"optimizer = {config.optimizer!r} is not allowed; allowed: a class of torch.optim.Optimizer")
        with blamed("optimizer", config.optimizer):
            return kind(parameters, lr=config.step_size)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=config.step_size, weight_decay=0.0, fused=True)
    return torch.optim.SGD(parameters, lr=config.step_size, momentum=config.momentum if config.optimizer == "momentum" else 0.0)


def rate(config: ProbeConfig, step: int) -> float:
    """Return the learning rate of the step that follows `step` others.

    Over the first `warmup` steps it rises linearly to its full size; then, over the rest, it stays, or falls to 0 linearly or
    as half a cosine.
    """
    if step < config.warmup:
        return config.step_size * (step + 1) / config.warmup
    gone = (step - config.warmup) / max(1, config.steps - config.warmup)
    share = {"none": 1.0, "linear": 1 - gone, "cosine": (1 + cos(pi * gone)) / 2}[config.decay]
    return config.step_size * share


def batch(config: ProbeConfig, step: int) -> list[int]:
    """Return the rows of one training batch, which are the same for every seed."""
    if config.batch == config.samples:
        return list(range(config.samples))
    return torch.randperm(config.samples, generator=torch.Generator().manual_seed(step), device="cpu")[: config.batch].tolist()

"""Which layer owns which parameter, and models whose examples are not independent."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

ROOT = "(root)"
"""The path of parameters that the model itself owns."""

SHARDED = ("placements", "_is_flat_param", "ds_tensor")
"""What tells the parameters of FSDP2, FSDP and DeepSpeed from others."""

Group = Literal["layer", "block", "total", "head"]
TOTAL = "total"

Layers = dict[str, dict[str, nn.Parameter]]
"""Parameters by the path of the module that owns them, then by their name in it."""


def owned(model: nn.Module, layers: list[str] | None = None) -> Layers:
    """Trainable parameters by the path of the module that owns them first, then by their name in it.

    Args:
        layers: globs on paths, as `matches` reads them.

    Raises:
        ValueError: no parameter is trainable, or no path matches.
    """
    paths: Layers = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            path, _, own = name.rpartition(".")
            paths.setdefault(path or ROOT, {})[own] = parameter
    if not paths:
        raise ValueError("model: it has no trainable parameters (all have requires_grad = False)")
    if layers is None:
        return paths
    chosen = {path: parameters for path, parameters in paths.items() if any(matches(path, glob) for glob in layers)}
    if not chosen:
        raise ValueError(f"layers = {layers!r} match none of the model's layers: {', '.join(list(paths)[:8])}, ...")
    return chosen


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside what was made to train it: data parallel, compiled or averaged."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel | torch.optim.swa_utils.AveragedModel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod
        else:
            return model


def matches(path: str, glob: str) -> bool:
    """Whether a dotted name fits a glob: `*` within one part, `.*` at the end for everything below, `**` for any parts."""
    return _fits(path.split("."), glob.split("."))


def _fits(parts: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not parts
    if wanted == ["*"] and parts:
        return True
    if wanted[0] == "**":
        return any(_fits(parts[skipped:], wanted[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def blocks_of(paths: Iterable[str]) -> dict[str, str]:
    """The block that each layer of a network belongs to.

    It is the layer's path up to the first number with something below it, else the module around it: of the paths
    `encoder.layer.0.attention.query` is in `encoder.layer.0`, `embeddings.LayerNorm` in `embeddings`, `head` in `head`, and
    `blocks.0` in `blocks.0` where others are below it, else in `blocks`.
    """
    paths = list(paths)
    above = {path[:end] for path in paths for end, sign in enumerate(path) if sign == "."}
    return {path: _block(path.split("."), below=path in above) for path in paths}


def _block(parts: list[str], *, below: bool) -> str:
    for position, part in enumerate(parts if below else parts[:-1]):
        if part.isdigit():
            return ".".join(parts[: position + 1])
    return ".".join(parts[:-1] or parts)


def check_here(model: nn.Module, argument: str = "model") -> None:
    """Refuse networks whose parameters or buffers are elsewhere; raises ValueError that names the argument and the first."""
    for kind, tensors in (("parameter", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in tensors:
            if (where := elsewhere(tensor)) is not None:
                raise ValueError(f"{argument}: the {kind} {name} is not here: {where}")


def check_mode(model: nn.Module) -> None:
    """Refuse networks whose parameters are elsewhere, and modules in training mode that mix examples or depend on chance.

    Raises:
        ValueError: it names the first such parameter or module, and the mend.
    """
    check_here(model)
    for path, module in model.named_modules():
        name = f"{path or ROOT} ({type(module).__name__})"
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is None:
                raise ValueError(f"model: {name} couples the examples of a batch in any mode; use track_running_stats=True")
            if module.training:
                raise ValueError(f"model: {name} couples the examples of a batch in training mode; call model.eval() first")
        if getattr(module, "scale_grad_by_freq", False):
            raise ValueError(f"model: {name} couples the examples of a batch; use scale_grad_by_freq=False")
        if module.training and _is_random(module):
            raise ValueError(f"model: {name} is random in training mode; call model.eval() first")


def elsewhere(tensor: Tensor) -> str | None:
    """Return where a parameter is, if it is not in the network itself; None if it is."""
    if is_lazy(tensor):
        return "it is made at the first forward pass; pass a batch through the network first"
    if any(hasattr(tensor, mark) for mark in SHARDED):
        return "it is sharded over processes; gather the whole network in one of them, and measure that"
    if tensor.layout != torch.strided:
        return "it is sparse; make it dense"
    if isinstance(tensor, nn.Parameter) and tensor.is_inference():
        return "it was made under inference_mode; make the network, or clone it, outside of it"
    if tensor.is_meta:
        return "it is on the meta device, offloaded or never loaded; load the whole network on a device"
    return None


def _is_random(module: nn.Module) -> bool:
    """Whether a module in training mode draws random numbers; attention and recurrent layers have a rate named dropout."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    rate = getattr(module, "dropout", 0)
    return isinstance(module, nn.RReLU) or (isinstance(rate, float) and rate > 0)

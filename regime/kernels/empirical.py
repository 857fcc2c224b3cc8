"""`empirical_ntk`: the neural tangent kernel of any module at its present parameters, layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from regime.kernels import rules
from regime.kernels.capture import Batch, Readout, capture, explicit, owned
from regime.kernels.reference import dense_ntk
from regime.kernels.tapes import RowsTape, Tape

Group = Literal["layer", "block", "total"]
TOTAL = "total"


@dataclass(frozen=True)
class NTK:
    """A kernel as a sum over layers.

    `layers` maps the path that owns the parameters (or the block, or "total", by `group`) to its kernel (n, m), or
    (n, m, C, C) for outputs="full"; None where no gradient reaches the layer. `total` is their sum.
    """

    layers: dict[str, Tensor | None]
    total: Tensor


def block_of(path: str) -> str:
    """The block a layer belongs to: its path up to the first number with something below it, else the module around it.

    `encoder.layer.0.attention.query` is in `encoder.layer.0`, `embeddings.LayerNorm` in `embeddings`, `head` in `head`.
    """
    parts = path.split(".")
    for position, part in enumerate(parts[:-1]):
        if part.isdigit():
            return ".".join(parts[: position + 1])
    return ".".join(parts[:-1]) or path


def empirical_ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None = None,
    *,
    readout: Readout | None = None,
    outputs: rules.Outputs = "trace",
    layers: list[str] | None = None,
    group: Group = "layer",
    method: Literal["auto", "token-gram", "per-example", "dense"] = "auto",
) -> NTK:
    """Theta(x, x') = J(x) J(x')^T, exactly, as a sum over the layers that own trainable parameters.

    Jacot et al. 2018 (arXiv 1806.07572). A dense layer's term is sum over positions t, s of
    (a_t.a'_s + [bias]) (g_t.g'_s), with inputs a and output gradients g.

    Args:
        model: any module whose examples do not affect one another; it comes back exactly as it was.
        batch: a tensor, or a dict of keyword tensors, examples first; n of them.
        other: a second batch of m examples; the kernel is then (n, m). None: the batch against itself.
        readout: (model output, batch) -> (n, C). None where the model's output is that already.
        outputs: "trace": summed over outputs and divided by C, (n, m); "full": (n, m, C, C).
        layers: globs on module paths to keep, by part: `encoder.layer.1.*` does not match layer 10.
        group: sum the layers' terms by "layer", "block" or "total".
        method: how a layer's sum over positions is taken; "auto" counts operations. "dense" is the slow oracle.

    Raises:
        ValueError: an argument is not allowed, the output is not (n, C), nothing is trainable, no layer matches, or a
            module is random or couples examples in training mode.
    """
    _check("outputs", outputs, ("trace", "full"))
    _check("group", group, ("layer", "block", "total"))
    _check("method", method, ("auto", "token-gram", "per-example", "dense"))
    for name, value in {"batch": batch, "other": batch if other is None else other}.items():
        if not isinstance(value, Tensor | Mapping):
            raise ValueError(f"{name}: a tensor or a dict of keyword tensors is needed, got {type(value).__name__}")
    if isinstance(layers, str):
        raise ValueError(f"layers = {layers!r} is not allowed; allowed: a list of globs, such as [{layers!r}]")
    with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
        if method == "dense":
            kernels = dense_ntk(model, batch, other, readout, outputs, layers)
        else:
            kernels = _structured(model, batch, other, readout, outputs, layers, method)
    return _grouped(kernels, group)


def _structured(
    model: nn.Module,
    batch: Batch,
    other: Batch | None,
    readout: Readout | None,
    outputs: rules.Outputs,
    layers: list[str] | None,
    method: rules.Method,
) -> dict[str, Tensor | None]:
    """The kernel of each layer from its tape."""
    left = right = capture(model, batch, readout, layers)
    if other is not None:
        right = capture(model, other, readout, layers)
        left, right = _comparable(model, (batch, other), (left, right), readout, layers)
    with torch.no_grad():
        return {path: None if tape is None else tape.kernel(right[path], outputs, method) for path, tape in left.items()}


def _comparable(
    model: nn.Module,
    batches: tuple[Batch, Batch],
    tapes: tuple[dict[str, Tape | None], dict[str, Tape | None]],
    readout: Readout | None,
    layers: list[str] | None,
) -> list[dict[str, Tape | None]]:
    """The same tapes; a layer that went through its rule on one batch and not on the other becomes explicit on both."""
    left, right = tapes
    odd = [path for path in left if type(left[path]) is not type(right[path]) or _names(left[path]) != _names(right[path])]
    parameters = {path: own for path, own in owned(model, layers).items() if path in odd}
    return [each | explicit(model, batch, readout, parameters) for each, batch in zip(tapes, batches, strict=True)]


def _names(tape: Tape | None) -> list[str]:
    return list(tape.rows) if isinstance(tape, RowsTape) else []


def _grouped(kernels: dict[str, Tensor | None], group: Group) -> NTK:
    names = {
        "layer": lambda path: path,
        "block": block_of,
        "total": lambda _: TOTAL,
    }
    grouped: dict[str, Tensor | None] = {}
    for path, kernel in kernels.items():
        name = names[group](path)
        before = grouped.get(name)
        grouped[name] = kernel if before is None else before if kernel is None else before + kernel
    present = [kernel for kernel in grouped.values() if kernel is not None]
    if not present:
        raise ValueError("model: its outputs do not depend on any trainable parameter")
    return NTK(grouped, sum(present[1:], present[0]))


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} = {value!r} is not allowed; allowed: {', '.join(map(repr, allowed))}")

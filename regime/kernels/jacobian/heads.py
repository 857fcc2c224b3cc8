"""The attention heads of a model: which rows or columns of its weights belong to which of them.

They are known by the names that models give their layers; what has another name, or another size, stays whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor, nn

from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import ROOT, Layers
from regime.kernels.jacobian.part import Part
from regime.kernels.jacobian.parts import DensePart, RowsPart

NUMBER = ("num_heads", "num_attention_heads", "n_heads", "n_head")
"""Attributes of an attention module, or of its configuration, that say how many heads it has."""
NUMBER_OF_KEYS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")
"""The same of keys and values, where they are fewer."""
QUERIES = {"q", "query", "q_proj", "q_lin", "to_q", "wq", "query_proj", "q_proj_weight"}
KEYS = {"k", "key", "k_proj", "k_lin", "to_k", "wk", "key_proj", "k_proj_weight", "bias_k"} | {
    "v", "value", "v_proj", "v_lin", "to_v", "wv", "value_proj", "v_proj_weight", "bias_v",
}  # fmt: skip
IN_TURN = {"c_attn", "qkv", "Wqkv", "to_qkv", "in_proj_weight", "in_proj_bias"}
"""Queries of all heads, then keys, then values."""
TOGETHER = {"query_key_value"}
"""Query, key and value of a head, then those of the next."""
OUTPUTS = {"out_proj", "o_proj", "o", "dense", "c_proj", "out_lin", "proj", "to_out", "wo", "Wo"}


@dataclass(frozen=True)
class Split:
    """The places of each head on an axis of a parameter: of its layer's inputs, or of its outputs."""

    axis: int
    places: list[Int[Tensor, " _"]]
    of_inputs: bool = False


Heads = Mapping[str, Mapping[str, Split]]
"""Parameters that are split by heads, by the path of their layer and their name there."""


def find_heads(model: nn.Module, layers: Layers) -> Heads:
    """Return which parameters are split by heads, and how.

    Args:
        model: any module.
        layers: parameters to look at.

    Raises:
        ValueError: none of them is split.
    """
    modules = dict(model.named_modules())
    numbers = {path: _number(module, NUMBER) for path, module in modules.items() if _is_attention(path, module)}
    counted = [path for path, number in numbers.items() if number]
    found: dict[str, dict[str, Split]] = {}
    for path in counted:
        if sum(_lies_in(other, path) for other in counted) > 1:
            continue  # a model of several
        attention, around = modules[path], path.rpartition(".")[0]
        inside = [layer for layer in layers if _lies_in(layer, path)]
        if not any(_role(layer) in OUTPUTS for layer in inside) and _is_attention(around, modules[around]):
            inside += [layer for layer in layers if _lies_in(layer, around) and _role(layer) in OUTPUTS]
        for layer in inside:
            owner = modules["" if layer == ROOT else layer]
            for name, parameter in layers[layer].items():
                role = name if owner is attention else _role(layer)
                split = _split(role, owner, parameter, numbers[path], _number(attention, NUMBER_OF_KEYS) or numbers[path])
                if split is not None and not (role == "c_attn" and hasattr(attention, "multi_query")):
                    found.setdefault(layer, {})[name] = split
    if not found:
        raise ValueError(
            "group = 'head': the model has no attention heads that can be told apart: none of its layers is named as queries, "
            f"keys, values or outputs of a module of attention with one of {', '.join(NUMBER)}; group by 'layer' instead"
        )
    return found


def _is_attention(path: str, module: nn.Module) -> bool:
    return "att" in path.rpartition(".")[2].lower() or "att" in type(module).__name__.lower()


def _lies_in(layer: str, path: str) -> bool:
    return not path or f"{layer}.".startswith(f"{path}.")


def _role(layer: str) -> str:
    """The name of a layer, without a number after it."""
    return next((part for part in reversed(layer.split(".")) if not part.isdigit()), layer)


def _number(attention: nn.Module, names: tuple[str, ...]) -> int | None:
    """What a module of attention, or its configuration, says of its heads."""
    found = (getattr(of, name, None) for of in (attention, getattr(attention, "config", None)) for name in names)
    return next((number for number in found if isinstance(number, int) and number > 0), None)


def _split(role: str, owner: nn.Module, parameter: Tensor, number: int, keys: int) -> Split | None:
    """How a parameter is split by heads; None where it is not.

    Args:
        role: of its layer in attention, or its own.
        owner: its module.
        parameter: itself.
        number: of heads.
        keys: of heads of keys and values.
    """
    shape, of_inputs, fused = parameter.shape, role in OUTPUTS, role in IN_TURN | TOGETHER
    if of_inputs:
        known = len(shape) == 2
    elif fused:
        weight = getattr(owner, "weight", None)
        known = number == keys and (weight is None or max(weight.shape) == 3 * min(weight.shape))
    else:
        known = role in QUERIES | KEYS
    transposed = len(shape) == 2 and hasattr(owner, "nf")  # linear layers of GPT-2 have weights (inputs, outputs)
    axis = len(shape) - 1 if role.startswith("bias_") else int(of_inputs != transposed)
    heads = keys if role in KEYS else number
    if not known or (size := shape[axis]) % (3 * heads if fused else heads):
        return None
    place = torch.arange(size, device="cpu")
    head = place % (size // 3) // (size // 3 // heads) if role in IN_TURN else place // (size // heads)
    return Split(axis, [(head == each).nonzero()[:, 0].to(parameter.device) for each in range(heads)], of_inputs)


def head_names(path: str, parameters: Iterable[str], heads: Heads) -> list[str]:
    """Return the names under which a layer's kernels are summed: `path.head0` and so on, and `path` for what is whole.

    Args:
        path: of the layer.
        parameters: their names in it.
        heads: of the model.
    """
    own = heads.get(path, {})
    most = max((len(split.places) for split in own.values()), default=0)
    return [f"{path}.head{head}" for head in range(most)] + ([path] if set(parameters) - own.keys() else [])


def split_by_heads(path: str, jacobian: LayerJacobian | None, heads: Heads) -> dict[str, LayerJacobian | None]:
    """Return a layer's Jacobian as one for each of its `head_names`; a whole one as it is.

    Args:
        path: of the layer.
        jacobian: its own.
        heads: of the model.
    """
    if jacobian is None or path not in heads:
        return {path: jacobian}
    parts: dict[str, list[Part]] = {}
    for part in jacobian.parts:
        for name, each in _by_head(path, part, heads[path]):
            parts.setdefault(name, []).append(each)
    return {name: LayerJacobian(tuple(each)) for name, each in parts.items()}


def _by_head(path: str, part: Part, own: Mapping[str, Split]) -> Iterator[tuple[str, Part]]:
    """A part of a layer in parts of heads, each with the name it has."""
    by = own.get(part.names[0])
    if by is None or not isinstance(part, DensePart | RowsPart):
        yield path, part
        return
    for head, at in enumerate(by.places):
        if isinstance(part, RowsPart):
            j = part.j.unflatten(-1, part.shape).index_select(2 + by.axis, at).flatten(2)
            each = replace(part, j=j, shape=(j.shape[-1],))
        elif by.of_inputs:
            each = replace(part, a=part.a[..., at], bias=None)
        else:
            each = replace(part, g=part.g[..., at])
        yield f"{path}.head{head}", each
    if isinstance(part, DensePart) and by.of_inputs and part.bias is not None:
        yield path, RowsPart(part.g.sum(1), part.bias, (part.g.shape[-1],))

"""The attention heads of a model: which rows or columns of its weights belong to which of them.

A module of attention says how many heads it has, and a name tells its output layer. What else is a head's is seen, not read off
names: its rows reach what follows by that head's columns of the output layer alone. What no one head owns stays whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, called, select, size
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers
from regime.kernels.jacobian.part import Part, random_direction
from regime.kernels.jacobian.parts import DensePart, RowsPart
from regime.kernels.jacobian.trace import Call, Log
from regime.kernels.jacobian.undisturbed import undisturbed

NUMBER = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads", "nheads")
"""Attributes of an attention module, or of its configuration, that say how many heads it has."""
NUMBER_OF_KEYS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")
"""The same of keys and values, where they are fewer."""
OUTPUTS = {"out_proj", "o_proj", "o", "dense", "c_proj", "out_lin", "proj", "to_out", "wo", "Wo", "W_out", "fc_out"}
OUTPUTS |= {"proj_out", "linear_out"}
"""Names of the layer that takes what the heads give, one after another."""


@dataclass(frozen=True)
class Split:
    """The places of each head on an axis of a parameter: of its layer's inputs, or of its outputs."""

    shape: torch.Size
    """Of the parameter."""
    axis: int
    places: list[Int[Tensor, " _"]]
    of_inputs: bool = False


Heads = Mapping[str, Mapping[str, Split]]
"""Parameters that are split by heads, by the path of their layer and their name there."""


@dataclass(frozen=True)
class _Attention:
    """A module of attention, and the output layer of its heads."""

    number: int
    keys: int
    """Heads of keys and values."""
    inner: dict[str, int]
    """The parameters that may be a head's by rows, by their whole name, with the axis of these rows."""
    output: str
    """The whole name of the output layer's weight."""
    split: Split
    """Of that weight."""


def find_heads(model: nn.Module, layers: Layers, batch: Batch) -> Heads:
    """Return which parameters are split by heads, and how.

    Args:
        model: any module.
        layers: parameters to look at.
        batch: examples, of which three pass through the model.

    Raises:
        ValueError: none of them is split, or the model fails on the batch.
    """
    names = {id(parameter): (path, own) for path, all_own in layers.items() for own, parameter in all_own.items()}
    found: dict[str, dict[str, Split]] = {}
    for parameter, split in _splits(model, batch):
        if id(parameter) in names:
            path, own = names[id(parameter)]
            found.setdefault(path, {})[own] = split
    if not found:
        raise ValueError(
            "group = 'head': the model has no attention heads that can be told apart: no layer gives rows to one head alone "
            f"in a module of attention with one of {', '.join(NUMBER)} and an output layer of a usual name "
            f"({', '.join(sorted(OUTPUTS))}); group by 'layer' instead"
        )
    return found


@torch.inference_mode(False)
@torch.enable_grad()
def _splits(model: nn.Module, batch: Batch) -> Iterator[tuple[Tensor, Split]]:
    """The parameters that are split by heads, as far as a few of the examples tell."""
    attentions, n = list(_attentions(model)), size(batch)
    examples = select(batch, [n // 3, n - 1, 0])
    with undisturbed(model), Log(examples) as log:
        called(model, examples, None)
    for attention in attentions:
        output = model.get_parameter(attention.output)
        given_on = _given_to(output, output.shape[attention.split.axis], log.calls)
        if given_on is None:
            continue
        inner = {name: parameter for name in attention.inner if (parameter := model.get_parameter(name)).requires_grad}
        reached = _reached(given_on, inner, attention)
        splits = {name: _split(rows, attention) for name, rows in reached.items()}
        for name, owner in splits.items():
            if owner is not None:
                yield inner[name], Split(inner[name].shape, attention.inner[name], owner)
        if any(owner is not None for owner in splits.values()):
            yield output, attention.split


def _attentions(model: nn.Module) -> Iterator[_Attention]:
    """The modules of attention that say how many heads they have, and have one output layer."""
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    numbers = {path: _number(module, NUMBER) for path, module in modules.items() if _is_attention(path, module)}
    counted = {path: number for path, number in numbers.items() if number}
    for path, number in counted.items():
        if sum(_lies_in(other, path) for other in counted) > 1:
            continue  # a model of several
        outer, inside = path.rpartition(".")[0], [name for name in parameters if _lies_in(name, path)]
        outputs = [name for name in inside if _is_output(name)]
        if not outputs and _is_attention(outer, modules[outer]):
            outputs = [name for name in parameters if _lies_in(name, outer) and _is_output(name)]
        if len(outputs) != 1 or parameters[outputs[0]].dim() != 2:
            continue
        weight, layer = parameters[outputs[0]], outputs[0].rpartition(".")[0]
        axis = 1 - _axis(outputs[0], weight, modules)
        if weight.shape[axis] % number:
            continue
        places = torch.arange(weight.shape[axis], device=weight.device).chunk(number)
        inner = {name: _axis(name, parameters[name], modules) for name in inside if name.rpartition(".")[0] != layer}
        keys = _number(modules[path], NUMBER_OF_KEYS) or number
        yield _Attention(number, keys, inner, outputs[0], Split(weight.shape, axis, list(places), of_inputs=True))


def _is_attention(path: str, module: nn.Module) -> bool:
    return "att" in path.rpartition(".")[2].lower() or "att" in type(module).__name__.lower()


def _lies_in(name: str, path: str) -> bool:
    return not path or f"{name}.".startswith(f"{path}.")


def _is_output(name: str) -> bool:
    """Whether a parameter is the weight of an output layer, by the last name before it that is no number."""
    *path, own = name.split(".")
    return own == "weight" and next((part for part in reversed(path) if not part.isdigit()), "") in OUTPUTS


def _axis(name: str, parameter: Tensor, modules: Mapping[str, nn.Module]) -> int:
    """The axis of a parameter that counts its layer's outputs; linear layers of GPT-2 have weights (inputs, outputs)."""
    path, _, own = name.rpartition(".")
    return parameter.dim() - 1 if hasattr(modules[path], "nf") or own.startswith("bias_") else 0


def _number(attention: nn.Module, names: tuple[str, ...]) -> int | None:
    """What a module of attention, or its configuration, says of its heads."""
    found = (getattr(of, name, None) for of in (attention, getattr(attention, "config", None)) for name in names)
    return next((number for number in found if isinstance(number, int) and number > 0), None)


def _given_to(weight: Tensor, width: int, calls: list[Call]) -> Tensor | None:
    """What a weight, or what is made of it alone, is first multiplied with; before it, no other call of its module lies."""
    made = {id(weight): weight}
    for call in calls:
        if any(id(tensor) in made for tensor in call.tensors):
            for tensor in call.tensors:
                if not (id(tensor) in made or isinstance(tensor, nn.Parameter)) and tensor.shape[-1:] == (width,):
                    return tensor if tensor.requires_grad else None
            made |= {id(output): output for output in call.outputs}
    return None


def _reached(
    given_on: Float[Tensor, "... d"], parameters: dict[str, Tensor], attention: _Attention
) -> dict[str, Bool[Tensor, "heads _"]]:
    """Which heads the rows of parameters reach: those of which a random mixture of what they give on has a gradient there.

    A row of a bias that reaches none, as those of keys may, reaches what that of its layer's weight does.

    Args:
        given_on: what all heads give, with its graph.
        parameters: to be differentiated by.
        attention: whose heads they are.
    """
    mixture = random_direction(given_on.numel(), given_on.dtype, given_on.device).view(given_on.shape)
    own: dict[str, list[Tensor]] = {name: [] for name, parameter in parameters.items() if parameter.dim()}
    wanted = [parameters[name] for name in own]
    for at in attention.split.places if wanted else ():
        gradients = torch.autograd.grad((given_on * mixture)[..., at].sum(), wanted, retain_graph=True, allow_unused=True)
        for (name, rows), parameter, gradient in zip(own.items(), wanted, gradients, strict=True):
            by_row = torch.zeros_like(parameter) if gradient is None else gradient
            by_row = by_row.movedim(attention.inner[name], 0)
            rows.append(by_row.reshape(len(by_row), -1).ne(0).any(1).cpu())
    reached = {name: torch.stack(rows) for name, rows in own.items()}
    alike: dict[tuple[str, torch.Size], Tensor] = {}
    for name, rows in reached.items():
        of = name.rpartition(".")[0], rows.shape
        alike[of] = alike.get(of, rows) | rows
    return {name: torch.where(rows.any(0), rows, alike[name.rpartition(".")[0], rows.shape]) for name, rows in reached.items()}


def _split(reached: Bool[Tensor, "heads _"], attention: _Attention) -> list[Int[Tensor, " _"]] | None:
    """The rows of each head; None where they are not split by heads.

    Args:
        reached: which heads each row reaches; one that is off at these examples is reached by none.
        attention: whose heads they are.
    """
    number, keys, length = attention.number, attention.keys, reached.shape[1]
    if not reached.any():
        return None
    place, head = (torch.arange(count, device=reached.device) for count in (length, number))
    in_turn = [(keys, 2), *([(number, 3)] if keys == number else [])]  # queries, then keys, then values, or these two alone
    owners = [
        (heads, place % (length // turns) // (length // turns // heads))
        for heads, turns in [(number, 1), (keys, 1), *in_turn]
        if heads > 1 and not (length % (heads * turns) or number % heads)
    ]
    if bool(reached.sum(0).eq(1).all()):
        owners.append((number, reached.int().argmax(0)))  # in any order, where no row tells nothing
    for heads, owner in owners:
        if not (reached & (owner != (head * heads // number)[:, None])).any():
            return [(owner == each).nonzero()[:, 0].to(attention.split.places[0]) for each in range(heads)]
    return None


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


def split_by_heads(path: str, jacobian: LayerJacobian, heads: Heads) -> dict[str, LayerJacobian]:
    """Return a layer's Jacobian as one for each of its `head_names`; a whole one as it is.

    Args:
        path: of the layer.
        jacobian: its own.
        heads: of the model.
    """
    if path not in heads:
        return {path: jacobian}
    parts: dict[str, list[Part]] = {}
    for part in jacobian.parts:
        for name, each in _by_head(path, part, heads[path]):
            parts.setdefault(name, []).append(each)
    return {name: LayerJacobian(tuple(each)) for name, each in parts.items()}


def _by_head(path: str, part: Part, own: Mapping[str, Split]) -> Iterator[tuple[str, Part]]:
    """A part of a layer in parts of heads, each with the name it has."""
    by, linear = own.get(part.names[0]), isinstance(part, DensePart) and len(part.shape) == 2
    if isinstance(part, DensePart) and part.bias is not None:
        together = part.bias not in own if by is None else part.bias in own and linear and not by.of_inputs
        if not together:
            yield from _by_head(path, RowsPart(part.g.sum(1), part.bias, (part.g.shape[-1],)), own)
            part = replace(part, bias=None)
    if by is None:
        yield path, part
        return
    j = None if linear else part.explicit().unflatten(-1, by.shape)
    for head, at in enumerate(by.places):
        if j is not None:
            each = RowsPart(rows := j.index_select(2 + by.axis, at).flatten(2), part.names[0], (rows.shape[-1],))
        else:
            each = replace(part, a=part.a[..., at]) if by.of_inputs else replace(part, g=part.g[..., at])
        yield f"{path}.head{head}", each

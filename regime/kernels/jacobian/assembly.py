"""A layer's parts, from what each of its calls contributes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regime.kernels.jacobian.calls import contribution, lookup
from regime.kernels.jacobian.part import Part, wide
from regime.kernels.jacobian.parts import DensePart, EmbeddingPart, RowsPart, StackedPart, TiedPart
from regime.kernels.jacobian.recording import Entry, Use
from regime.kernels.jacobian.replay import Bias, Contribution, Lookup, UnfitError, Weight, again, pulled_back


def collected(entries: Sequence[Entry]) -> dict[int, list[Contribution]]:
    """Return what each shared tensor contributes, by its id, from the last made to the parameters.

    Args:
        entries: parameters and all that is made of them alone, in the order in which they were made. Marked as broken is what
            cannot be told apart by examples.
    """
    found: dict[int, list[Contribution]] = {id(entry): [] for entry in entries}
    made = made_by(entries)
    for entry in reversed(entries):
        entry.broken |= any(each.broken for use in entry.uses for each in made.get(id(use), ()))
        if entry.broken:
            continue
        try:
            for use in entry.uses:
                if use.gradients:
                    found[id(entry)].append(contribution(use, entry.tensor))
                for each in made.get(id(use), ()):
                    found[id(entry)] += _through(use, each, entry, found[id(each)])
        except UnfitError:
            entry.broken = True
    return found


def made_by(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """Return the shared tensors that each call made, by the call's id."""
    made: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.source is not None:
            made.setdefault(id(entry.source[0]), []).append(entry)
    return made


def _through(use: Use, made: Entry, source: Entry, contributions: list[Contribution]) -> list[Contribution]:
    """What came to a tensor made of parameters alone, as contributions of what it was made of."""
    if not contributions:
        return []
    if source.tensor.is_complex():  # two real ones
        raise UnfitError
    if _all(contributions, Weight) and _is_transpose(made.tensor, source.tensor):
        return [replace(each, transposed=not each.transposed) for each in contributions]
    row = _first_row(made.tensor, source.tensor)
    if row is not None and made.tensor.dim() == 2 and source.tensor.dim() == 3 and _all(contributions, Weight):
        return [replace(each, index=row) for each in contributions]
    whole = all(
        isinstance(each, Bias) or (isinstance(each, Weight) and each.index is None and not each.transposed)
        for each in contributions
    )
    if row is not None and made.tensor.dim() == source.tensor.dim() and whole:  # rows of its tensor are outputs of a layer
        around = (row, len(source.tensor) - row - len(made.tensor))
        return [replace(each, g=functional.pad(each.g, around)) for each in contributions]
    shape = tuple(made.tensor.shape)
    j = reduce(torch.add, (_explicit(each, shape) for each in contributions))
    j = j.reshape(*j.shape[:2], *shape)
    if use.site.function is functional.embedding and source.tensor is use.tensors[1]:
        ids = use.tensors[0].flatten().expand(len(j), -1)
        return [lookup(use, source.tensor, ids, j.reshape(*j.shape[:2], -1, j.shape[-1]).transpose(1, 2))]
    if row is not None and source.tensor.dim() == 2:
        taken = j.reshape(*j.shape[:2], -1, source.tensor.shape[1]).transpose(1, 2)
        ids = torch.arange(row, row + taken.shape[1], device=j.device)
        return [Lookup(ids.expand(len(j), -1), taken)]
    copy, result = again(use, source.tensor)
    results = result if isinstance(result, Tensor) else [each for each in result if each.requires_grad][made.source[1]]
    return [pulled_back(results, copy, j.flatten(0, 1)).unflatten(0, j.shape[:2])]


def _is_transpose(tensor: Tensor, source: Tensor) -> bool:
    turned = source.mT if source.dim() > 1 else source
    same = tensor.data_ptr() == source.data_ptr() and source.dim() > 1
    return same and tensor.shape == turned.shape and tensor.stride() == turned.stride()


def _first_row(tensor: Tensor, source: Tensor) -> int | None:
    """Where in the source a tensor lies that is one of its rows, or some that follow one another; None for any other."""
    less = source.dim() - tensor.dim()
    if less not in (0, 1) or tensor.shape[1 - less :] != source.shape[1:] or tensor.stride() != source.stride()[less:]:
        return None
    if not source.dim() or not source.stride(0):
        return None
    same = tensor.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
    return (tensor.storage_offset() - source.storage_offset()) // source.stride(0) if same else None


def _explicit(each: Contribution, shape: tuple[int, ...]) -> Float[Tensor, "n C P"]:
    if isinstance(each, Tensor):
        return each.reshape(*each.shape[:2], -1)
    return each.g.sum(1) if isinstance(each, Bias) else _part("", [each], shape).explicit()


def parts_of(contributions: dict[str, list[Contribution]], own: dict[str, nn.Parameter]) -> list[Part]:
    """The parts of a layer; a weight and a bias of the same calls are one."""
    parts: list[Part] = []
    left = dict(contributions)
    for name, each in contributions.items():
        if not _all(each, Weight):
            continue
        same = [b for b, other in left.items() if _all(other, Bias) and [x.use for x in other] == [x.use for x in each]]
        del left[name]
        part = _part(name, each, tuple(own[name].shape))
        if same and isinstance(part, DensePart):
            part = DensePart(part.a, part.g, name, left.pop(same[0]) and same[0], part.transposed, part.shape)
        parts.append(part)
    return parts + [_part(name, each, tuple(own[name].shape)) for name, each in left.items()]


def _all(contributions: list[Contribution], kind: type) -> bool:
    return bool(contributions) and all(isinstance(each, kind) for each in contributions)


def _part(name: str, contributions: list[Contribution], shape: tuple[int, ...]) -> Part:
    """One parameter's part: calls of one kind are more positions of one layer."""
    weights = [each for each in contributions if isinstance(each, Weight)]
    lookups = [each for each in contributions if isinstance(each, Lookup)]
    kinds = {(each.transposed, each.index is not None) for each in weights}
    if len(weights) + len(lookups) == len(contributions) and len(kinds) <= 1:
        table = lookups and EmbeddingPart(*_joined([(each.ids, each.g) for each in lookups]), name, shape[0])
        if not weights:
            return table
        (transposed, stacked), (a, g) = kinds.pop(), _joined([(each.a, each.g) for each in weights])
        if stacked:
            index = [torch.full(each.a.shape[:2], each.index, device=a.device) for each in weights]
            return StackedPart(a, g, torch.cat(index, dim=1), name, transposed, shape)
        dense = DensePart(a, g, name, None, transposed, shape)
        if not (table and transposed):
            return TiedPart(table, dense) if table else dense
    return RowsPart(wide(reduce(torch.add, (_explicit(each, shape) for each in contributions))), name, shape)


def _joined(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    (first, second), *more = pairs
    if more:
        first, second = (torch.cat(each, dim=1) for each in zip(*pairs, strict=True))
    return first if not first.is_floating_point() else wide(first), wide(second)

"""Networks that are watched, one a seed, as one snapshot."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.dynamics.snapshot import Moved, Restart, Snapshot
from regime.observe.observer import Observer
from regime.observe.sight import First, Sight


def snapshot(
    observers: Sequence[Observer],
    sights: Sequence[Sight],
    *,
    step: float,
    fraction: float,
    time: float,
    losses: dict[str, Float[Tensor, "S"]],
    linear: dict[str, Float[Tensor, "S P C"]] | None = None,
    floors: dict[str, Float[Tensor, "S"]] | None = None,
    undefined: dict[str, str] | None = None,
    view: dict[str, object] | None = None,
) -> Snapshot:
    """Networks of one architecture at one time, one a seed, as a snapshot.

    Args:
        linear: other linear predictions of the outputs, under the names of their gaps.
    """
    first, outputs = observers[0], torch.stack([sight.outputs for sight in sights])
    moved = any(sight.first is not observer.origin for observer, sight in zip(observers, sights, strict=True))
    pairs = [sight.moved for sight in sights]
    return Snapshot(
        step=step,
        fraction=fraction,
        time=time,
        losses=losses,
        outputs=outputs,
        linear={"taylor_gap": torch.stack([sight.expansion for sight in sights]), **(linear or {})},
        kernels=_stacked([sight.kernels for sight in sights]),
        representations=_stacked([sight.representations for sight in sights]),
        left_out=_left_out(sights),
        displacement=_stacked([sight.displacement for sight in sights]),
        magnitude=_stacked([sight.magnitude for sight in sights]),
        moved={block: Moved(*map(torch.stack, zip(*(pair[block] for pair in pairs), strict=True))) for block in pairs[0]},
        blocks=first.blocks,
        last_hidden=first.last_hidden,
        rounding=max(observer.rounding for observer in observers),
        size=torch.stack([_rounded(*pair) for pair in zip(observers, sights, strict=True)]),
        start=_started([sight.first for sight in sights]) if moved else None,
        restarts=sum(sight.restarts for sight in sights),
        unmoved=_total([observer.unmoved for observer in observers]) if moved or _has_numbers(first.model) else None,
        floors=floors or {},
        undefined=first.undefined | (undefined or {}),
        view=view or {},
    )


def _started(starts: list[First]) -> Restart:
    return Restart(
        torch.stack([start.outputs for start in starts]),
        _stacked([start.kernels for start in starts]),
        _stacked([start.representations for start in starts]),
        _left_out(starts),
    )


def _rounded(observer: Observer, sight: Sight) -> Float[Tensor, ""]:
    """Norm of the numbers that the outputs' rounding is a share of: their own, or of what they are differences of."""
    return sight.outputs.norm().clamp(min=observer.noise / observer.rounding)


def _total(seeds: Sequence[dict[str, Tensor]]) -> Float[Tensor, "S P P"]:
    return torch.stack([torch.stack([kernel.double() for kernel in kernels.values()]).sum(0) for kernels in seeds])


def _has_numbers(model: nn.Module) -> bool:
    """Whether there are buffers that training may move."""
    return any(buffer.is_floating_point() for buffer in model.buffers())


def _left_out(seeds: Sequence[First | Sight]) -> Float[Tensor, "S G P P"] | None:
    return None if seeds[0].left_out is None else torch.stack([seed.left_out for seed in seeds])


def _stacked(seeds: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([seed[name] for seed in seeds]) for name in seeds[0]}

"""What a run is measured against: its first snapshot, and what is needed of it again and again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.snapshot import Restart, Snapshot
from regime.measures.function import linear_gap, unexplained
from regime.measures.intervals import subsets
from regime.measures.kernel import StartKernel
from regime.measures.representation import StartFeatures

Layers = tuple[str, ...]
"""Names of layers that are taken together."""

ROUNDING = 8.0
"""Relative error of a kernel, a representation or an output, in units of rounding (measured: 1 to 4)."""

KEPT = 2**24
"""Bytes of kernels of the start that are kept ready; the others are prepared each time."""


class Along(NamedTuple):
    """What a point adds to a path: the twin's gap there, and what the forecast missed of it."""

    gap: Float[Tensor, "S"]
    drawn: Float[Tensor, "S B"]
    """The gap on random subsets of the probe points."""
    rounding: Float[Tensor, "S"]
    """How far rounding alone may move the gap."""
    missed: Float[Tensor, "S"]
    """sum over probe points ||f_t - f_lin,t||^2, against the twin."""
    around: Float[Tensor, "S"]
    """sum over probe points ||f_t - mean||^2."""


def sum_of(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum in double precision."""
    return torch.stack([part.double() for part in parts]).sum(0)


def sums_of(
    groups: Sequence[Layers], kernels: Mapping[str, Float[Tensor, "S P P"]], like: Float[Tensor, "S P P"]
) -> Float[Tensor, "K S P P"]:
    """Return each group's sum of its layers' kernels, in double precision.

    Args:
        groups: of layers.
        kernels: by layer; one without any has zero.
        like: a kernel of that shape.
    """
    nil = torch.zeros_like(like)
    return torch.stack([sum_of(kernels.get(layer, nil) for layer in group) for group in groups])


def total(snapshot: Snapshot) -> Float[Tensor, "S P P"]:
    """Theta on the probe points, all layers."""
    return sum_of(snapshot.kernels.values())


class Baseline:
    """What a run is measured against: its first snapshot, and what is needed of it again and again."""

    def __init__(self, start: Snapshot) -> None:
        self.start, self.kernel = start, total(start)
        points = start.outputs.shape[1]
        self.subsets: Float[Tensor, "B P"] = subsets(points).to(start.outputs.device)
        self.chosen: Float[Tensor, "1+B P"] = torch.cat([torch.ones_like(self.subsets[:1]), self.subsets])
        """All points, then the subsets."""
        self.features = {name: StartFeatures(rows, self.chosen) for name, rows in start.representations.items()}
        self.starts: dict[tuple[Layers, ...], StartKernel] = {}
        finite = self.kernel if bool(self.kernel.isfinite().all()) else torch.zeros_like(self.kernel)
        values, modes = torch.linalg.eigh(finite)
        values, self.modes = values.flip(-1).clamp(min=0), modes.flip(-1)
        self.bands = [slice(2**k - 1, min(2 ** (k + 1) - 1, points)) for k in range(points.bit_length())]
        self.bands = [band for band in self.bands if band.start < points]
        parts = torch.stack([values[..., band].sum(-1) for band in self.bands], -1)
        self.shares: Float[Tensor, "S K"] = parts / values.sum(-1, keepdim=True)
        """Share of each band of modes, 1, 2-3, 4-7, ..., in the kernel's trace."""

    def kernels_of(self, groups: Sequence[Layers]) -> StartKernel:
        """Return Theta_0 of each group of layers, ready to be compared; zero where no gradient reached them."""
        if (known := self.starts.get(tuple(groups))) is not None:
            return known
        start = StartKernel(sums_of(groups, self.start.kernels, self.kernel), self.chosen)
        if 4 * self.kernel.nbytes * sum(map(len, self.starts)) < KEPT:
            self.starts[tuple(groups)] = start
        return start

    def at(self, start: Restart | None) -> "Baseline":
        """The same with another start of the same points, where there is one."""
        return self if start is None else Baseline(replace(self.start, **start._asdict()))

    def along(self, outputs: Float[Tensor, "S P C"], linear: Float[Tensor, "S P C"], step: int) -> Along:
        """Return what one point of the path tells of the gap to the twin.

        Args:
            outputs: of the network.
            linear: of its twin.
            step: at which they are.
        """
        start = self.start.outputs
        gaps = linear_gap(outputs, linear, start, self.chosen)
        return Along(gaps[:, 0], gaps[:, 1:], self.rounding(outputs, self.start, step), *unexplained(outputs, linear, start))

    def rounding(self, outputs: Float[Tensor, "S P C"], near: Snapshot, step: int = 1) -> Float[Tensor, "S"]:
        """Return how far rounding alone may move a gap at these outputs.

        Every step rounds the parameters of network and twin, and errors add up as a random walk does.

        Args:
            outputs: of the network.
            near: a snapshot that says how large the numbers are that outputs are computed from.
            step: after how many steps of network and twin apart.
        """
        moved = (outputs.double() - self.start.outputs.double()).flatten(1).norm(dim=1)
        return ROUNDING * near.rounding * near.size.double() * max(1, step) ** 0.5 / moved

"""Units of a toy network of one or two inputs as small pictures: what its features are at the start and now."""

import torch
from jaxtyping import Float
from torch import Tensor

from regime.record.packing import evenly, pack
from regime.toy.network import Layer, Network

POINTS = {1: 61, 2: 12}
"""Points along each axis of a unit's picture, by input dimension."""
TRACKED, SHOWN = 40, 8
"""Units of the last hidden layer that are followed, and how many of them an event shows."""
PLANE = 64
"""Units of the first layer whose weights an event has."""
FAINT = 0.1
"""A unit that was fainter than this share of the layer's mean size changes relative to that: dead ones may wake up."""


class Units:
    """Units of one network, followed from its start.

    Pictures and weights are packed relative to their root mean square at the start, the `scale` beside them there.

    Args:
        network: the architecture.
        start: parameters at the start, of one seed.
        probe: points on which a unit's change is taken.
        grid: points of the pictures.
        extent: how far those reach from the origin.
    """

    def __init__(
        self, network: Network, start: list[Layer], probe: Float[Tensor, "P i"], grid: Float[Tensor, "g i"], extent: float
    ) -> None:
        self.network, self.probe, self.grid = network, probe, grid
        chosen = evenly(network.sizes[-2], TRACKED), evenly(network.sizes[1], PLANE)
        self.tracked, self.first = (units.to(grid.device) for units in chosen)
        self.born = self._active(start, probe)
        maps, weights = self._active(start, grid), self._weights(start)
        self.scale, self.weight_scale = _size(maps), _size(weights)
        self.start: dict[str, object] = {
            "units": {
                "layer": network.names[-2],
                "tracked": self.tracked.tolist(),
                "size": POINTS[grid.shape[1]],
                "extent": extent,
                "scale": self.scale,
                "maps": pack(maps / self.scale),
            },
            "weights": {"units": self.first.tolist(), "scale": self.weight_scale, "rows": pack(weights / self.weight_scale)},
        }
        """What is drawn once: maps of the units that are tracked; of the first layer input weights and bias, a row a unit."""

    def now(self, parameters: list[Layer]) -> dict[str, object]:
        """Return the units that moved the most, most first, with their change and maps, and the first layer's weights.

        A unit's change is ||a_t - a_0|| / ||a_0|| over the probe points, a its activation.
        """
        size = self.born.norm(dim=1)
        change = (self._active(parameters, self.probe) - self.born).norm(dim=1)
        change = (change / size.clamp(min=FAINT * size.square().mean().sqrt())).nan_to_num(0.0)
        most = change.argsort(descending=True, stable=True)[:SHOWN]
        maps = self._active(parameters, self.grid)[most]
        return {
            "units": {"most": self.tracked[most].tolist(), "change": pack(change[most]), "maps": pack(maps / self.scale)},
            "weights": pack(self._weights(parameters) / self.weight_scale),
        }

    def _active(self, parameters: list[Layer], x: Float[Tensor, "n i"]) -> Float[Tensor, "u n"]:
        """Activations of the units that are tracked."""
        return self.network.forward(parameters, x).inputs[-1][0, :, self.tracked].T

    def _weights(self, parameters: list[Layer]) -> Float[Tensor, "u j"]:
        """The first layer's weights as they act, m W, and m_b b behind them."""
        layer, scale = parameters[0], self.network.scales[0]
        weights = scale.weight * layer.weight[0, self.first]
        bias = torch.zeros_like(weights[:, :1]) if layer.bias is None else scale.bias * layer.bias[0, self.first, None]
        return torch.cat([weights, bias], 1)


def _size(values: Tensor) -> float:
    """Root mean square; 1 where all are 0."""
    return values.double().square().mean().sqrt().item() or 1.0

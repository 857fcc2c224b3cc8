"""The infinitely wide network beside the finite ones, where there is one."""

from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.twin import TwinPoints
from regime.kernels.infinite import infinite_ntk
from regime.toy.network import Network


def missing(config: ToyConfig) -> str | None:
    """Return why there is no infinite-width kernel, or None where there is one."""
    if config.parameterization not in ("ntk", "standard"):
        return "no kernel limit in this parameterization: features move at any width"
    if config.bottleneck is not None:
        return "no kernel limit with a bottleneck: one layer stays narrow"
    if config.by_parameter:
        name = "Adam" if config.optimizer == "adam" else "your own optimizer"
        return f"under {name} no fixed kernel describes the wide limit"
    return None


def points(config: ToyConfig, network: Network, x: Tensor, train: Tensor, rows: int) -> TwinPoints:
    """Return the infinitely wide network at x: its start, zero in the mean, and its kernel with the training points.

    In standard parameterization the function is taken to its limit, while its layers learn as fast as at this width: there is
    no other limit at a fixed step.

    Args:
        config: of the run.
        network: the finite one, for which layers learn and how they are scaled.
        x: points (M, i).
        train: training points (N, i).
        rows: copies of the limit, one for each step size.

    Raises:
        ValueError: the kernel is too large or too small for the dtype.
    """
    trained = set(network.trained)
    speeds = [
        (scale.weight**2 * scale.fan_in, scale.bias**2) if layer in trained else (0.0, 0.0)
        for layer, scale in enumerate(network.scales)
    ]
    kernel = infinite_ntk(
        x,
        None if x is train else train,
        depth=config.depth,
        activation=config.activation,
        weight_std=config.init_scale * config.weight_std,
        bias_std=config.init_scale * config.bias_std * config.bias,
        speeds=speeds,
    ).ntk
    return TwinPoints(kernel.new_zeros(rows, len(x), config.outputs), kernel.unsqueeze(0))

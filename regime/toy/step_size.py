"""The step size where the configuration leaves it open: from the tangent kernel at initialization."""

from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.losses import Loss
from regime.dynamics.optimizers import EPSILON, PerRow
from regime.errors import ConfigError
from regime.kernels.spectrum import top_eigenvalue
from regime.toy.network import Layer, Network, NetworkJacobian

STABLE = 0.25
"""Default learning_rate * lambda_max(Theta_0 / N), before momentum: small enough for small alpha, where the kernel grows."""
ADAM_STEP = 0.02
"""How far Adam's first step moves the outputs by default, relative to their distance from the targets."""


def descent_steps(config: ToyConfig, network: Network, kernel: Float[Tensor, "S NC NC"], loss: Loss) -> Float[Tensor, "S"]:
    """Return the learning rate of each seed at which gradient descent starts far from its edge of stability.

    learning_rate * n^-c * lambda_max(Theta_0 / N) * curvature = STABLE (1 - momentum).

    Args:
        config: for the momentum and the number of samples N.
        network: for the step's power of the width, n^-c.
        kernel: Theta_0 on the training points, all pairs of outputs.
        loss: for the largest eigenvalue of its second derivative, the curvature.

    Raises:
        ConfigError: the kernel is zero or not finite.
    """
    momentum = config.momentum if config.optimizer == "momentum" else 0.0
    top = network.step * top_eigenvalue(kernel) / config.samples
    return _positive(STABLE * (1 - momentum) / loss.curvature, top)


def adam_steps(
    network: Network,
    jacobian: NetworkJacobian,
    start: Float[Tensor, "S N C"],
    targets: Float[Tensor, "N C"],
    loss: Loss,
    alpha: PerRow,
) -> Float[Tensor, "S"]:
    """Return each seed's learning rate at which Adam's first step moves the outputs by ADAM_STEP of their way.

    The first step is learning_rate * g / (|g| + 1e-8), of the gradient g of the loss, and moves F by J_0 times as much. Along
    most parameters that is the sign; where g is zero but for rounding, as of the output's bias on balanced classes, it is not.

    Args:
        network: whose parameters are stepped.
        jacobian: J_0 at the training points.
        start: outputs F_0.
        targets: y.
        loss: whose gradient it is.
        alpha: output scale.

    Raises:
        ConfigError: the kernel is zero or not finite.
    """
    slopes = network.pullback(jacobian, loss.gradient(start, targets) * (alpha / len(targets)))
    scales = [network.scales[layer] for layer in network.trained]
    steps = [
        Layer(_first(g.weight) * scale.adam_weight, None if g.bias is None else _first(g.bias) * scale.adam_bias)
        for g, scale in zip(slopes, scales, strict=True)
    ]
    moved = network.product(jacobian, steps).sum(0).flatten(1).norm(dim=1)
    distance = (start - targets).flatten(1).norm(dim=1)
    return _positive(ADAM_STEP, moved / distance)


def _first(gradient: Tensor) -> Tensor:
    """Adam's first step, bias-corrected, of learning rate 1."""
    return gradient / (gradient.abs() + EPSILON)


def _positive(wanted: float, per_unit: Float[Tensor, "S"]) -> Float[Tensor, "S"]:
    steps = wanted / per_unit.double()
    if not ((per_unit > 0) & steps.isfinite()).all():
        raise ConfigError(
            "learning_rate = None is not allowed with these weights: the kernel at initialization is zero or not finite; "
            "allowed: a number, or another weight_std, bias_std, init_scale, width or depth"
        )
    return steps

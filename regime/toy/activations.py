"""Activations and their derivatives."""

from collections.abc import Callable
from math import pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Activation(NamedTuple):
    """phi, and a gradient times phi', from phi's own value where that is enough, else from its argument."""

    value: Callable[[Tensor], Tensor]
    descend: Callable[[Tensor, Tensor], Tensor]
    """(g, kept) -> g phi'; `kept` is phi(h), or h if `by_argument`."""
    by_argument: bool = False


def _relu(g: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(g, value, 0)


def _tanh(g: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.tanh_backward(g, value)


def _erf(g: Tensor, h: Tensor) -> Tensor:
    return g * (2 / sqrt(pi) * torch.exp(-h * h))


def _gelu(g: Tensor, h: Tensor) -> Tensor:
    return torch.ops.aten.gelu_backward(g, h)


ACTIVATIONS = {
    "relu": Activation(torch.relu, _relu),
    "tanh": Activation(torch.tanh, _tanh),
    "erf": Activation(torch.erf, _erf, by_argument=True),
    "gelu": Activation(functional.gelu, _gelu, by_argument=True),
    "linear": Activation(lambda h: h, lambda g, _: g),
}

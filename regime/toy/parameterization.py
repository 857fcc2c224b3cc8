"""Parameterizations: how a layer scales its weights, its biases, their initialization and their steps.

Every layer computes h = m W a + m_b b with entries of W drawn from N(0, s^2), of b from N(0, s_b^2), n the width, and gradient
descent steps by learning_rate n^-c. In powers of n (abc of Yang and Hu 2021, arXiv 2011.14522: m = n^-a, s = n^-b):

    ==========  ========================  ========================  =====================  ====
    name        first layer               hidden layers             readout                c
    ==========  ========================  ========================  =====================  ====
    ntk         a = 0,    b = 0           a = 1/2, b = 0            a = 1/2, b = 0         0
    standard    a = 0,    b = 0           a = 0,   b = 1/2          a = 0,   b = 1/2       0
    mup         a = -1/2, b = 1/2         a = 0,   b = 1/2          a = 1/2, b = 1/2       0
    mean-field  a = 0,    b = 0           (one hidden layer only)   a = 1,   b = 0         -1
    ==========  ========================  ========================  =====================  ====

Biases are weights from an input that is always 1, so the readout's must follow the readout: left alone it would set lambda_max.

    ==========  =======================  =======================
    name        hidden biases m_b, s_b   readout bias m_b, s_b
    ==========  =======================  =======================
    ntk         1, 1                     1, 1
    standard    1, 1                     1, 1
    mup         n^(1/2), n^(-1/2)        1, n^(-1/2)
    mean-field  1, 1                     n^(-1/2), 1
    ==========  =======================  =======================

The constants weight_std, bias_std and 1/sqrt(inputs) stand in the multipliers, in `standard` in the initialization, as in
torch. With a bottleneck n is each layer's own: its inputs for the readout, its outputs for the others; hidden muP layers take
m = sqrt(outputs/inputs), s = 1/sqrt(outputs) (the spectral condition of Yang, Simon and Bernstein 2023, arXiv 2310.17813).
init_scale multiplies every s.

The matrix that acts is m W. A step of size eta on W moves it by eta n^-c m^2 dL/d(mW): `Scale.weight_speed`, by which steps of
different parameterizations convert into each other.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal, get_args

from regime.errors import show

Name = Literal["ntk", "standard", "mup", "mean-field"]


@dataclass(frozen=True)
class Scale:
    """One layer: multipliers, standard deviations at initialization, and how the steps act."""

    layer: str
    fan_in: int
    weight: float
    bias: float
    weight_init: float
    bias_init: float
    step: float
    """n^-c: gradient descent steps by learning_rate times this."""
    adam_weight: float
    """Adam steps by learning_rate times this: 1, or in mup and mean-field what keeps every layer learning at any width."""
    adam_bias: float

    @property
    def weight_speed(self) -> float:
        """n^-c m^2: how far the matrix that acts moves for a unit step against its own gradient."""
        return self.step * self.weight**2

    @property
    def bias_speed(self) -> float:
        """n^-c m_b^2: how far the bias that acts moves for a unit step against its own gradient."""
        return self.step * self.bias**2

    @property
    def has_bias(self) -> bool:
        """Whether a bias can act or learn at all."""
        return self.bias > 0


def scales(
    name: Name, sizes: tuple[int, ...], *, weight_std: float, bias_std: float, bias: bool, init_scale: float
) -> list[Scale]:
    """Return the scale of every layer, from input to output.

    Args:
        name: of the parameterization.
        sizes: units of the inputs, of each hidden layer and of the outputs.
        weight_std: constant of every weight.
        bias_std: constant of every bias.
        bias: whether there are biases.
        init_scale: multiplies every standard deviation at initialization.

    Raises:
        ValueError: no such parameterization, or mean-field with other than one hidden layer.
    """
    if name not in get_args(Name):
        raise ValueError(f"parameterization = {show(name)} is not allowed; allowed: {', '.join(map(repr, get_args(Name)))}")
    last = len(sizes) - 2
    if name == "mean-field" and last != 1:
        raise ValueError(f"parameterization = 'mean-field' has one hidden layer, not {last}; allowed: depth = 1")
    result = []
    for index, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        readout = index == last
        m, s, m_bias, s_bias, step = _powers(name, fan_in, fan_out, readout)
        if name == "standard":
            s, s_bias = weight_std * s, bias_std * s_bias
        else:
            m, m_bias = weight_std * m, bias_std * m_bias
        rich = name in ("mup", "mean-field")
        result.append(
            Scale(
                layer="readout" if readout else f"hidden {index + 1}",
                fan_in=fan_in,
                weight=m,
                bias=m_bias if bias else 0.0,
                weight_init=init_scale * s,
                bias_init=init_scale * s_bias,
                step=step,
                # Adam's steps have one size, so m W should move by 1/fan_in, a bias by 1 (Yang et al. 2022, arXiv 2203.03466).
                adam_weight=1 / (fan_in * m) if rich else 1.0,
                adam_bias=1 / m_bias if rich and m_bias else 1.0,
            )
        )
    return result


def _powers(name: Name, fan_in: int, fan_out: int, readout: bool) -> tuple[float, float, float, float, float]:
    """m, s, m_b, s_b and the step's n^-c, before the constants."""
    n = fan_in if readout else fan_out
    match name:
        case "ntk":
            return 1 / sqrt(fan_in), 1.0, 1.0, 1.0, 1.0
        case "standard":
            return 1.0, 1 / sqrt(fan_in), 1.0, 1.0, 1.0
        case "mup" if readout:
            return 1 / sqrt(n), 1 / sqrt(n), 1.0, 1 / sqrt(n), 1.0
        case "mup":
            return sqrt(n / fan_in), 1 / sqrt(n), sqrt(n), 1 / sqrt(n), 1.0
        case "mean-field" if readout:
            return 1 / n, 1.0, 1 / sqrt(n), 1.0, float(n)
        case "mean-field":
            return 1 / sqrt(fan_in), 1.0, 1.0, 1.0, float(n)

"""One seed of a toy network as a plain module, and the optimizers of torch that a run has to agree with."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from regime import ToyConfig
from regime.toy.network import Layer, Network
from regime.toy.parameterization import Scale

FUNCTIONS = {"relu": functional.relu, "tanh": torch.tanh, "erf": torch.erf, "gelu": functional.gelu, "linear": lambda h: h}


class Plain(nn.Module):
    """h = m W a + m_b b, layer by layer; frozen layers are buffers."""

    def __init__(self, net: Network, activation: str, parameters: list[Layer], seed: int) -> None:
        super().__init__()
        self.scales, self.activation = net.scales, FUNCTIONS[activation]
        for k, layer in enumerate(parameters):
            for name, part in zip(("weight", "bias"), layer, strict=True):
                if part is not None and k in net.trained:
                    self.register_parameter(f"{name}{k}", nn.Parameter(part[seed].clone()))
                else:
                    self.register_buffer(f"{name}{k}", None if part is None else part[seed].clone())

    def layers(self, a: Tensor) -> list[Tensor]:
        """Every hidden representation, and the outputs."""
        outputs = []
        for k, scale in enumerate(self.scales):
            bias = getattr(self, f"bias{k}")
            h = scale.weight * a @ getattr(self, f"weight{k}").T
            h = h if bias is None else h + scale.bias * bias
            a = h if k == len(self.scales) - 1 else self.activation(h)
            outputs.append(a)
        return outputs

    def forward(self, a: Tensor) -> Tensor:
        return self.layers(a)[-1]


def loss(config: ToyConfig, outputs: Tensor, y: Tensor) -> Tensor:
    """The configuration's loss, by torch."""
    if config.loss == "mse":
        return (outputs - y).square().sum() / (2 * len(y))
    if y.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(outputs, (y + 1) / 2)
    return functional.cross_entropy(outputs, y.argmax(1))


class Optimizer:
    """torch.optim on named parameters, with the step sizes of a run: /alpha^2, for Adam /alpha; decay scaled to match."""

    def __init__(self, config: ToyConfig, rate: float, named: dict[str, Tensor], scales: tuple[Scale, ...]) -> None:
        self.shrink = 1 - rate * config.weight_decay if config.decoupled else 1.0
        self.parameters = list(named.values())
        decay = 0.0 if config.decoupled else config.alpha**2 * config.weight_decay
        if config.optimizer == "adam":
            groups = [{"params": [p], "lr": rate / config.alpha * _factor(name, scales)} for name, p in named.items()]
            self.torch = torch.optim.Adam(groups, weight_decay=decay)
        else:
            momentum = config.momentum if config.optimizer == "momentum" else 0.0
            size = rate / config.alpha**2
            self.torch = torch.optim.SGD(self.parameters, lr=size, momentum=momentum, weight_decay=decay)

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> None:
        for p, g in zip(self.parameters, gradients, strict=True):
            p.grad = g.clone()
            p.mul_(self.shrink)
        self.torch.step()


def _factor(name: str, scales: tuple[Scale, ...]) -> float:
    scale = scales[int(name[-1])]
    return scale.adam_weight if name.startswith("weight") else scale.adam_bias


def call(plain: Plain, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    return torch.func.functional_call(plain, parameters, (x,))


def linearized(plain: Plain, start: dict[str, Tensor], theta: dict[str, Tensor], x: Tensor) -> Tensor:
    """f(theta_0) + J_0 (theta - theta_0)."""
    moved = {name: theta[name] - start[name] for name in start}
    f0, along = torch.func.jvp(partial(call, plain, x), (start,), (moved,))
    return f0 + along

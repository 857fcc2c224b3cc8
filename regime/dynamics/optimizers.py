"""The steps of gradient descent, momentum, Adam, and optimizers of one's own, for many networks at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.config.own import blamed, check, find, is_own
from regime.errors import ConfigError, show

PerRow = float | Float[Tensor, "S 1 1"]
"""One number for all S networks, or one for each."""

Parameters = Sequence[Tensor | None]
"""A layer's weight, and its bias or none."""

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Descent:
    """What one step does to parameters p with gradient g of the loss, at output scale alpha.

    Gradient descent, and momentum:  v <- momentum v + g,  p <- p - learning_rate / alpha**2 v
    Adam (Kingma and Ba 2015):       p <- p - learning_rate / alpha m / (sqrt(v) + 1e-8), bias-corrected moments of g
    An optimizer of one's own:       as Adam where it is `scale_free`, else as gradient descent, with its step for v

    so that F moves by -learning_rate Theta dL/dF whatever alpha is (Chizat et al. 2019, arXiv 1812.07956). Weight decay coupled
    adds alpha**2 weight_decay p to g; decoupled it shrinks p by learning_rate * weight_decay beside the step. Without momentum
    the two are one.
    """

    learning_rate: PerRow
    momentum: float = 0.0
    weight_decay: float = 0.0
    decoupled: bool = False
    adam: bool = False
    own: str | None = None
    """Import path of an optimizer of one's own."""

    @classmethod
    def of(cls, config: ToyConfig, learning_rate: PerRow) -> "Descent":
        """Return the step of a configuration's optimizer."""
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        own = config.optimizer if is_own(config.optimizer) else None
        return cls(learning_rate, momentum, config.weight_decay, config.decoupled, config.optimizer == "adam", own)

    @property
    def by_parameter(self) -> bool:
        """Whether a step is no multiple of the gradient: each parameter has a state of its own."""
        return self.adam or self.own is not None

    def stepper(
        self, parameters: Sequence[Parameters], factors: Sequence[tuple[float, float]], alpha: PerRow
    ) -> "Adam | OwnSteps":
        """Return what takes the steps of a `by_parameter` optimizer.

        Args:
            parameters: of each trained layer, for their shapes.
            factors: by what the steps of a scale-free optimizer are multiplied, for a layer's weight and its bias.
            alpha: output scale.
        """
        return (OwnSteps if self.own else Adam)(parameters, factors, self, alpha)

    @property
    def shrink(self) -> PerRow:
        """What a step leaves of a parameter without gradient, where decay acts beside momentum and Adam's scaling."""
        beside = self.weight_decay and (self.decoupled or not (self.momentum or self.by_parameter))
        return 1 - self.learning_rate * self.weight_decay if beside else 1.0

    @property
    def coupled(self) -> float:
        """Weight decay that goes through momentum or Adam's scaling."""
        return 0.0 if self.decoupled or not (self.momentum or self.by_parameter) else self.weight_decay


class Adam:
    """Adam's moments for layers of parameters, and its step."""

    def __init__(
        self, parameters: Sequence[Parameters], factors: Sequence[tuple[float, float]], descent: Descent, alpha: PerRow
    ):
        self.descent, self.alpha, self.factors = descent, alpha, factors
        self.moments = [[(torch.zeros_like(p), torch.zeros_like(p)) for p in tensors(layer)] for layer in parameters]
        self.count = 0

    def state(self) -> list[Tensor]:
        """Return every tensor that steps change, in a fixed order."""
        return [part for layer in self.moments for pair in layer for part in pair]

    def step(self, parameters: Sequence[Parameters], gradients: Sequence[Parameters]) -> None:
        """Change `parameters` in place; `gradients` may be overwritten."""
        self.count += 1
        first, second = (1 - beta**self.count for beta in BETAS)
        size = self.descent.learning_rate / self.alpha / first
        for layer, slopes, moments, factors in zip(parameters, gradients, self.moments, self.factors, strict=True):
            for p, g, (m, v), factor in zip(tensors(layer), tensors(slopes), moments, factors, strict=False):
                if self.descent.coupled:
                    g.add_(p * rowwise(self.alpha**2 * self.descent.coupled, p))
                shrink(p, self.descent.shrink)
                m.lerp_(g, 1 - BETAS[0])
                v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
                p.addcdiv_(m * rowwise(-size * factor, p), (v / second).sqrt_().add_(EPSILON))


class OwnOptimizer(Protocol):
    """An optimizer of one's own for toys: `ToyConfig(optimizer=MyOptimizer, learning_rate=...)` takes the class.

    It steps S networks at once, and anew their linearized twins, so it has to treat each index of the first dimension alike.
    """

    scale_free: bool
    """Whether steps stay the same where all gradients are multiplied by a number, as Adam's do: learning_rate then scales with
    width and alpha as Adam's does, else as gradient descent's."""

    def __init__(self, parameters: list[Tensor]) -> None:
        """Begin at parameters (S, ...): copies of them, since `step` says what they lose."""

    def state(self) -> list[Tensor]:
        """Return all that steps change, as tensors in a fixed order: a run that was held writes into them to go on."""

    def step(self, gradients: list[Tensor]) -> list[Tensor]:
        """Return what `learning_rate` is multiplied by, and parameters then lose, for gradients of the loss (S, ...)."""


class OwnSteps:
    """An optimizer of one's own on layers of parameters, with the interface of `Adam`."""

    def __init__(
        self, parameters: Sequence[Parameters], factors: Sequence[tuple[float, float]], descent: Descent, alpha: PerRow
    ) -> None:
        self.descent, self.alpha, self.factors = descent, alpha, factors
        with blamed("optimizer", descent.own):
            self.optimizer: OwnOptimizer = own_optimizer(descent.own)(
                [p.clone() for layer in parameters for p in tensors(layer)]
            )
        pairs = zip(self.state(), self.state(), strict=True)  # what is no state is refused here, not where a run is held
        if any(one.data_ptr() != again.data_ptr() for one, again in pairs):
            raise ConfigError(
                f"optimizer = {descent.own!r} is not allowed: its state() returns copies; allowed: the tensors that it holds"
            )

    def state(self) -> list[Tensor]:
        """Return every tensor that steps change, in a fixed order; raises ConfigError where one's own gives something else."""
        with blamed("optimizer", self.descent.own):
            state = list(self.optimizer.state())
        if not all(isinstance(part, Tensor) for part in state):
            raise ConfigError(f"optimizer = {self.descent.own!r} is not allowed: its state is not a list of tensors")
        return state

    def step(self, parameters: Sequence[Parameters], gradients: Sequence[Parameters]) -> None:
        """Change `parameters` in place; `gradients` may be overwritten."""
        descent, free = self.descent, self.optimizer.scale_free
        pairs = [pair for layer, slopes in zip(parameters, gradients, strict=True) for pair in _paired(layer, slopes)]
        if descent.coupled:
            for p, g in pairs:
                g.add_(p * rowwise(self.alpha**2 * descent.coupled, p))
        with blamed("optimizer", descent.own):
            steps = list(self.optimizer.step([g for _, g in pairs]))
        if [getattr(step, "shape", None) for step in steps] != [p.shape for p, _ in pairs]:
            raise ConfigError(f"optimizer = {descent.own!r} is not allowed: its steps are not one for each parameter, as large")
        factors = [factor for layer, pair in zip(parameters, self.factors, strict=True) for _, factor in _paired(layer, pair)]
        size = descent.learning_rate / (self.alpha if free else self.alpha**2)
        with blamed("optimizer", descent.own):  # of steps that are no real numbers
            for (p, _), step, factor in zip(pairs, steps, factors, strict=True):
                shrink(p, descent.shrink)
                p.sub_(step * rowwise(size * (factor if free else 1.0), p))


def own_optimizer(path: str) -> Callable[[list[Tensor]], OwnOptimizer]:
    """Import an optimizer of one's own; raises ConfigError where it has not what an OwnOptimizer has."""
    optimizer = find("optimizer", path, made=False)
    check("optimizer", path, optimizer, "scale_free", "state", "step")
    allowed = {"scale_free": "True or False", "state": "a method", "step": "a method"}
    for name, what in allowed.items():
        value = getattr(optimizer, name)
        if not (isinstance(value, bool) if name == "scale_free" else callable(value)):
            raise ConfigError(f"optimizer = {show(path)} is not allowed: its {name} is {show(value)}; allowed: {what}")
    return optimizer


def check_state(path: str) -> None:
    """Refuse an optimizer of one's own whose state is not all that its steps depend on: a run taken up from it would differ.

    One that never stepped is given the state of one that did, and has to step as that one does.

    Raises:
        ConfigError: it does not, or cannot be given that state.
    """
    slopes = [torch.linspace(-1, 2, size, dtype=torch.float32, device="cpu").view(1, 3, -1).squeeze(-1) for size in (6, 3)]
    with blamed("optimizer", path):
        one, other = (own_optimizer(path)([torch.ones_like(slope) for slope in slopes]) for _ in range(2))
        one.step([slope.clone() for slope in slopes])
        state, places = list(one.state()), list(other.state())
        if same := [part.shape for part in state] == [place.shape for place in places]:
            for place, part in zip(places, state, strict=True):
                place.copy_(part)
            steps = [optimizer.step([slope.square() for slope in slopes]) for optimizer in (one, other)]
            same = all(torch.allclose(*pair, rtol=0, atol=0, equal_nan=True) for pair in zip(*steps, strict=True))
    if not same:
        raise ConfigError(
            f"optimizer = {path!r} is not allowed in a run that is saved: its steps depend on more than its state(), such as a "
            "count that is no tensor, or one made at the first step; allowed: all of it as tensors, there from the start"
        )


def rowwise(value: PerRow, like: Tensor) -> PerRow | Tensor:
    """Return `value` in a shape that multiplies tensors of as many dimensions as `like`, seeds first."""
    return value.view(-1, *(1,) * (like.dim() - 1)) if isinstance(value, Tensor) else value


def shrink(parameter: Tensor, kept: PerRow) -> None:
    """Multiply a parameter by what decay leaves of it."""
    if isinstance(kept, Tensor) or kept != 1:
        parameter.mul_(rowwise(kept, parameter))


def tensors(layer: Parameters) -> list[Tensor]:
    """Return a layer's parameters, without the bias that it may lack."""
    return [part for part in layer if part is not None]


def _paired(layer: Parameters, others: Sequence) -> list[tuple]:
    """A layer's parameters with what belongs to each."""
    return [(p, other) for p, other in zip(layer, others, strict=True) if p is not None]

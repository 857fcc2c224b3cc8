"""The experiment of a toy run: networks being trained, and beside them their linearized twin and infinite-width limit."""

import time
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.snapshot import Pause
from regime.dynamics.twin import Twin, TwinPoints, TwinState
from regime.toy import limit
from regime.toy.network import first_network
from regime.toy.start import ToyStart
from regime.toy.training import Training
from regime.toy.twin import SteppedTwin

LEFT_OUT = "not asked for"


class Followed(NamedTuple):
    """By the name of some points: where they are, f_0 there, and what twins need there."""

    x: dict[str, Tensor]
    offsets: dict[str, Tensor]
    points: dict[str, TwinPoints]
    limit_points: dict[str, TwinPoints]
    no_limit: str | None
    """Why the infinitely wide network is not followed."""


def _follow(run: ToyStart, learners: bool) -> Generator[Pause, None, Followed]:
    data, config = run.data, run.config
    x = {"train": data.train.x, "test": data.test.x, "probe": data.probe.x}
    if run.pictured:
        x["grid"] = run.grid()
    offsets, points, limits = {}, {}, {}
    for name, where in x.items():
        offsets[name], points[name] = _linearize(run, name, where)
        yield Pause(0, 0.0)
    no_limit = limit.missing(config) if learners else LEFT_OUT
    copies = 1 if isinstance(run.descent.learning_rate, float) else len(run.jacobian.outputs)
    try:
        for name, where in x.items() if no_limit is None else ():
            limits[name] = limit.points(config, run.network, where, data.train.x, copies)
            yield Pause(0, 0.0)
    except ValueError:
        no_limit = "the infinite-width kernel is too large or too small here"
    return Followed(x, offsets, points, limits, no_limit)


def _linearize(run: ToyStart, name: str, x: Tensor) -> tuple[Tensor, TwinPoints]:
    """f_0 at the named points, and what the twin needs there; the grid is that of the first seed."""
    network, alone = run.network, name == "grid"
    parameters = first_network(run.initial) if alone else run.initial
    train = run.jacobian.rows(slice(1)) if alone else run.jacobian
    jacobian = train if name == "train" else network.jacobian(parameters, x)
    start = run.scaled(jacobian.outputs, jacobian.outputs)
    if run.kernel is None:
        return jacobian.outputs, TwinPoints(start, None, jacobian=jacobian)
    rows = run.kernel if name == "train" else network.full_kernel(jacobian, train)
    trained = [parameters[layer] for layer in network.trained]
    along = run.times_alpha(network.product(jacobian, trained).sum(0)) if run.config.weight_decay else None
    return jacobian.outputs, TwinPoints(start, rows, along)


class Experiment:
    """A training, its twin, and the points that both are followed at.

    The twin's whole path may be foreseen first; otherwise the twin takes each step beside the network.
    """

    def __init__(self, run: ToyStart, followed: Followed) -> None:
        self.run, self.step = run, 0
        self.loss = torch.zeros_like(run.jacobian.outputs[:, 0, 0])
        """(S,) before the last step, on its batch."""
        self.stepped = False
        """Whether a step was taken, and nobody has yet looked what came of it."""
        self.seconds = 0.0
        """Spent in the network's own steps; of a GPU, in asking for them."""
        config, data = run.config, run.data
        self.training = Training.start(
            run.network,
            run.initial,
            *data.train,
            alpha=run.alpha,
            centered=config.centered,
            loss=run.loss,
            descent=run.descent,
        )
        self.order = torch.Generator().manual_seed(config.data_seed)
        self.x, self.offsets, self.points = followed.x, followed.offsets, followed.points
        self.probe_jacobian = run.network.jacobian(run.initial, data.probe.x)
        self.no_limit, self.limit_points = followed.no_limit, followed.limit_points
        self.twin, self.limit = self._twins()
        self.forecast: list[TwinState] = []
        self.limit_forecast: list[TwinState] = []

    @classmethod
    def begun(cls, run: ToyStart, *, learners: bool = True) -> Generator[Pause, None, Self]:
        """Return an experiment at its start, with pauses between its pieces; `learners` has the infinite width followed."""
        yield Pause(0, 0.0)
        followed = yield from _follow(run, learners)
        return cls(run, followed)

    @property
    def pause(self) -> Pause:
        """Where the run is."""
        return Pause(self.step, self.fraction)

    def _twins(self) -> tuple[Twin | SteppedTwin, Twin | None]:
        """The twin, and the infinite-width limit where there is one, at their start."""
        run, train = self.run, self.points["train"]
        y, alpha = run.data.train.y, run.alpha
        if run.config.by_parameter:
            return SteppedTwin(run.network, run.initial, train, y, alpha=alpha, loss=run.loss, descent=run.descent), None
        limit = None if self.no_limit else Twin(self.limit_points["train"], y, run.loss, run.descent)
        return Twin(train, y, run.loss, run.descent), limit

    def _path(self, steps: int) -> Iterator[int]:
        """Train twins in function space from their start, and yield each step where they stand there, up to the last."""
        self.twin, self.limit = self._twins()
        order = torch.Generator().manual_seed(self.run.config.data_seed)
        for step in range(steps + 1):
            if step:
                self._step_twins(self._batch(order))
            yield step

    def foresee(self) -> Iterator[Pause]:
        """Train the twin, and the infinite-width limit, to the end, and keep where they stood at each measurement.

        A twin in parameter space costs as much as the network, and is trained beside it instead.
        """
        config = self.run.config
        if config.by_parameter:
            return
        for step in self._path(config.steps):
            if step == config.steps or step % config.measure_every == 0:
                self.forecast.append(self.twin.state)
                if self.limit is not None:
                    self.limit_forecast.append(self.limit.state)
            yield Pause(0, 0.0)

    def recall_twins(self) -> Iterator[Pause]:
        """Put foreseen twins to where they stood at this step; where a run diverged between measurements, none is kept."""
        config = self.run.config
        if self.forecast and self.step % config.measure_every and self.step < config.steps:
            yield from (self.pause for _ in self._path(self.step))
        elif self.forecast:
            measured = -(-self.step // config.measure_every)  # the last step may come before a whole interval is over
            self.twin.state = self.forecast[measured]
            if self.limit is not None:
                self.limit.state = self.limit_forecast[measured]

    def _step_twins(self, batch: Tensor | None) -> None:
        for twin in (self.twin, self.limit):
            if twin is not None:
                twin.step(batch)

    def _batch(self, order: torch.Generator) -> Tensor | None:
        config = self.run.config
        if config.batch == config.samples:
            return None
        return torch.randperm(config.samples, generator=order, device="cpu")[: config.batch].to(self.run.device)

    def advance(self) -> Float[Tensor, "S"]:
        """Take one step of the network, and of twins that are not foreseen; return the loss (S,) before it, on the batch."""
        batch = self._batch(self.order)
        if not self.forecast:
            self._step_twins(batch)
        self.step += 1
        began = time.perf_counter()
        self.loss, self.stepped = self.training.step(batch), True
        self.seconds += time.perf_counter() - began
        return self.loss

    @torch.no_grad()
    def train_loss(self) -> Float[Tensor, "S"]:
        """Return the network's loss on all training points."""
        outputs = self.run.network.forward(self.training.parameters, self.x["train"]).outputs
        return self.run.loss.value(self.run.scaled(outputs, self.offsets["train"]), self.run.data.train.y)

    def _tensors(self) -> list[Tensor]:
        """Every tensor that steps change, in a fixed order; a twin in function space has none, as its path is foreseen."""
        return [self.loss, *self.training.state(), *(self.twin.state() if isinstance(self.twin, SteppedTwin) else [])]

    def state(self) -> dict[str, Any]:
        """Return a copy of everything that steps change: numbers and tensors."""
        tensors = [part.clone() for part in self._tensors()]
        return {"step": self.step, "stepped": self.stepped, "order": self.order.get_state(), "tensors": tensors}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; raises ValueError where it is not one of this run."""
        if _form(state) != _form(self.state()) or not 0 <= state["step"] <= self.run.config.steps:
            raise ValueError("state: its numbers are not those of a run of this configuration; allowed: what `state` gave")
        self.step, self.stepped = state["step"], state["stepped"]
        self.order.set_state(state["order"])
        for part, saved in zip(self._tensors(), state["tensors"], strict=True):
            part.copy_(saved)
        if self.run.config.optimizer == "adam":
            self.training.stepper.count = self.twin.stepper.count = self.step

    @property
    def fraction(self) -> float:
        """How much of the run is done."""
        return self.step / self.run.steps if self.run.steps else 1.0


def _form(value: Any) -> object:
    """What is the same of all states of one run: names, kinds, shapes."""
    if isinstance(value, dict):
        return {name: _form(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_form(part) for part in value]
    return (value.shape, value.dtype) if isinstance(value, Tensor) else type(value)

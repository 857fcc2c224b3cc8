"""The experiment of a toy run: a training, its twins, and snapshots of both."""

import time
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.losses import error
from regime.dynamics.optimizers import tensors
from regime.dynamics.snapshot import TWIN_GAP, GapSnapshot, Moved, Pause, Snapshot, Targets
from regime.dynamics.twin import State, Twin, TwinPoints
from regime.kernels.closed_form import interpolation_weights
from regime.kernels.spectrum import lanczos_top, top_eigenvalue
from regime.record.packing import pack
from regime.toy import limit
from regime.toy.cost import PRODUCTS
from regime.toy.network import Layer, NetworkJacobian
from regime.toy.start import ToyStart
from regime.toy.training import Training
from regime.toy.twin import AdamTwin, difference

AT_THE_END = "taken when the run ends"
LEFT_OUT = "not asked for"
FROZEN = "this layer is not trained"


class Experiment:
    """A training, its twin and their points: steps both, and takes snapshots.

    The twin's whole path may be foreseen first; otherwise it takes each step beside the network.
    """

    def __init__(self, run: ToyStart, *, learners: bool = True) -> None:
        self.run, self.step = run, 0
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
        self.x = {"train": data.train.x, "test": data.test.x, "probe": data.probe.x}
        if run.pictured:
            self.x["grid"] = run.grid()
        self.first = [Layer(*(None if p is None else p[:1] for p in layer)) for layer in run.initial]
        self.offsets, self.points = {}, {}
        for name in self.x:
            self.offsets[name], self.points[name] = self._linearize(name)
        self.probe_tape = run.network.jacobian(run.initial, data.probe.x)
        self.twin = self._twin()
        self.forecast: list[State] = []
        self.no_limit = limit.missing(config) if learners else LEFT_OUT
        self.limit, self.limit_points = None, {}
        copies = 1 if isinstance(run.descent.learning_rate, float) else len(run.jacobian.outputs)
        if self.no_limit is None:
            try:
                self.limit_points = {
                    name: limit.points(config, run.network, x, data.train.x, copies) for name, x in self.x.items()
                }
                self.limit = Twin(self.limit_points["train"], data.train.y, run.loss, run.descent)
            except ValueError:
                self.no_limit = "the infinite-width kernel overflows here"
        self.limit_forecast: list[State] = []

    def _linearize(self, name: str) -> tuple[Tensor, TwinPoints]:
        """f_0 at the named points, and what the twin needs there; the grid is that of the first seed."""
        run, network = self.run, self.run.network
        alone = name == "grid"
        parameters = self.first if alone else run.initial
        train = _first_seed(run.jacobian) if alone else run.jacobian
        jacobian = train if name == "train" else network.jacobian(parameters, self.x[name])
        start = run.scaled(jacobian.outputs, jacobian.outputs)
        if run.kernel is None:
            return jacobian.outputs, TwinPoints(start, None, jacobian=jacobian)
        rows = run.kernel if name == "train" else network.full_kernel(jacobian, train)
        trained = [parameters[layer] for layer in network.trained]
        along = run.times_alpha(network.product(jacobian, trained).sum(0)) if run.config.weight_decay else None
        return jacobian.outputs, TwinPoints(start, rows, along)

    def _twin(self) -> Twin | AdamTwin:
        run, train = self.run, self.points["train"]
        y, alpha = run.data.train.y, run.alpha
        if run.config.optimizer == "adam":
            return AdamTwin(run.network, run.initial, train, y, alpha=alpha, loss=run.loss, descent=run.descent)
        return Twin(train, y, run.loss, run.descent)

    def foresee(self) -> Iterator[Pause]:
        """Train the twin, and the infinite-width limit, to the end, and keep where they stood at each measurement.

        Adam's twin costs as much as the network, and is trained beside it instead.
        """
        config = self.run.config
        if isinstance(self.twin, AdamTwin):
            return
        order = torch.Generator().manual_seed(config.data_seed)
        for step in range(config.steps + 1):
            if step == config.steps or step % config.measure_every == 0:
                self.forecast.append(self.twin.state)
                if self.limit is not None:
                    self.limit_forecast.append(self.limit.state)
            yield Pause(0, 0.0)
            self._step_twins(self._batch(order))

    def _step_twins(self, batch: Tensor | None) -> None:
        for twin in (self.twin, self.limit):
            if twin is not None:
                twin.step(batch)

    def _batch(self, order: torch.Generator) -> Tensor | None:
        config = self.run.config
        if config.batch == config.samples:
            return None
        return torch.randperm(config.samples, generator=order)[: config.batch].to(self.run.device)

    def advance(self) -> Float[Tensor, "S"]:
        """One step of the network, and of twins not foreseen; returns the loss before it, on the batch."""
        batch = self._batch(self.order)
        if not self.forecast:
            self._step_twins(batch)
        self.step += 1
        began = time.perf_counter()
        loss = self.training.step(batch)
        self.seconds += time.perf_counter() - began
        return loss

    @torch.no_grad()
    def train_loss(self) -> Float[Tensor, "S"]:
        """The network's, on all training points."""
        outputs = self.run.network.forward(self.training.parameters, self.x["train"]).outputs
        return self.run.loss.value(self.run.scaled(outputs, self.offsets["train"]), self.run.data.train.y)

    def state(self) -> dict[str, Any]:
        twin = self.twin.state_tensors() if isinstance(self.twin, AdamTwin) else []
        parts = [*self.training.state(), *twin]
        return {"step": self.step, "order": self.order.get_state(), "tensors": [part.clone() for part in parts]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; raises ValueError where it is not one of this run."""
        if _form(state) != _form(self.state()) or not 0 <= state["step"] <= self.run.config.steps:
            raise ValueError("state: its numbers are not those of a run of this configuration; allowed: what `state` gave")
        self.step = state["step"]
        self.order.set_state(state["order"])
        own = len(self.training.state())
        self.training.restore(state["tensors"][:own], self.step)
        if isinstance(self.twin, AdamTwin):
            self.twin.restore(state["tensors"][own:], self.step)

    @torch.no_grad()
    def record_gap(self) -> GapSnapshot:
        """What is cheap of the run now; its twins take their steps beside it."""
        run = self.run
        outputs = run.network.forward(self.training.parameters, self.x["probe"]).outputs
        scaled = run.scaled(outputs, self.offsets["probe"])
        return GapSnapshot(self.step, self.fraction, scaled, self.twin.outputs(self.points["probe"]))

    @property
    def fraction(self) -> float:
        """How much of the run is done."""
        return self.step / self.run.steps if self.run.steps else 1.0

    @torch.no_grad()
    def snapshot(self, *, ended: bool | None = None) -> Snapshot:
        """The run now; `ended`: whether to compare with kernel regression, by default after the last step."""
        run, network, config = self.run, self.run.network, self.run.config
        ended = self.step == config.steps if ended is None else ended
        if self.forecast:
            measured = -(-self.step // config.measure_every)  # the last one may be off the beat
            self.twin.state = self.forecast[measured]
            if self.limit is not None:
                self.limit.state = self.limit_forecast[measured]
        parameters, names = self.training.parameters, network.names
        train, probe = (network.jacobian(parameters, self.x[name]) for name in ("train", "probe"))
        test = network.forward(parameters, self.x["test"]).outputs
        outputs = {"train": train.outputs, "test": test, "probe": probe.outputs}
        scaled = {name: run.scaled(values, self.offsets[name]) for name, values in outputs.items()}
        losses, undefined = self._losses(scaled, train, ended)
        moved, taylor = self._taylor(parameters)
        kernel = sum(network.kernels(train, train).values())
        stability, unstable = self._stability(train, kernel)
        pairs = list(zip(names, parameters, run.initial, strict=True))
        bare = run.bare(probe)
        return replace(
            bare,
            step=self.step,
            fraction=self.fraction,
            time=self.step * run.learning_rate,
            losses=losses,
            outputs=scaled["probe"],
            linear={TWIN_GAP: self.twin.outputs(self.points["probe"]), "taylor_gap": taylor},
            displacement={name: _squared(difference(now, start)) for name, now, start in pairs},
            magnitude={name: _squared(start) for name, _, start in pairs},
            moved=moved,
            train=Targets(kernel, train.hidden[-1], run.data.train.y),
            scalars={"stability": stability},
            undefined=bare.undefined | undefined | unstable | self._frozen(),
            view=self._view(),
        )

    def _frozen(self) -> dict[str, str]:
        kernels = ("kernel_change", "kernel_distance", "kernel_distance_centered", "kernel_share", "taylor_gap")
        frozen = self.run.network.names[: self.run.network.first_trained]
        return {f"{name}/{measure}": FROZEN for name in frozen for measure in kernels}

    def _losses(
        self, scaled: dict[str, Tensor], train: NetworkJacobian, ended: bool
    ) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Losses and errors of the network, the twin, the infinite width, and kernel regression with Theta_0 and Theta_t."""
        run, seeds = self.run, len(train.outputs)
        learners = {"": scaled, "twin_": {name: self.twin.outputs(self.points[name]) for name in ("train", "test")}}
        undefined = {}
        if self.limit is not None:
            learners["infinite_"] = {name: self.limit.outputs(self.limit_points[name]) for name in ("train", "test")}
        if ended:
            learners["kernel_start_"] = self._regression(run.jacobian, run.initial)
            learners["kernel_now_"] = self._regression(train, self.training.parameters)
        losses = {}
        for prefix in ("", "twin_", "infinite_", "kernel_start_", "kernel_now_"):
            for name in ("train", "test"):
                y = getattr(run.data, name).y
                if prefix in learners:
                    values = learners[prefix][name]
                    losses[f"{prefix}{name}_loss"] = run.loss.value(values, y).expand(seeds)
                    losses[f"{prefix}{name}_error"] = error(values, y, run.config.classes).expand(seeds)
                else:
                    for kind in ("loss", "error"):
                        losses[f"{prefix}{name}_{kind}"] = y.new_full((seeds,), torch.nan)
                        undefined[f"{prefix}{name}_{kind}"] = self.no_limit if prefix == "infinite_" else AT_THE_END
        return losses, undefined

    def _regression(self, train: NetworkJacobian, parameters: list[Layer]) -> dict[str, Tensor]:
        """Kernel regression of the targets, from F_0, with the tangent kernel at these parameters."""
        network, start = self.run.network, self.points
        kernel = network.full_kernel(train, train)
        weights = interpolation_weights(kernel, (self.run.data.train.y - start["train"].start).flatten(1))
        rows = {"train": kernel, "test": network.full_kernel(network.jacobian(parameters, self.x["test"]), train)}
        return {
            name: start[name].start + (row @ weights.unsqueeze(-1)).view_as(start[name].start) for name, row in rows.items()
        }

    def _taylor(self, parameters: list[Layer]) -> tuple[dict[str, Moved], Tensor]:
        """Each layer moved alone, and F_0 + alpha J_0 (theta - theta_0) of all together, on the probe points."""
        run, network = self.run, self.run.network
        start = self.points["probe"].start
        shifts = [difference(parameters[layer], run.initial[layer]) for layer in network.trained]
        parts = run.alpha * network.product(self.probe_tape, shifts)
        moved = {}
        for part, a, layer in zip(parts, self.probe_tape.inputs, network.trained, strict=True):
            outputs = network.forward_from(layer, a, run.initial, parameters[layer])
            moved[network.names[layer]] = Moved(run.scaled(outputs, self.offsets["probe"]), start + part)
        return moved, start + parts.sum(0)

    def _stability(self, train: NetworkJacobian, kernel: Float[Tensor, "S N N"]) -> tuple[Tensor, dict[str, str]]:
        """learning_rate n^-c lambda_max(Theta / N), of the full kernel."""
        run, network = self.run, self.run.network
        if run.config.optimizer == "adam":
            reason = {"stability": "Adam's step is no multiple of the gradient"}
            return kernel.new_full(kernel.shape[:1], torch.nan, dtype=torch.float64), reason
        if run.config.outputs == 1:
            top = top_eigenvalue(kernel, PRODUCTS)
        else:
            like = train.outputs

            def product(v: Tensor) -> Tensor:
                pulled = network.pullback(train, v.to(like.dtype).view_as(like))
                return network.product(train, pulled).sum(0).flatten(1)

            size = like[0].numel()
            start = torch.cos(torch.arange(size, device=like.device, dtype=torch.float64) ** 2)
            top = lanczos_top(product, start.expand(like.shape[0], size), PRODUCTS)
        rate = run.descent.learning_rate
        return (rate.flatten() if isinstance(rate, Tensor) else rate) * top / run.config.samples, {}

    def _view(self) -> dict[str, object]:
        pictures = {}
        if "grid" in self.x:
            first = [Layer(*(None if p is None else p[:1] for p in layer)) for layer in self.training.parameters]
            outputs = self.run.network.forward(first, self.x["grid"]).outputs
            pictures["network"] = self.run.scaled(outputs, self.offsets["grid"])
            pictures["twin"] = self.twin.outputs(self.points["grid"])
            if self.limit is not None:
                pictures["infinite"] = self.limit.outputs(self.limit_points["grid"])
        view: dict[str, object] = {name: pack(values) for name, values in pictures.items()}
        if len(self.run.cells) == 1:
            view["kernel"] = self.run.kernel_picture(self.training.parameters)
        if self.step == 0 and self.forecast:
            config = self.run.config
            steps = [min(k * config.measure_every, config.steps) for k in range(len(self.forecast))]
            view["forecast"] = {"steps": steps, **self._foreseen("twin_", self.twin, self.forecast, self.points)}
            if self.limit is not None:
                view["forecast"] |= self._foreseen("infinite_", self.limit, self.limit_forecast, self.limit_points)
        return view

    def _foreseen(
        self, prefix: str, twin: Twin, path: list[State], points: dict[str, TwinPoints]
    ) -> dict[str, list[float | None]]:
        """Losses to come along a path, seeds averaged, at each measurement."""
        run = self.run
        losses: dict[str, list[float | None]] = {f"{prefix}{name}_loss": [] for name in ("train", "test")}
        for state in path:
            twin.state = state
            for name in ("train", "test"):
                value = run.loss.value(twin.outputs(points[name]), getattr(run.data, name).y).mean().item()
                losses[f"{prefix}{name}_loss"].append(value if isfinite(value) else None)
        twin.state = path[0]
        return losses


def _form(value: Any) -> object:
    """What is the same of all states of one run: names, kinds, shapes."""
    if isinstance(value, dict):
        return {name: _form(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_form(part) for part in value]
    return (value.shape, value.dtype) if isinstance(value, Tensor) else type(value)


def _first_seed(jacobian: NetworkJacobian) -> NetworkJacobian:
    return NetworkJacobian(*(part[:1] if isinstance(part, Tensor) else [tensor[:1] for tensor in part] for part in jacobian))


def _squared(layer: Layer) -> Float[Tensor, "S"]:
    """||layer||**2 over weight and bias."""
    return sum(torch.linalg.vector_norm(p.flatten(1), dim=1, dtype=torch.float64).square() for p in tensors(layer))

"""A toy run: a batch of networks and their twins trained side by side, and snapshots of both."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ConfigError, ToyConfig
from regime.events import Estimate, Reference
from regime.kernels.limits import interpolation_weights
from regime.kernels.spectrum import lanczos_top, top_eigenvalue
from regime.machine import matmul_rate, pick_device
from regime.snapshots import Moved, Pause, Snapshot, Targets, diverged
from regime.toy import limit, tasks
from regime.toy.losses import error, loss_named
from regime.toy.network import Layer, Network, Tape
from regime.toy.step_size import adam_steps, descent_steps
from regime.toy.training import Descent, PerRow, Training, tensors
from regime.toy.twin import AdamTwin, Points, State, Twin, difference

FLOAT32_ALPHA = 16.0
"""Above this output scale runs take float64: f - f0 is of size 1/alpha, and float32 rounding would pass for a gap."""
EFFICIENCY = 0.65
"""Share of the matmul rate that training reaches."""
MEMORY_BOUND = 10
"""How much slower than a matmul a product of matrix and vector is, operation by operation."""
PRODUCTS = 16
"""Lanczos iterations for lambda_max along the run: tangent kernels have one that stands apart."""
VARIES = ("alpha", "learning_rate", "seed")
"""Fields in which configurations may differ and still be trained as one batch."""
GRID = {1: 121, 2: 32}
"""Points along each axis of the function's picture, by input dimension."""
AT_THE_END = "taken when the run ends"
READOUT = "the readout gives outputs, not features"
FROZEN = "this layer is not trained"


class ToyRun:
    """Everything at step 0; `snapshots` trains.

    Several configurations that differ in nothing but VARIES are trained as one batch, seeds and all: `cells` are theirs.
    Snapshots hold F = alpha (f - f0) of the network and of the twin on the probe points; the function's picture is that of
    the first seed.
    """

    linear = "linearization_gap"
    source = "scikit-learn's load_digits and load_breast_cancer, or own rows; the other tasks are drawn here"

    def __init__(self, config: ToyConfig | Sequence[ToyConfig], dtype: torch.dtype | None = None) -> None:
        self.cells = [config] if isinstance(config, ToyConfig) else list(config)
        self.config = config = self.cells[0]
        if len({shape(cell) for cell in self.cells}) > 1:
            raise ConfigError(
                f"these configurations differ in more than {', '.join(VARIES)}: they cannot be trained as one batch"
            )
        largest = max(cell.alpha for cell in self.cells)
        self.dtype = dtype or (torch.float32 if largest <= FLOAT32_ALPHA else torch.float64)
        self.device = pick_device(config.device)
        self.data = tasks.load(config, self.device, self.dtype)
        self.loss = loss_named(config.loss, config.outputs)
        self.network = Network.of(config)
        self.alpha = self._per_row([cell.alpha for cell in self.cells])
        self.initial = _joined([self._draw(cell.seed) for cell in self.cells])
        trained = [self.initial[layer] for layer in self.network.trained]
        self.parameters = sum(p[0].numel() for layer in trained for p in tensors(layer))
        self.tape = self.network.tape(self.initial, self.data.train.x)
        start = self.scaled(self.tape.outputs, self.tape.outputs)
        adam = config.optimizer == "adam"
        self.kernel = None if adam else self.network.full_kernel(self.tape, self.tape)
        self.learning_rates = self._learning_rates(start)
        self.learning_rate = self.learning_rates[0]
        scaled = [rate * (1.0 if adam else self.network.step) for rate in self.learning_rates]
        self.descent = Descent.of(config, self._per_row(scaled))
        if (lost := max(scaled) * config.weight_decay) >= 1:
            raise ConfigError(
                f"weight_decay = {config.weight_decay} is not allowed: a step would take {lost:.3g} of every parameter; "
                f"allowed: below {1 / max(scaled):.3g} at this learning_rate"
            )

    def _per_row(self, values: list[float]) -> PerRow:
        """One number where all cells have the same, else one for each row of the batch."""
        if len(set(values)) == 1:
            return values[0]
        rows = torch.tensor(values, dtype=self.dtype, device=self.device).repeat_interleave(self.config.seeds)
        return rows.view(-1, 1, 1)

    def _draw(self, seed: int) -> list[Layer]:
        return self.network.init(self.config.seeds, seed, self.device, self.dtype)

    def _learning_rates(self, start: Float[Tensor, "S N C"]) -> list[float]:
        """Each cell's own, or for its stiffest seed what the kernel allows."""
        config, given = self.config, [cell.learning_rate for cell in self.cells]
        if None not in given:
            return given
        if self.kernel is None:
            steps = adam_steps(self.network, self.tape, start, self.data.train.y, self.loss)
        else:
            steps = descent_steps(config, self.network, self.kernel, self.loss)
        chosen = steps.view(len(given), config.seeds).min(1).values.tolist()
        return [own if rate is None else rate for rate, own in zip(given, chosen, strict=True)]

    def scaled(self, outputs: Tensor, start: Tensor) -> Tensor:
        """F = alpha (f - f0), or alpha f."""
        return self.times_alpha(outputs - start if self.config.centered else outputs)

    def times_alpha(self, outputs: Tensor) -> Tensor:
        """alpha f; fewer rows than there are belong to the first ones."""
        return outputs * (self.alpha[: len(outputs)] if isinstance(self.alpha, Tensor) else self.alpha)

    def estimate(self) -> Estimate:
        """From counted operations and this machine's matmul rate."""
        c, rate = self.config, EFFICIENCY * matmul_rate(self.device)
        measurements = c.steps // c.measure_every + 1
        outputs = c.samples * c.outputs
        step = 6 * self.parameters * c.batch + 4 * outputs**2
        if c.optimizer == "adam":
            step += 4 * self.parameters * c.batch + 24 * MEMORY_BOUND * self.parameters
        tapes = 2 * self.parameters * (2 + c.outputs) * (c.samples + c.probe_samples)
        kernels = 4 * c.width * c.depth * c.outputs * (c.samples**2 + c.probe_samples**2)
        lanczos = MEMORY_BOUND * 2 * PRODUCTS * c.samples**2 if c.outputs == 1 else 4 * PRODUCTS * self.parameters * c.samples
        flops = c.steps * step + measurements * (tapes + kernels + lanczos)
        seconds = len(self.cells) * c.seeds * flops / rate + c.steps * 3e-4 + measurements * 2.5e-2
        return Estimate(seconds=seconds, bytes=c.workspace)

    def references(self) -> list[Reference]:
        """Where descent with this optimizer and loss becomes unstable."""
        config = self.config
        if config.loss != "mse" or config.optimizer not in ("gd", "momentum"):
            return []
        edge = 2 * (1 + self.descent.momentum)
        known = [Reference(measure="stability", value=edge, meaning="stable below, for a constant kernel")]
        if config.optimizer == "gd":
            known.append(Reference(measure="stability", value=4.0, meaning="catapult below, divergence above, at large width"))
        return known

    def independent(self) -> tuple[Snapshot, Snapshot]:
        """Kernels and representations on the probe points of every seed's initialization, and of the next seed's."""
        shifted = _joined([self._draw(cell.seed + 1) for cell in self.cells])
        one, other = (self.bare(self.network.tape(parameters, self.data.probe.x)) for parameters in (self.initial, shifted))
        return one, other

    def bare(self, tape: Tape) -> Snapshot:
        """What a tape of the probe points alone tells."""
        names = self.network.names
        still = dict.fromkeys(names, tape.outputs.new_zeros(tape.outputs.shape[0]))
        undefined = {f"readout/{measure}": READOUT for measure in ("representation_change", "feature_movement")}
        return Snapshot(
            step=0,
            fraction=0.0,
            time=0.0,
            losses={},
            outputs=tape.outputs,
            linear={},
            kernels=self.network.kernels(tape, tape),
            representations=dict(zip(names, tape.hidden, strict=False)),
            displacement=still,
            magnitude=still,
            blocks={name: name for name in names},
            last_hidden=names[-2],
            rounding=torch.finfo(self.dtype).eps,
            size=(self.alpha * tape.outputs).flatten(1).norm(dim=1),
            undefined=undefined,
        )

    def view(self) -> dict[str, object]:
        """How layers are scaled; and of 1-D and 2-D tasks the training points, and where the function's picture is taken."""
        scaled = [asdict(s) | {"weight_speed": s.weight_speed, "bias_speed": s.bias_speed} for s in self.network.scales]
        x, y = self.data.train
        if not self.pictured:
            return {"scales": scaled}
        points = torch.cat([x, y], 1).tolist()
        return {"scales": scaled, "points": points, "extent": self._extent(), "size": GRID[x.shape[1]]}

    @property
    def pictured(self) -> bool:
        """Whether the function is one that a picture shows: one output of one or two inputs, of one cell."""
        return self.data.train.x.shape[1] in GRID and self.config.outputs == 1 and len(self.cells) == 1

    def _extent(self) -> float:
        return 1.1 * self.data.train.x.abs().max().item()

    def grid(self) -> Float[Tensor, "g i"]:
        """Points of the function's picture."""
        x = self.data.train.x
        axis = torch.linspace(-self._extent(), self._extent(), GRID[x.shape[1]], dtype=x.dtype, device=x.device)
        return torch.cartesian_prod(*[axis] * x.shape[1]).view(-1, x.shape[1])

    def snapshots(self, state: dict[str, Any] | None = None) -> Iterator[Pause | Snapshot]:
        """Measured steps as snapshots, the others as pauses; ends early, after a last snapshot, where training diverges.

        The snapshots of several cells come one after another, `cell` telling whose they are; one that diverges is left out from
        then on. With a `state` that this run's `state` gave, it goes on from there, bit for bit as it would have; the first
        snapshot is that of step 0 again, since measures compare with it.
        """
        yield Pause(0, 0.0)
        self.bench = bench = Bench(self)
        yield Pause(0, 0.0)
        yield from bench.foresee()
        snapshot = bench.snapshot()
        start_loss = snapshot.losses["train_loss"]
        alive = range(len(self.cells))
        for cell in alive:
            yield self._of_cell(snapshot, cell)
        if state is not None:
            bench.restore(state)
        while bench.step < self.config.steps:
            gone = self._diverged(alive, bench.advance(), start_loss)
            yield Pause(bench.step, bench.step / self.config.steps)
            beat = bench.step == self.config.steps or bench.step % self.config.measure_every == 0
            if not beat and not gone:
                continue
            snapshot = bench.snapshot()
            gone |= self._diverged(alive, snapshot.losses["train_loss"], start_loss)
            for cell in alive:
                if beat or cell in gone:
                    yield replace(self._of_cell(snapshot, cell), diverged=cell in gone)
            alive = [cell for cell in alive if cell not in gone]
            if not alive:
                return

    def rows(self, cell: int) -> slice:
        """A cell's seeds in the batch."""
        return slice(cell * self.config.seeds, (cell + 1) * self.config.seeds)

    def _diverged(self, cells: Sequence[int], loss: Float[Tensor, "S"], start: Float[Tensor, "S"]) -> set[int]:
        """Which of the cells have a seed that diverged."""
        if not diverged(loss, start):
            return set()
        return {cell for cell in cells if diverged(loss[self.rows(cell)], start[self.rows(cell)])}

    def _of_cell(self, snapshot: Snapshot, cell: int) -> Snapshot:
        """The snapshot of one cell's seeds."""
        if len(self.cells) == 1:
            return snapshot
        return replace(snapshot.rows(self.rows(cell)), cell=cell, time=snapshot.step * self.learning_rates[cell])

    def state(self) -> dict[str, Any]:
        """Where the run stands, between two items of `snapshots`: tensors and numbers."""
        return self.bench.state()


class Bench:
    """A training, its twin and their points: steps both, and takes snapshots.

    The twin's whole path may be foreseen first; otherwise it takes each step beside the network.
    """

    def __init__(self, run: ToyRun) -> None:
        self.run, self.step = run, 0
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
        self.probe_tape = run.network.tape(run.initial, data.probe.x)
        self.twin = self._twin()
        self.forecast: list[State] = []
        self.no_limit = limit.missing(config)
        self.limit, self.limit_points = None, {}
        copies = 1 if isinstance(run.descent.learning_rate, float) else len(run.tape.outputs)
        if self.no_limit is None:
            try:
                self.limit_points = {
                    name: limit.points(config, run.network, x, data.train.x, copies) for name, x in self.x.items()
                }
                self.limit = Twin(self.limit_points["train"], data.train.y, run.loss, run.descent)
            except ValueError:
                self.no_limit = "the infinite-width kernel overflows here"
        self.limit_forecast: list[State] = []

    def _linearize(self, name: str) -> tuple[Tensor, Points]:
        """f_0 at the named points, and what the twin needs there; the grid is that of the first seed."""
        run, network = self.run, self.run.network
        alone = name == "grid"
        parameters = self.first if alone else run.initial
        train = _first_seed(run.tape) if alone else run.tape
        tape = train if name == "train" else network.tape(parameters, self.x[name])
        start = run.scaled(tape.outputs, tape.outputs)
        if run.kernel is None:
            return tape.outputs, Points(start, None, tape=tape)
        rows = run.kernel if name == "train" else network.full_kernel(tape, train)
        trained = [parameters[layer] for layer in network.trained]
        along = run.times_alpha(network.product(tape, trained).sum(0)) if run.config.weight_decay else None
        return tape.outputs, Points(start, rows, along)

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
        return self.training.step(batch)

    def state(self) -> dict[str, Any]:
        twin = self.twin.state_tensors() if isinstance(self.twin, AdamTwin) else []
        parts = [*self.training.state(), *twin]
        return {"step": self.step, "order": self.order.get_state(), "tensors": [part.clone() for part in parts]}

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.order.set_state(state["order"])
        own = len(self.training.state())
        self.training.restore(state["tensors"][:own], self.step)
        if isinstance(self.twin, AdamTwin):
            self.twin.restore(state["tensors"][own:], self.step)

    @torch.no_grad()
    def snapshot(self) -> Snapshot:
        """The run now."""
        run, network, config = self.run, self.run.network, self.run.config
        if self.forecast:
            measured = -(-self.step // config.measure_every)  # the last one may be off the beat
            self.twin.state = self.forecast[measured]
            if self.limit is not None:
                self.limit.state = self.limit_forecast[measured]
        parameters, names = self.training.parameters, network.names
        train, probe = (network.tape(parameters, self.x[name]) for name in ("train", "probe"))
        test = network.forward(parameters, self.x["test"]).outputs
        outputs = {"train": train.outputs, "test": test, "probe": probe.outputs}
        scaled = {name: run.scaled(values, self.offsets[name]) for name, values in outputs.items()}
        ended = self.step == config.steps
        losses, undefined = self._losses(scaled, train, ended)
        moved, taylor = self._taylor(parameters)
        kernel = sum(network.kernels(train, train).values())
        stability, unstable = self._stability(train, kernel)
        pairs = list(zip(names, parameters, run.initial, strict=True))
        bare = run.bare(probe)
        return replace(
            bare,
            step=self.step,
            fraction=self.step / config.steps if config.steps else 1.0,
            time=self.step * run.learning_rate,
            losses=losses,
            outputs=scaled["probe"],
            linear={run.linear: self.twin.outputs(self.points["probe"]), "taylor_gap": taylor},
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

    def _losses(self, scaled: dict[str, Tensor], train: Tape, ended: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Losses and errors of the network, the twin, the infinite width, and kernel regression with Theta_0 and Theta_t."""
        run, seeds = self.run, len(train.outputs)
        learners = {"": scaled, "twin_": {name: self.twin.outputs(self.points[name]) for name in ("train", "test")}}
        undefined = {}
        if self.limit is not None:
            learners["infinite_"] = {name: self.limit.outputs(self.limit_points[name]) for name in ("train", "test")}
        if ended:
            learners["kernel_start_"] = self._regression(run.tape, run.initial)
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

    def _regression(self, train: Tape, parameters: list[Layer]) -> dict[str, Tensor]:
        """Kernel regression of the targets, from F_0, with the tangent kernel at these parameters."""
        network, start = self.run.network, self.points
        kernel = network.full_kernel(train, train)
        weights = interpolation_weights(kernel, (self.run.data.train.y - start["train"].start).flatten(1))
        rows = {"train": kernel, "test": network.full_kernel(network.tape(parameters, self.x["test"]), train)}
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

    def _stability(self, train: Tape, kernel: Float[Tensor, "S N N"]) -> tuple[Tensor, dict[str, str]]:
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
        view: dict[str, object] = {name: _numbers(values) for name, values in pictures.items()}
        if self.step == 0 and self.forecast:
            view["forecast"] = self._forecast()
        return view

    def _forecast(self) -> dict[str, object]:
        """The twin's losses to come, seeds averaged, at each measurement."""
        run, config = self.run, self.run.config
        losses: dict[str, list[float | None]] = {"train_loss": [], "test_loss": []}
        for state in self.forecast:
            self.twin.state = state
            for name in ("train", "test"):
                y = getattr(run.data, name).y
                value = run.loss.value(self.twin.outputs(self.points[name]), y).mean().item()
                losses[f"{name}_loss"].append(value if isfinite(value) else None)
        self.twin.state = self.forecast[0]
        steps = [min(k * config.measure_every, config.steps) for k in range(len(self.forecast))]
        return {"steps": steps, **losses}


def shape(config: ToyConfig) -> ToyConfig:
    """What has to be the same of configurations that are trained as one batch."""
    known = ToyConfig()
    return config.model_copy(update={name: getattr(known, name) for name in VARIES})


def _joined(draws: list[list[Layer]]) -> list[Layer]:
    """The layers of several batches of networks as those of one."""
    if len(draws) == 1:
        return draws[0]
    return [
        Layer(*(None if parts[0] is None else torch.cat(parts) for parts in zip(*layers, strict=True)))
        for layers in zip(*draws, strict=True)
    ]


def _first_seed(tape: Tape) -> Tape:
    return Tape(*(part[:1] if isinstance(part, Tensor) else [tensor[:1] for tensor in part] for part in tape))


def _squared(layer: Layer) -> Float[Tensor, "S"]:
    """||layer||**2 over weight and bias."""
    return sum(torch.linalg.vector_norm(p.flatten(1), dim=1, dtype=torch.float64).square() for p in tensors(layer))


def _numbers(values: Tensor) -> list[float]:
    """Rounded to what a picture can show, and within what JSON can carry."""
    return values.double().flatten().nan_to_num(0.0).clamp(-99, 99).round(decimals=3).tolist()

"""A toy run: a batch of networks and their twins trained side by side, and snapshots of both."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ConfigError, ToyConfig
from regime.events import Estimate
from regime.kernels.spectrum import LANCZOS, top_eigenvalue
from regime.machine import matmul_rate, pick_device
from regime.snapshots import Pause, Snapshot, diverged
from regime.toy import tasks
from regime.toy.network import Layer, Network, Tape
from regime.toy.training import Descent, Training, mse
from regime.toy.twin import Twin, predict

STABLE = 0.25
"""Default learning_rate * lambda_max(Theta_0 / N), before momentum: small enough for small alpha, where the kernel grows."""
FLOAT32_ALPHA = 16.0
"""Above this output scale runs take float64: f - f0 is of size 1/alpha, and float32 rounding would pass for a gap."""
EFFICIENCY = 0.65
"""Share of the matmul rate that training reaches."""
MEMORY_BOUND = 10
"""How much slower than a matmul a product of matrix and vector is, operation by operation."""
GRID = {1: 121, 2: 40}
"""Points along each axis of the function's picture, by input dimension."""


class ToyRun:
    """Everything at step 0; `snapshots` trains.

    Snapshots hold F = alpha (f - f0) of the network and of the twin on the probe points; the function's picture is that of
    the first seed.
    """

    linear = "linearization_gap"
    source = "scikit-learn's load_digits for digits; the others are drawn here"

    def __init__(self, config: ToyConfig, dtype: torch.dtype | None = None) -> None:
        self.config = config
        dtype = dtype or (torch.float32 if config.alpha <= FLOAT32_ALPHA else torch.float64)
        self.device = pick_device(config.device)
        self.data = tasks.load(config, self.device, dtype)
        task = tasks.TASKS[config.task]
        self.network = Network.of(config, task.inputs, task.outputs)
        self.initial = self.network.init(config.seeds, config.seed, self.device, dtype)
        self.parameters = sum(p[0].numel() for layer in self.initial for p in layer)
        self.train_tape = self.network.tape(self.initial, self.data.train.x)
        self.kernel = self.network.full_kernel(self.train_tape, self.train_tape)
        momentum = config.momentum if config.optimizer == "momentum" else 0.0
        self.learning_rate = config.learning_rate or self._stable_step(momentum)
        self.descent = Descent(self.learning_rate, momentum)

    def _stable_step(self, momentum: float) -> float:
        top = top_eigenvalue(self.kernel).max().item() / self.config.samples
        if not top > 0:
            raise ConfigError(
                "learning_rate = None is not allowed with these weights: the kernel at initialization is zero; "
                "allowed: a number, or another weight_std, bias_std, width or depth"
            )
        return STABLE * (1 - momentum) / top

    def estimate(self) -> Estimate:
        """From counted operations and this machine's matmul rate."""
        c, rate = self.config, EFFICIENCY * matmul_rate(self.device)
        measurements = c.steps // c.measure_every + 1
        outputs = c.samples * c.classes
        step = 6 * self.parameters * c.batch + 2 * outputs**2
        tapes = 2 * self.parameters * (1 + c.classes) * (c.samples + c.probe_samples)
        kernels = 4 * c.width * c.depth * outputs**2
        lanczos = MEMORY_BOUND * 2 * LANCZOS * outputs**2
        flops = c.steps * step + measurements * (tapes + kernels + lanczos)
        seconds = c.seeds * flops / rate + c.steps * 3e-4 + measurements * 1.5e-2
        return Estimate(seconds=seconds, bytes=c.workspace)

    def view(self) -> dict[str, object]:
        """Training points of 1-D and 2-D tasks, and where the function's picture is taken."""
        x, y = self.data.train
        if x.shape[1] not in GRID:
            return {}
        return {"points": torch.cat([x, y], 1).tolist(), "extent": self._extent(), "size": GRID[x.shape[1]]}

    def _extent(self) -> float:
        return 1.1 * self.data.train.x.abs().max().item()

    def _grid(self) -> Float[Tensor, "g i"] | None:
        x = self.data.train.x
        if x.shape[1] not in GRID:
            return None
        axis = torch.linspace(-self._extent(), self._extent(), GRID[x.shape[1]], dtype=x.dtype, device=x.device)
        return torch.cartesian_prod(*[axis] * x.shape[1]).view(-1, x.shape[1])

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """Measured steps as snapshots, the others as pauses; ends early, after a last snapshot, where training diverges."""
        config, data = self.config, self.data
        yield Pause(0, 0.0)
        training = Training.start(
            self.network, self.initial, *data.train, alpha=config.alpha, centered=config.centered, descent=self.descent
        )
        start_outputs = config.alpha * (self.train_tape.outputs - training.offset)
        twin = Twin.begin(self.kernel, start_outputs, data.train.y, self.descent)
        watch = _Watch(self, twin)
        order = torch.Generator().manual_seed(config.data_seed)
        start_loss = None
        for step in range(config.steps + 1):
            fraction = step / config.steps if config.steps else 1.0
            last = step == config.steps
            if last or step % config.measure_every == 0:
                snapshot = watch.snapshot(training, step, fraction)
                loss = snapshot.losses["train_loss"]
                start_loss = loss if start_loss is None else start_loss
                yield snapshot
                if last or diverged(loss, start_loss):
                    return
            else:
                yield Pause(step, fraction)
            batch = None
            if config.batch < config.samples:
                batch = torch.randperm(config.samples, generator=order)[: config.batch].to(self.device)
            training.step(batch)
            twin.step(batch)


class _Watch:
    """Takes snapshots of a training and its twin, against step 0."""

    def __init__(self, run: ToyRun, twin: Twin) -> None:
        self.run, self.twin = run, twin
        self.points = {"test": run.data.test.x, "probe": run.data.probe.x}
        self.rows, self.offsets = {}, {}
        for name, x in self.points.items():
            self.rows[name], self.offsets[name] = self._linearize(run.initial, x, run.train_tape)
        self.grid = run._grid()
        if self.grid is not None:
            first = [Layer(*(p[:1] for p in layer)) for layer in run.initial]
            seed_tape = Tape(*(_first_seed(part) for part in run.train_tape))
            self.rows["grid"], self.offsets["grid"] = self._linearize(first, self.grid, seed_tape)

    def _linearize(self, parameters: list[Layer], x: Tensor, train: Tape) -> tuple[Tensor, Tensor]:
        """Theta_0(x, X), and the outputs at initialization."""
        tape = self.run.network.tape(parameters, x)
        return self.run.network.full_kernel(tape, train), tape.outputs

    def _scaled(self, outputs: Tensor, name: str) -> Tensor:
        """F = alpha (f - f0), or alpha f."""
        config = self.run.config
        return config.alpha * (outputs - self.offsets[name] if config.centered else outputs)

    def _linear(self, name: str) -> Tensor:
        """The twin's F at the named points."""
        coefficients = self.twin.coefficients[: self.rows[name].shape[0]]
        return predict(self.rows[name], self._scaled(self.offsets[name], name), coefficients)

    @torch.no_grad()
    def snapshot(self, training: Training, step: int, fraction: float) -> Snapshot:
        run, network, data = self.run, self.run.network, self.run.data
        train = network.tape(training.parameters, data.train.x)
        probe = network.tape(training.parameters, data.probe.x)
        test = network.forward(training.parameters, data.test.x)[0]
        names = network.names
        twin_train = predict(self.twin.kernel, self.twin.start, self.twin.coefficients)
        losses = {
            "train_loss": mse(run.config.alpha * (train.outputs - training.offset), data.train.y),
            "test_loss": mse(self._scaled(test, "test"), data.test.y),
            "twin_train_loss": mse(twin_train, data.train.y),
            "twin_test_loss": mse(self._linear("test"), data.test.y),
        }
        top = top_eigenvalue(network.full_kernel(train, train))
        pairs = list(zip(names, training.parameters, run.initial, strict=True))
        return Snapshot(
            step=step,
            fraction=fraction,
            time=step * run.learning_rate,
            losses=losses,
            outputs=self._scaled(probe.outputs, "probe"),
            linear={run.linear: self._linear("probe")},
            kernels=network.kernels(probe, probe),
            representations={name: a.squeeze(-2) for name, a in zip(names, probe.inputs[1:], strict=False)},
            displacement={name: _squared(now, start) for name, now, start in pairs},
            magnitude={name: _squared(start) for name, _, start in pairs},
            blocks={name: name for name in names},
            last_hidden=names[-2],
            scalars={"stability": run.learning_rate * top / run.config.samples},
            undefined={
                f"readout/{measure}": "the readout gives outputs, not features"
                for measure in ("representation_change", "feature_movement")
            },
            view=self._view(training),
        )

    def _view(self, training: Training) -> dict[str, object]:
        if self.grid is None:
            return {}
        first = [Layer(*(p[:1] for p in layer)) for layer in training.parameters]
        network = self._scaled(self.run.network.forward(first, self.grid)[0], "grid")
        pictures = {"network": network, "twin": self._linear("grid")}
        return {name: _numbers(values) for name, values in pictures.items()}


def _first_seed(part: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return part[:1] if isinstance(part, Tensor) else [tensor[:1] for tensor in part]


def _squared(now: Layer, start: Layer | None = None) -> Float[Tensor, "S"]:
    """||now - start||**2 over a layer's weight and bias, or ||now||**2."""
    parts = now if start is None else [a - b for a, b in zip(now, start, strict=True)]
    return sum(torch.linalg.vector_norm(part.flatten(1), dim=1, dtype=torch.float64).square() for part in parts)


def _numbers(values: Tensor) -> list[float]:
    """Rounded to what a picture can show, and within what JSON can carry."""
    return [round(value, 3) for value in values.flatten().nan_to_num(0.0).clamp(-99, 99).tolist()]

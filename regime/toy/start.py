"""A toy run at step 0: data, networks, their tangent kernel, and the step size that follows from it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property, lru_cache
from math import inf, isfinite
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.config import WORKSPACE_LIMIT, ToyConfig
from regime.config.own import is_own
from regime.dynamics.losses import loss_named
from regime.dynamics.optimizers import Descent, PerRow, own_optimizer, tensors
from regime.dynamics.snapshot import Snapshot
from regime.errors import ConfigError
from regime.record.packing import pack
from regime.resources.device import pick_device
from regime.toy import tasks
from regime.toy.network import Layer, Network, NetworkJacobian, concatenated, first_network, squared_norm
from regime.toy.step_size import adam_steps, descent_steps
from regime.toy.units import POINTS, Units

FLOAT32 = 100.0
"""Where outputs are computed from numbers this many times as large as their distance to the targets, runs take float64: the
rounding of float32 would pass for a gap."""
FLOAT32_KERNEL = (1e-20, 1e20)
"""Diagonals of the kernel that float32 can square."""
REFERENCE = 4
"""Seeds, from 0 up, whose kernels choose a step size that is left open: the same for every set of seeds."""
SLACK = 2.0
"""How much larger than its own kernel would choose that step may be for the stiffest seed of a run."""
SIZED = 16
"""Training points on which sizes are taken."""
VARIES = ("alpha", "learning_rate", "seed")
"""Fields in which configurations may differ and still be trained as one batch."""
GRID = {1: 121, 2: 32}
"""Points along each axis of the function's picture, by input dimension."""
KERNEL_POINTS = 32
"""Most rows of the kernel's picture."""
READOUT = "the readout gives outputs, not features"


class ToyStart:
    """Everything at step 0 of one configuration, or of several that differ in nothing but VARIES: `cells`.

    Several are one batch: the seeds of the first, then those of the second, and so on.
    """

    def __init__(self, config: ToyConfig | Sequence[ToyConfig], dtype: torch.dtype | None = None) -> None:
        self.cells = [config] if isinstance(config, ToyConfig) else list(config)
        if not self.cells or not all(isinstance(cell, ToyConfig) for cell in self.cells):
            raise ConfigError(f"configs = {config!r:.80} is not allowed; allowed: one ToyConfig or more")
        for cell in self.cells:
            if is_own(cell.task):
                cell.check_task()
        if (bytes_ := sum(cell.workspace for cell in self.cells)) > WORKSPACE_LIMIT:
            gigabytes = f"{bytes_ / 2**30:.1f} GiB; allowed: at most {WORKSPACE_LIMIT / 2**30:.0f} GiB together"
            raise ConfigError(f"{len(self.cells)} configurations as one batch need {gigabytes}")
        self.config = config = self.cells[0]
        if len({shape(cell) for cell in self.cells}) > 1:
            raise ConfigError(
                f"these configurations differ in more than {', '.join(VARIES)}: they cannot be trained as one batch"
            )
        self.dtype = dtype or precision(max(self.cells, key=lambda cell: cell.alpha))
        self.device = pick_device(config.device)
        self.steps = config.steps
        self.data = tasks.draw_data(config, self.device, self.dtype)
        self.loss = loss_named(config.loss, config.outputs)
        self.network = Network.of(config)
        self.alpha = self._per_row([cell.alpha for cell in self.cells])
        self.initial = concatenated([self.draw(cell.seed) for cell in self.cells])
        trained = [self.initial[layer] for layer in self.network.trained]
        self.parameters = sum(p[0].numel() for layer in trained for p in tensors(layer))
        self.jacobian = self.network.jacobian(self.initial, self.data.train.x)
        self.kernel = None if config.by_parameter else self.network.full_kernel(self.jacobian, self.jacobian)
        self.learning_rates = self._learning_rates()
        self.learning_rate = self.learning_rates[0]
        free = config.optimizer == "adam" or (is_own(config.optimizer) and own_optimizer(config.optimizer).scale_free)
        scaled = [rate * (1.0 if free else self.network.step) for rate in self.learning_rates]
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

    def draw(self, seed: int) -> list[Layer]:
        """Draw the parameters of one cell's networks, the first of them from `seed`."""
        return self.network.init(self.config.seeds, seed, self.device, self.dtype)

    def _learning_rates(self) -> list[float]:
        """Each cell's own learning rate, or what the kernels of the first REFERENCE seeds allow, whatever the run's seeds are.

        A learning rate that followed the run's own seeds would be one more difference between two sets of seeds, one that no
        spread within a run shows.
        """
        given = [cell.learning_rate for cell in self.cells]
        if None not in given:
            return given
        if is_own(self.config.optimizer):
            raise ConfigError("learning_rate = None is not allowed with an optimizer of your own; allowed: a number")
        own = self._steps(self.jacobian, self.kernel, self.alpha).view(len(given), -1)
        reference = cache(self._reference)  # kernels have no output scale: cells share what they choose
        rates = []
        for rate, cell, steps in zip(given, self.cells, own, strict=True):
            alpha = cell.alpha if self.kernel is None else 1.0
            first = steps[:REFERENCE].min().item() if cell.seed == 0 and len(steps) >= REFERENCE else None
            rates.append(rate or min(first or reference(alpha), SLACK * steps.min().item()))
        return rates

    def _reference(self, alpha: float) -> float:
        """The step that the stiffest of the first seeds allows."""
        steps = []
        for seed in range(REFERENCE):
            jacobian = self.network.jacobian(self.network.init(1, seed, self.device, self.dtype), self.data.train.x)
            kernel = None if self.kernel is None else self.network.full_kernel(jacobian, jacobian)
            with suppress(ConfigError):  # a network that is dead says nothing of others
                steps.append(self._steps(jacobian, kernel, alpha).item())
        return min(steps, default=inf)

    def _steps(self, jacobian: NetworkJacobian, kernel: Float[Tensor, "S NC NC"] | None, alpha: PerRow) -> Float[Tensor, " S"]:
        """The learning rate that each network's own kernel allows."""
        if kernel is not None:
            return descent_steps(self.config, self.network, kernel, self.loss)
        start = torch.zeros_like(jacobian.outputs) if self.config.centered else alpha * jacobian.outputs
        return adam_steps(self.network, jacobian, start, self.data.train.y, self.loss, alpha)

    def scaled(self, outputs: Tensor, start: Tensor) -> Tensor:
        """Return F = alpha (f - f0), or alpha f where the configuration is not centered."""
        return self.times_alpha(outputs - start if self.config.centered else outputs)

    def times_alpha(self, outputs: Tensor) -> Tensor:
        """Return alpha f; where f has fewer rows than there are seeds, they belong to the first seeds."""
        return outputs * (self.alpha[: len(outputs)] if isinstance(self.alpha, Tensor) else self.alpha)

    def rows(self, cell: int) -> slice:
        """Return where a cell's seeds are in the batch."""
        return slice(cell * self.config.seeds, (cell + 1) * self.config.seeds)

    def bare(self, jacobian: NetworkJacobian) -> Snapshot:
        """Return a snapshot of what a Jacobian at the probe points alone tells: outputs, kernels and representations."""
        names = self.network.names
        still = dict.fromkeys(names, jacobian.outputs.new_zeros(jacobian.outputs.shape[0]))
        undefined = {f"readout/{measure}": READOUT for measure in ("representation_change", "feature_movement")}
        return Snapshot(
            step=0,
            fraction=0.0,
            time=0.0,
            losses={},
            outputs=jacobian.outputs,
            linear={},
            kernels=self.network.kernels(jacobian, jacobian),
            representations=dict(zip(names, jacobian.hidden, strict=False)),
            displacement=still,
            magnitude=still,
            blocks={name: name for name in names},
            last_hidden=names[-2],
            rounding=torch.finfo(self.dtype).eps,
            size=(self.alpha * jacobian.outputs).flatten(1).norm(dim=1),
            undefined=undefined,
        )

    @cached_property
    def magnitude(self) -> dict[str, Float[Tensor, "S"]]:
        """Squared norm of each layer at the start."""
        return {name: squared_norm(layer) for name, layer in zip(self.network.names, self.initial, strict=True)}

    @property
    def pictured(self) -> bool:
        """Whether a picture shows the function: one output of one or two inputs, and one cell."""
        return self.data.train.x.shape[1] in GRID and self.config.outputs == 1 and len(self.cells) == 1

    @cached_property
    def pictured_points(self) -> Int[Tensor, "p"]:
        """Which probe points the kernel's picture shows, ordered by class, or by the target in regression."""
        x, y = self.data.probe
        order = self._around(x)
        target = y.argmax(1) if y.shape[1] > 1 else y[:, 0]
        order = order[target[order].argsort(stable=True)]
        return order[
            torch.linspace(0, len(order) - 1, min(len(order), KERNEL_POINTS), dtype=torch.float32, device=order.device)
            .round()
            .long()
        ]

    @staticmethod
    def _around(x: Float[Tensor, "n i"]) -> Int[Tensor, "n"]:
        """Order of points by angle in the plane of the two leading principal components; with one input, by that input."""
        centered = x - x.mean(0)
        if x.shape[1] == 1:
            return x[:, 0].argsort(stable=True)
        plane = torch.linalg.svd(centered, full_matrices=False).Vh[:2]
        across, up = (centered @ plane.T).unbind(1)
        return torch.atan2(up, across).argsort(stable=True)

    def kernel_picture(self, kernels: Mapping[str, Float[Tensor, "S P P"]]) -> dict[str, object]:
        """Return the first seed's tangent kernel on `pictured_points`, from those of all layers on the probe points.

        `rows` are packed, relative to the mean of the kernel's diagonal, which is the `scale`.
        """
        shown = self.pictured_points
        kernel = sum(part[0].double() for part in kernels.values())[shown[:, None], shown]
        scale = kernel.diagonal().mean().item()
        if not (isfinite(scale) and scale > 0):
            return {"scale": None, "rows": ""}
        return {"scale": scale, "rows": pack(kernel / scale)}

    def extent(self) -> float:
        """Return how far the function's picture reaches from the origin."""
        return 1.1 * self.data.train.x.abs().max().item()

    @cached_property
    def units(self) -> Units | None:
        """The first seed's units, where one or two inputs allow a picture of them, of one cell."""
        if self.data.train.x.shape[1] not in POINTS or len(self.cells) > 1:
            return None
        return Units(self.network, first_network(self.initial), self.data.probe.x, self.grid(POINTS), self.extent())

    def grid(self, across: Mapping[int, int] = GRID) -> Float[Tensor, "g i"]:
        """Return the points of a picture, so many along each axis by input dimension."""
        x = self.data.train.x
        axis = torch.linspace(-self.extent(), self.extent(), across[x.shape[1]], dtype=x.dtype, device=x.device)
        return torch.cartesian_prod(*[axis] * x.shape[1]).view(-1, x.shape[1])


def shape(config: ToyConfig) -> tuple[tuple[str, Any], ...]:
    """Return the fields that have to be equal for configurations to be trained as one batch."""
    return tuple(field for field in vars(config).items() if field[0] not in VARIES)


def precision(config: ToyConfig) -> torch.dtype:
    """Return the precision of a run: float32 where its rounding is small beside the way that the outputs have to go.

    A batch of configurations takes what its largest output scale needs.
    """
    sizes = _sizes(shape(config))
    distance = sizes.targets if config.centered else (sizes.targets**2 + (config.alpha * sizes.outputs) ** 2) ** 0.5
    fits = config.alpha * sizes.terms <= FLOAT32 * distance and FLOAT32_KERNEL[0] < sizes.kernel < FLOAT32_KERNEL[1]
    return torch.float32 if fits else torch.float64


class Sizes(NamedTuple):
    """Root mean squares at step 0, and the kernel's mean diagonal."""

    targets: float
    outputs: float
    terms: float
    """Size of the terms that f_0 is the sum of: f_0 itself, and what each layer's parameters, taken as noise, do to it."""
    kernel: float


@lru_cache(maxsize=256)
def _sizes(shape: tuple[tuple[str, Any], ...]) -> Sizes:
    """The sizes of one network of a shape, on some of its training points."""
    config = ToyConfig(**dict(shape))
    device = torch.device("cpu")
    x, y = (part[:SIZED] for part in tasks.draw_data(config, device, torch.float64).train)
    network = Network.of(config)
    initial = network.init(1, 0, device, torch.float64)
    jacobian = network.jacobian(initial, x)
    kernels = [kernel.diagonal(dim1=-2, dim2=-1).mean().item() for kernel in network.kernels(jacobian, jacobian).values()]
    noise = sum(
        kernel * torch.cat([part.flatten() for part in tensors(initial[layer])]).square().mean().item()
        for kernel, layer in zip(kernels, network.trained, strict=True)
    )
    outputs = jacobian.outputs.square().mean().item()
    return Sizes(y.square().mean().item() ** 0.5, outputs**0.5, (outputs + noise) ** 0.5, sum(kernels))

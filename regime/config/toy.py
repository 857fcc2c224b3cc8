"""Configuration of a toy run."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from regime.config.base import SEED_LIMIT, Device
from regime.config.own import ACCEPTED, Measures, is_own
from regime.config.own_rows import OwnRows, parse_rows
from regime.config.read import Read
from regime.config.rows import Columns, RowsConfig, Share
from regime.config.tasks import OWN_MEANING, TASKS, Task, own_task
from regime.errors import ConfigError

PICTURE = 1024
"""Points of a picture of the function."""
INFINITE = 22
"""Most kernels that the recursion of the infinitely wide network holds at once."""
WORKSPACE_LIMIT = 4 * 2**30
"""Bytes one toy run may hold at once; beyond it a configuration is refused before anything starts."""

TaskName = Literal[
    "rings",
    "spirals",
    "xor",
    "moons",
    "circle",
    "sine",
    "step",
    "parity",
    "single-index",
    "multi-index",
    "smooth",
    "teacher",
    "modular-addition",
    "digits",
    "breast-cancer",
    "own",
]
OptimizerName = Literal["gd", "sgd", "momentum", "adam"]
if TYPE_CHECKING:  # a class of one's own may be passed, and is kept as its import path
    AnyTask = TaskName | type[Any]
    AnyOptimizer = OptimizerName | type[Any]
else:
    AnyTask = Annotated[TaskName, *ACCEPTED]
    AnyOptimizer = Annotated[OptimizerName, *ACCEPTED]


class ToyConfig(RowsConfig):
    """An MLP trained on a toy task, beside its linearized twin.

    In NTK parameterization every layer, the readout included, computes
    `h = weight_std W a / sqrt(fan_in) + bias_std b` with W, b standard normal (Jacot et al. 2018); the others are tabulated in
    `regime.toy.parameterization`. The trained function is `F = alpha (f - f0)`, or `alpha f` when not centered, with the
    parameter step divided by alpha**2, for Adam by alpha (Chizat et al. 2019). The loss is `1/N sum l(F, y)`, with
    `l = 1/2 ||F - y||**2` for mse; time is steps times learning_rate. Weight decay is the penalty
    `alpha**2 weight_decay / 2 ||theta||**2`: decoupled, or by plain descent, parameters shrink by learning_rate * weight_decay
    a step, in mean-field parameterization by width times as much, as all of descent's steps are.
    """

    rows_field: ClassVar[str] = "csv"
    shares: ClassVar[Mapping[str, Share]] = {
        "samples": Share(128, 4),
        "test_samples": Share(128, 4),
        "probe_samples": Share(96, 8),
    }

    MEASUREMENTS: ClassVar[int] = 1000
    """Most measurements of a run, that of step 0 aside."""

    kind: Literal["toy"] = "toy"
    task: AnyTask = Field(default="rings", description="what is learned; /catalog says what each is")
    csv: str | None = Field(
        default=None,
        max_length=1_000_000,
        description="for task 'own': rows in CSV or the like; in Python also the path of a file; never in a permalink",
    )
    encode: Columns = Field(
        default=(), description="of own rows: columns of words; each word becomes an input, 1 where it stands"
    )
    frequency: int = Field(default=2, ge=1, le=64, description="of the targets of 'circle' and 'sine'")
    sparsity: int = Field(default=3, ge=1, le=8, description="relevant bits of 'parity', directions of 'multi-index'")
    samples: int = Field(default=128, ge=4, le=2048, description="training points")
    test_samples: int = Field(default=128, ge=4, le=2048, description="held-out points for the test loss")
    probe_samples: int = Field(
        default=96, ge=8, le=512, description="held-out points on which kernels and features are compared"
    )
    input_noise: float | None = Field(
        default=None, ge=0, le=10, description="standard deviation of noise on the inputs; null: what the task is drawn with"
    )
    label_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of training labels changed; in regression, standard deviation of noise on targets",
    )
    data_seed: int = Field(default=0, ge=0, le=SEED_LIMIT, description="seed of the data and of the batch order")
    width: int = Field(default=512, ge=1, le=16384, description="units in each hidden layer")
    depth: int = Field(default=2, ge=1, le=8, description="hidden layers")
    activation: Literal["relu", "tanh", "erf", "gelu", "linear"] = Field(default="relu", description="of the hidden layers")
    bias: bool = Field(default=True, description="whether layers have biases")
    weight_std: float = Field(default=2**0.5, gt=0, le=100, description="factor of the weights, drawn with variance 1 / fan_in")
    bias_std: float = Field(default=1.0, ge=0, le=10, description="factor of the biases, drawn with variance 1")
    parameterization: Literal["ntk", "standard", "mup", "mean-field"] = Field(
        default="ntk", description="how initialization and step sizes depend on the width"
    )
    alpha: float = Field(default=1.0, ge=1e-4, le=1e4, description="output scale; large is lazy")
    centered: bool = Field(default=True, description="subtract the function at initialization")
    init_scale: float = Field(
        default=1.0, gt=0, le=100, description="multiplies every parameter at initialization; large is lazy"
    )
    bottleneck: int | None = Field(default=None, ge=1, le=16384, description="units of one layer instead of width; null: none")
    bottleneck_layer: int = Field(default=1, ge=1, le=8, description="which hidden layer is the bottleneck")
    trainable: Literal["all", "readout"] = Field(
        default="all", description="'readout': the last layer alone, on random features"
    )
    loss: Literal["mse", "cross-entropy"] = Field(default="mse", description="mse, or cross-entropy for tasks with classes")
    optimizer: AnyOptimizer = Field(default="gd", description="of the network and of its twin")
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="null: from the kernel, learning_rate * lambda_max(Theta_0 / N) = 0.25 (1 - momentum) / curvature; "
        "for adam, a first step that moves the outputs by 0.02 of their distance to the targets; "
        "of seeds 0 to 3 the stiffest, whatever seeds run, but at most twice what the run's own would choose",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="heavy-ball coefficient, used by optimizer 'momentum'")
    weight_decay: float = Field(default=0.0, ge=0, le=1000, description="strength of the penalty on the squared parameters")
    decoupled: bool = Field(default=False, description="weight decay apart from momentum and Adam's scaling, as in AdamW")
    batch_size: int | None = Field(default=None, ge=1, le=2048, description="null: 32 for sgd, else all training points")
    steps: int = Field(default=400, ge=0, le=100_000, description="of the optimizer")
    measure_every: int = Field(default=10, ge=1, le=100_000, description="steps between two measurements")
    seeds: int = Field(default=4, ge=1, le=64, description="initializations trained together")
    max_seeds: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="where the verdict at the end straddles a bound, seeds are added until it does not, or so many have run; "
        "null: none are",
    )
    seed: int = Field(default=0, ge=0, le=SEED_LIMIT, description="seed of the first initialization")
    measures: Measures = Field(
        default=(), description="in Python alone: measures of one's own, classes or their import paths 'module:Name'"
    )
    device: Device = Field(default="auto", description="'auto': a GPU where there is one")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_network()
        if self.optimizer == "gd" and self.batch_size is not None:
            raise ValueError(f"batch_size = {self.batch_size} is not allowed with optimizer = 'gd'; allowed: null")
        if self.batch_size is not None and self.batch_size > self.samples:
            raise ValueError(f"batch_size = {self.batch_size} is not allowed; allowed: at most samples = {self.samples}")
        if self.steps > self.MEASUREMENTS * self.measure_every:
            raise ValueError(
                f"measure_every = {self.measure_every} is not allowed with steps = {self.steps}; "
                f"allowed: at most {self.MEASUREMENTS} measurements a run"
            )
        if self.max_seeds is not None and self.max_seeds < self.seeds:
            raise ValueError(f"max_seeds = {self.max_seeds} is not allowed; allowed: null, or at least seeds = {self.seeds}")
        if self.max_seeds not in (None, self.seeds) and self.seed + self.max_seeds - 1 > SEED_LIMIT:
            raise ValueError(
                f"max_seeds = {self.max_seeds} is not allowed with seed = {self.seed}: the last would be over {SEED_LIMIT}; "
                "allowed: null, or a smaller seed"
            )
        if not is_own(self.task):
            self.check_task()
        return self

    def check_task(self) -> None:
        """Refuse what the task does not allow: checked at once, of a task of one's own where a run begins, as it is imported.

        Raises:
            ConfigError: the message names field, value and what is allowed.
        """
        if self.loss == "cross-entropy" and self.classes == 0:
            raise ConfigError(f"loss = 'cross-entropy' is not allowed with task = {self.task!r}, a regression; allowed: 'mse'")
        total, rows = self.samples + self.test_samples + self.probe_samples, self._task.rows
        if rows is not None and total > rows:
            raise ConfigError(
                f"samples + test_samples + probe_samples = {total} is not allowed; "
                f"allowed: at most {rows}, all that {self.task if self.csv is None else 'the table'} has"
            )
        if self.workspace > WORKSPACE_LIMIT:
            raise ConfigError(
                f"width = {self.width}, depth = {self.depth}, seeds = {max(self.rounds)}, samples = {self.samples} need "
                f"{self.workspace / 2**30:.1f} GiB; allowed: at most {WORKSPACE_LIMIT / 2**30:.0f} GiB together"
            )

    def _check_network(self) -> None:
        if self.parameterization == "mean-field" and self.depth != 1:
            raise ValueError(f"depth = {self.depth} is not allowed with parameterization = 'mean-field'; allowed: 1")
        if self.bottleneck_layer > self.depth:
            raise ValueError(f"bottleneck_layer = {self.bottleneck_layer} is not allowed; allowed: 1 to depth = {self.depth}")

    @property
    def _task(self) -> Task:
        if is_own(self.task):
            own = own_task(self.task)
            return Task(own.inputs, own.classes, own.meaning)
        if (own := self.own_rows) is None:
            return TASKS[self.task]
        return Task(own.x.shape[1], len(own.classes), OWN_MEANING, rows=len(own.x))

    @property
    def own_rows(self) -> OwnRows | None:
        """Somebody's own rows as points and targets.

        Raises:
            ValueError: they are no such rows.
        """
        if self.csv is None:
            return None
        try:
            return parse_rows(self.csv, self.choices)
        except ValueError as error:
            raise ValueError(f"csv is not allowed: {error}") from None

    @property
    def read(self) -> Read | None:
        """What was read of somebody's own rows; raises ValueError as `own_rows` does."""
        return None if self.own_rows is None else self.own_rows.read

    @property
    def by_parameter(self) -> bool:
        """Whether the twin is trained in parameter space: by Adam, or by an optimizer of one's own."""
        return self.optimizer == "adam" or is_own(self.optimizer)

    @property
    def batch(self) -> int:
        """Points in one training batch."""
        if self.batch_size is not None:
            return self.batch_size
        return min(32, self.samples) if self.optimizer == "sgd" else self.samples

    @property
    def classes(self) -> int:
        """Classes of the task; 0 in regression."""
        return self._task.classes

    @property
    def outputs(self) -> int:
        """Outputs C of the network: one for regression and two classes, else one a class."""
        return self._task.outputs

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the inputs, of each hidden layer, and of the outputs."""
        hidden = [self.width] * self.depth
        if self.bottleneck is not None:
            hidden[self.bottleneck_layer - 1] = self.bottleneck
        return (self._task.inputs, *hidden, self.outputs)

    @property
    def rounds(self) -> list[int]:
        """Seeds of the run and of what may follow it: each time as many as there are, up to max_seeds."""
        rounds = [self.seeds]
        while self.max_seeds is not None and sum(rounds) < self.max_seeds:
            rounds.append(min(sum(rounds), self.max_seeds - sum(rounds)))
        return rounds

    def further(self, seeds: int, learning_rate: float) -> Self | None:
        """Return the configuration of the seeds to add to the first ones, at their step size; None at max_seeds."""
        count = min(seeds, (self.max_seeds or 0) - seeds)
        changed = {"seed": self.seed + seeds, "seeds": count, "max_seeds": None, "learning_rate": learning_rate}
        return self.model_copy(update=changed) if count > 0 else None

    @property
    def workspace(self) -> int:
        """Bytes the run holds at most, in float32."""
        return self.bytes_of(4)

    def bytes_of(self, item: int) -> int:
        """Return the bytes that the run holds at most: what it keeps, and the largest of what it computes one after another.

        It keeps parameters and their copies, the twin's kernels, activations and output gradients.

        Args:
            item: bytes of a number, 4 or 8.
        """
        seeds, parts = max(self.rounds), (self.samples, self.test_samples, self.probe_samples, PICTURE)
        parameters = sum((i + 1) * o for i, o in pairwise(self.sizes))
        kernel, points = (self.outputs * self.samples) ** 2, sum(parts[:3])
        jacobian = points * sum(self.sizes[1:]) * (self.outputs + 2)
        forecast = (self.steps // self.measure_every + 1) * self.samples * self.outputs
        copies, twin = (10, 0) if self.by_parameter else (6, kernel * points // self.samples)
        kept = seeds * (copies * parameters + twin + 2 * jacobian + forecast + self.samples**2)
        computed = (
            item * 2 * seeds * kernel * (not self.by_parameter),  # kernels, added layer by layer
            24 * seeds * self.samples**2,  # alignments, in float64
            8 * (4 * kernel + 2 * jacobian + 2 * parameters),  # kernel regression of one seed, in float64
            8 * INFINITE * self.samples * max(parts),
        )
        return item * kept + max(computed)

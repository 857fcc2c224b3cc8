"""The toy tasks by name: what each one is, as plain data that configurations, the page and the API share."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from regime.config.own import find
from regime.errors import ConfigError, is_integer, is_text, show

if TYPE_CHECKING:
    from regime.config.toy import ToyConfig

MODULUS = 23
"""Modulus of modular addition, which has 529 pairs in all."""
PARITY_BITS = 20
"""Inputs of parity; all but the first `sparsity` are distraction."""
INDEX_INPUTS = 16
"""Inputs of the single- and multi-index targets."""
SMOOTH_INPUTS = 10
"""Inputs of the smooth target and of the teacher."""


class Task(NamedTuple):
    """A task: its dimension, its classes, and its meaning in one line."""

    inputs: int
    classes: int
    """0 for regression. Two classes are one output, -1 or +1; more are one-hot targets less their mean 1/classes."""
    meaning: str
    rows: int | None = None
    """All points there are; None: as many as wanted."""
    input_noise: float = 0.0
    """Standard deviation of the noise on the inputs where the configuration leaves it open."""

    @property
    def outputs(self) -> int:
        """Outputs C of a network on the task."""
        return outputs(self.classes)


def outputs(classes: int) -> int:
    """Return the outputs C of a network for so many classes, 0 being regression."""
    return classes if classes > 2 else 1


class OwnTask(Protocol):
    """A toy task of one's own: `ToyConfig(task=MyTask)` takes the class, and makes one without arguments.

    Inputs are best of mean 0 and variance 1, and so are the targets of a regression: defaults are chosen for these.
    """

    inputs: int
    """Dimension of the inputs."""
    classes: int
    """0 for regression, else 2 or more."""
    meaning: str
    """One sentence."""

    def draw(self, rng: np.random.Generator, n: int, config: "ToyConfig") -> tuple[np.ndarray, np.ndarray]:
        """Draw n points: inputs (n, inputs), and targets (n,), numbers or classes 0, 1, ...

        Args:
            rng: the only source of randomness, seeded by `data_seed`.
            n: how many points are wanted, training, test and probe points together.
            config: of the run.
        """


def own_task(path: str) -> OwnTask:
    """Import a task of one's own; raises ConfigError where it has not what an OwnTask has."""
    task: OwnTask = find("task", path, "inputs", "classes", "meaning", "draw")
    for name, least in (("inputs", 1), ("classes", 0)):
        if not is_integer(value := getattr(task, name)) or value < least or (name, value) == ("classes", 1):
            raise ConfigError(
                f"task = {show(path)} is not allowed: its {name} = {show(value)}; "
                f"allowed: {'an integer from 1 up' if least else '0 for regression, else an integer from 2 up'}"
            )
    if not is_text(task.meaning):
        raise ConfigError(f"task = {show(path)} is not allowed: its meaning = {show(task.meaning)}; allowed: text")
    if not callable(task.draw):
        raise ConfigError(f"task = {show(path)} is not allowed: its draw = {show(task.draw)}; allowed: a method")
    return task


TASKS = {
    "rings": Task(2, 2, "Two noisy circles, one inside the other; the sign tells which.", input_noise=0.1),
    "spirals": Task(2, 2, "Two interleaved spirals; the sign tells which arm.", input_noise=0.05),
    "xor": Task(2, 2, "Four clouds at the corners of a square; diagonal ones share a sign.", input_noise=0.3),
    "moons": Task(2, 2, "Two interleaved half circles; the sign tells which.", input_noise=0.1),
    "circle": Task(2, 0, "A cosine of chosen frequency on the unit circle, as regression."),
    "sine": Task(1, 0, "A sum of two sine waves of chosen frequency on an interval, as regression."),
    "step": Task(1, 0, "A step from -1 to +1 on an interval, as regression."),
    "parity": Task(PARITY_BITS, 2, f"The product of the first few of {PARITY_BITS} random signs: only features find it."),
    "single-index": Task(INDEX_INPUTS, 0, f"A quadratic of one hidden direction among {INDEX_INPUTS} Gaussian inputs."),
    "multi-index": Task(INDEX_INPUTS, 0, f"The product of a few hidden directions among {INDEX_INPUTS} Gaussian inputs."),
    "smooth": Task(SMOOTH_INPUTS, 0, "Mostly linear, a little quadratic, in Gaussian inputs: kernels do well."),
    "teacher": Task(SMOOTH_INPUTS, 0, "What a random network of four tanh units computes from Gaussian inputs."),
    "modular-addition": Task(
        2 * MODULUS, MODULUS, f"a + b modulo {MODULUS} from one-hot a and b: every answer a class.", rows=MODULUS**2
    ),
    "digits": Task(64, 10, "Handwritten digits of 8 by 8 pixels, ten classes.", rows=1797),
    "breast-cancer": Task(30, 2, "Malignant or benign, from 30 measurements of cell nuclei.", rows=569),
}
"""Every task but `own`, whose dimension and classes its rows decide."""

OWN_MEANING = "Your own rows: columns of numbers, and a target to predict from them."

"""What a toy run costs, from its configuration alone: counted operations over this machine's matmul rate."""

from itertools import pairwise

from regime.config import ToyConfig
from regime.config.toy import PICTURE
from regime.toy.limit import missing
from regime.toy.start import REFERENCE

EFFICIENCY = 0.55
"""Share of the matmul rate that training reaches."""
MEMORY_BOUND = 10
"""How much slower than a matmul a product of matrix and vector is, operation by operation."""
PRODUCTS = 16
"""Lanczos iterations for lambda_max along the run: tangent kernels have one that stands apart."""
CALLS = 1e-4
"""Seconds that a step takes for each layer, beside its arithmetic: the calls of its operations."""
BY_PARAMETER = 3
"""Times as many calls where the twin lives in parameter space."""
MEASURING = 2.5e-2
"""Seconds that a measurement takes beside its arithmetic."""


FULL, REGRESSION, ALIGNMENT, TWIN, LIMIT, ADAM = 4e3, 1.2e4, 9e3, 50, 1.1e4, 1.5e3
"""Operations of a matmul in the time that one number in memory takes (measured): of a full kernel; of one in float64 that is
factored; of a trace kernel that is aligned; of the twin's kernel at a step; of a layer's infinite kernel; of a parameter at a
step of Adam and its twin."""


def parameters(config: ToyConfig) -> int:
    """Return the number of trained parameters of one network."""
    layers = [(inputs + config.bias) * outputs for inputs, outputs in pairwise(config.sizes)]
    return layers[-1] if config.trainable == "readout" else sum(layers)


def training(config: ToyConfig) -> int:
    """Return the floating-point operations of one network's step: forward, backward, and the gradients' products."""
    return 6 * parameters(config) * config.batch


def step(config: ToyConfig) -> int:
    """Return the operations of a step of one network and its twin, weighted so that each is as fast as one of a matmul."""
    count = parameters(config)
    operations = training(config) + 4 * (config.samples * config.outputs) ** 2
    if config.by_parameter:
        operations += 4 * count * config.batch + 24 * MEMORY_BOUND * count
    return operations


def measurement(config: ToyConfig) -> int:
    """Return the operations of one measurement of one network: passes, kernels and the top eigenvalue."""
    c, count = config, parameters(config)
    jacobians = 2 * count * (2 + c.outputs) * (c.samples + c.probe_samples)
    kernels = 4 * c.width * c.depth * c.outputs * (c.samples**2 + c.probe_samples**2)
    lanczos = MEMORY_BOUND * 2 * PRODUCTS * c.samples**2 if c.outputs == 1 else 4 * PRODUCTS * count * c.samples
    return jacobians + kernels + lanczos


def run_seconds(config: ToyConfig, networks: int, rate: float) -> float:
    """Return the seconds that a run takes, measurements included.

    Args:
        config: of the run.
        networks: how many are trained side by side.
        rate: operations of a matmul that this machine does in a second.
    """
    measurements = config.steps // config.measure_every + 1
    operations = networks * (config.steps * step(config) + measurements * measurement(config)) / EFFICIENCY
    calls = config.steps * CALLS * len(config.sizes[1:]) * (BY_PARAMETER if config.by_parameter else 1)
    return (operations + waiting(config, networks, measurements)) / rate + calls + measurements * MEASURING


def waiting(config: ToyConfig, networks: int, measurements: int) -> float:
    """Return the operations of a matmul that would take as long as a run waits for numbers in memory.

    Args:
        config: of the run.
        networks: how many are trained side by side.
        measurements: how often they are measured.
    """
    n, size = config.samples, config.samples * config.outputs
    others = config.test_samples + config.probe_samples
    shown = PICTURE if config.sizes[0] <= 2 and config.outputs == 1 else 0
    chosen = REFERENCE if config.learning_rate is None and (config.seed or config.seeds < REFERENCE) else 0
    full = 0 if config.by_parameter else FULL * size**2 * (networks * (1 + others / n) + chosen)
    stepped = ADAM * parameters(config) if config.by_parameter else TWIN * size**2
    ended = 3 * (REGRESSION * size**2 + 2 * size**3)
    infinite = LIMIT * len(config.sizes[1:]) * n * (n + others + shown) if missing(config) is None else 0
    return full + infinite + networks * (config.steps * stepped + ended + measurements * ALIGNMENT * n**2)

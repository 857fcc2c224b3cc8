"""What a toy run costs, from its configuration alone: counted operations over this machine's matmul rate."""

from itertools import pairwise

from regime.config import ToyConfig

EFFICIENCY = 0.65
"""Share of the matmul rate that training reaches."""
MEMORY_BOUND = 10
"""How much slower than a matmul a product of matrix and vector is, operation by operation."""
PRODUCTS = 16
"""Lanczos iterations for lambda_max along the run: tangent kernels have one that stands apart."""
CALLS = 3e-4
"""Seconds that a step takes beside its arithmetic: the calls of its operations."""
MEASURING = 2.5e-2
"""Seconds that a measurement takes beside its arithmetic."""


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
    operations = networks * (config.steps * step(config) + measurements * measurement(config))
    return operations / (EFFICIENCY * rate) + config.steps * CALLS + measurements * MEASURING

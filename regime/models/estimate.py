"""What a probe will cost: seconds and bytes, from timed passes of a few texts and counted operations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from regime.config import ProbeConfig
from regime.config.own import is_own
from regime.errors import ConfigError
from regime.models.pilot import Pilot
from regime.record.events import Estimate
from regime.resources.memory import MEMORY

ACTIVATIONS = 3
"""Memory of a forward and backward pass, relative to what a capture keeps of it (measured: 2 to 3)."""
COPIES = 9
"""Copies of the weights while a model is observed: loaded, its own, at the start, moved, in double precision (measured)."""

DOUBLE = 4
"""Time of a pass in double precision and one beside it, relative to a forward pass (measured)."""
BESIDE = 1.3
"""Time of a run, relative to that of its passes timed one by one, in memory that they have used before (measured)."""


@dataclass(frozen=True)
class Costs:
    """Seconds of the parts of a run, for one seed, and bytes of all of it."""

    config: ProbeConfig
    begin: float
    step: float
    measure: float
    end: float
    bytes: int

    @property
    def measurements(self) -> int:
        """How often the run is measured."""
        return -(-self.config.steps // self.config.measure_every) + 1

    @property
    def seconds(self) -> float:
        """Seconds of the run's passes, all seeds one after another."""
        each = self.begin + self.config.steps * self.step + self.measurements * self.measure + self.end
        return self.config.seeds * each

    def estimate(self) -> Estimate:
        """Return seconds and bytes of the run."""
        return Estimate(seconds=BESIDE * self.seconds, bytes=self.bytes)


def probe_costs(config: ProbeConfig, known: Pilot, chunk: int) -> Costs:
    """Return what a configuration costs, given what passes of its model take.

    Args:
        config: of the probe.
        known: timed passes of its model.
        chunk: texts that go through the model at once.
    """
    n, held, p = (count * known.length for count in (config.samples, config.held_out, config.probe_samples))
    passed, adam = (1 + known.text) / 2, config.by_parameter
    begin = known.structure + p * (known.capture + DOUBLE * known.forward)
    step = config.batch * known.length * passed * known.backward + known.update
    measured = held * passed * known.forward + p * known.observed + known.structure + known.kernel(config.probe_samples)
    if config.batch < config.samples:
        measured += n * passed * known.forward
    end = 0.0
    if config.forecast:
        begin += known.structure + n * known.capture + (n + held) * passed * known.forward
        if config.labeled:
            regressed = known.structure + held * known.capture
            regressed += known.kernel(config.samples, None, "full") + known.kernel(config.held_out, config.samples, "full")
            begin += regressed
            end += regressed + known.structure + n * known.capture
        if adam:
            step += config.batch * known.length * 2 * known.text * known.forward + known.update
            measured += p * known.text * known.forward
        else:
            begin += known.structure + p * known.capture + known.kernel(config.probe_samples, config.samples, "full")
            if not config.labeled:
                begin += known.kernel(config.samples, None, "full")
    return Costs(config, begin, step, measured, end, _bytes(config, known, 2 * chunk * known.length))


def _bytes(config: ProbeConfig, known: Pilot, few: int) -> int:
    """Weights and what optimizers make of them, the Jacobians that are kept, and a pass of a few tokens."""
    n, held, p = (count * known.length for count in (config.samples, config.held_out, config.probe_samples))
    adam, kept = config.forecast and config.by_parameter, 2 * p
    if config.forecast:
        kept = max(2 * p + (n if adam else 0), p + n + (held if config.labeled else p))
    states = {"momentum": 1, "sgd": 0}.get(config.optimizer, 2)
    twin = (4 + is_own(config.optimizer)) * known.trained if adam else 0
    copies = 2 * known.parameters + (2 + states) * known.trained + twin
    return total_bytes(known, config.seeds * kept, min(few, max(n, p)), known.parameters + config.seeds * copies)


def total_bytes(known: Pilot, kept: int, passed: int, weights: int = 0) -> int:
    """Return the bytes of a run at its peak.

    Args:
        known: passes of its model.
        kept: tokens whose Jacobians are kept.
        passed: tokens that go through the model at once.
        weights: numbers of all copies of the parameters, where that is more than observing takes.
    """
    passing = max(ACTIVATIONS * known.jacobian_bytes, known.passing)  # logits of all words are no part of a Jacobian
    return int(4 * max(weights, COPIES * known.parameters) + kept * known.jacobian_bytes + passed * passing)


def check(config: ProbeConfig, known: Pilot, chunk: int, device: torch.device) -> Costs:
    """Return what a configuration costs, if there is memory for it.

    Args:
        config: of the probe.
        known: timed passes of its model.
        chunk: texts that go through the model at once.
        device: whose memory it is.

    Raises:
        ConfigError: there is not; it says how much is needed, how much there is, and what would fit.
    """
    here = probe_costs(config, known, chunk)
    sizes = ((changes, probe_costs(config.model_copy(update=changes), known, chunk).bytes) for changes in smaller(config))
    check_memory(here.bytes, sizes, device)
    return here


def check_memory(needed: int, smaller: Iterable[tuple[dict[str, Any], int]], device: torch.device) -> None:
    """Refuse a run that there is no memory for.

    Args:
        smaller: changes that make the run smaller and smaller, and the bytes that it then takes.

    Raises:
        ConfigError: it says how much is needed, how much there is, and the first changes that would fit.
    """
    room = MEMORY.room(device)
    if needed <= room:
        return
    fits = next(
        (", ".join(f"{name} = {value}" for name, value in changes.items()) for changes, size in smaller if size <= room), ""
    )
    advice = f"this would fit: {fits}" if fits else "nothing smaller of this model fits"
    raise ConfigError(f"the run needs {needed / 1e9:.2g} GB, and there are {room / 1e9:.2g} GB for it; {advice}")


def smaller(config: ProbeConfig) -> Iterator[dict[str, Any]]:
    """Yield ever smaller versions of a configuration, as changes: without the forecast, with one seed, with fewer texts."""
    changes: dict[str, Any] = {}
    for name, value in (("forecast", False), ("seeds", 1)):
        if getattr(config, name) != value:
            changes = changes | {name: value}
            yield changes
    samples, probes = config.samples, config.probe_samples
    while samples > 8 or probes > 8:
        samples, probes = max(8, samples // 2), max(8, probes // 2)
        changes = changes | {"samples": min(samples, config.samples), "probe_samples": probes}
        if config.batch_size is not None:
            changes["batch_size"] = min(config.batch_size, changes["samples"])
        yield changes


class Progress:
    """How much of a run is done, by its costs."""

    def __init__(self, known: Costs) -> None:
        self.costs, self.done = known, 0.0

    @property
    def fraction(self) -> float:
        """Share of the run that is done, at most 1."""
        return min(1.0, self.done / self.costs.seconds)

    def begun(self) -> None:
        """Count one seed as begun."""
        self.done += self.costs.begin

    def trained(self) -> None:
        """Count one seed's step as taken."""
        self.done += self.costs.step

    def measured(self) -> None:
        """Count one seed's measurement as taken."""
        self.done += self.costs.measure

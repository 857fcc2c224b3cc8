"""The cells of a sweep, and the batches in which they are trained."""

import heapq
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch

from regime.config import ProbeConfig, ToyConfig
from regime.config.sweep import Scalar, SweepConfig
from regime.errors import ConfigError
from regime.resources.device import matmul_rate, pick_device
from regime.resources.limits import limits
from regime.toy import cost
from regime.toy.start import precision, shape

BATCH_BYTES = 2**30
"""Workspace of a batch beyond which it is made smaller."""
LAYER_BYTES = 2**20
"""One layer's activations of a batch on a CPU: with more, steps wait for memory (measured: a fifth slower at width 128)."""
WORTH_SPLITTING = 2.0
"""Seconds of a batch below which its networks are too small to fill a core apart."""
STEP, MEASURED = 1.2e-3, 0.05
"""Seconds that a batch's step takes however small its networks are, and that measuring takes for a cell."""
SAMPLED = 64
"""Cells from whose cost that of very many is told."""


class GridCell(NamedTuple):
    """One cell to be."""

    index: int
    point: dict[str, Scalar]
    config: ToyConfig | ProbeConfig


@dataclass(frozen=True)
class Batch:
    """Cells that are trained together, and about how long that takes on one core."""

    places: Sequence[GridCell]
    seconds: float

    def __lt__(self, other: "Batch") -> bool:
        return self.seconds > other.seconds  # the longest is the first of a heap


def places(config: SweepConfig) -> list[GridCell]:
    """Every cell, the last axis turning fastest.

    Raises:
        ConfigError: there are more than this server or cluster allows; it tells how long they would take. Or two fields
            contradict at one of them.
    """
    allowed = limits().max_cells
    if config.size > allowed:
        raise ConfigError(
            f"axes make {config.size:,} cells, about {_spelled(_sampled(config))} of one core; "
            f"allowed: at most {allowed:,} (REGIME_MAX_CELLS)"
        )
    return [GridCell(index, config.point(cell), cell) for index, cell in enumerate(config.cells())]


def _sampled(config: SweepConfig) -> float:
    """Seconds of all cells, from some of them, evenly spread."""
    stride = max(1, config.size // SAMPLED) | 1  # odd, so that it does not fall on the same values of an axis of even length
    some = []
    for index in range(0, config.size, stride):
        with suppress(ConfigError):  # two fields that contradict
            some.append(seconds([config.cell(index)]))
    return config.size * sum(some) / max(1, len(some))


def _spelled(seconds: float) -> str:
    size, unit = next((size, unit) for size, unit in ((86400, "days"), (3600, "hours"), (0, "seconds")) if seconds >= size)
    return f"{seconds / max(1, size):.0f} {unit}"


def batches(found: Iterable[GridCell], workers: int) -> list[Batch]:
    """Cells of one shape together, the longest batch first, split until as many cores as there are can share the work."""
    groups: dict[object, list[GridCell]] = {}
    for place in found:
        toy = place.config.kind == "toy"
        groups.setdefault((shape(place.config), precision(place.config)) if toy else place.index, []).append(place)
    heap = [_batch(part) for group in groups.values() for part in _fitting(group)]
    heapq.heapify(heap)
    share = sum(batch.seconds for batch in heap) / (2 * workers)
    while workers > 1 and heap and heap[0].seconds > max(share, WORTH_SPLITTING) and len(heap[0].places) > 1:
        largest = heapq.heappop(heap).places
        for half in (largest[::2], largest[1::2]):
            heapq.heappush(heap, _batch(half))
    return sorted(heap)


def toy_bytes(config: ToyConfig) -> int:
    """Return the bytes that a toy cell holds, in the precision that it takes."""
    return config.bytes_of(precision(config).itemsize)


def _batch(group: Sequence[GridCell]) -> Batch:
    return Batch(group, seconds([place.config for place in group]))


def _fitting(group: list[GridCell]) -> list[list[GridCell]]:
    """A group in as few parts as fit into memory, and into a core's cache."""
    config = group[0].config
    if config.kind == "probe":
        return [[place] for place in group]
    most = BATCH_BYTES // toy_bytes(config)
    if pick_device(config.device).type == "cpu":
        layer = config.seeds * config.batch * max(config.sizes) * precision(config).itemsize
        most = min(most, LAYER_BYTES // layer)
    most = max(1, most)
    return [group[first : first + most] for first in range(0, len(group), most)]


def seconds(configs: Sequence[ToyConfig | ProbeConfig]) -> float:
    """What one batch takes on one core: of probes from counted operations, without a look at the model."""
    config, count = configs[0], len(configs)
    if config.kind == "probe":
        return 2.0 + PROBE * config.seeds * (config.steps + config.steps // config.measure_every + 1) * config.samples
    rate = matmul_rate(torch.device("cpu")) / torch.get_num_threads()
    networks = count * config.seeds
    operations = networks * (config.steps * cost.step(config) + 3 * cost.measurement(config)) / cost.EFFICIENCY
    return (operations + cost.waiting(config, networks, 2)) / rate + config.steps * STEP + count * MEASURED


PROBE = 0.02
"""Seconds of a text in a step of a probe of minilm."""

"""What a probe will cost: a few texts passed and timed, the engine's counted operations, and from both seconds and bytes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from regime.config import ProbeConfig
from regime.dynamics.snapshot import Pause, paused
from regime.errors import ConfigError
from regime.kernels.jacobian.capture import capture, learn_structure
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import block_of, owned
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.planning import EFFICIENCY
from regime.models.functions import Inputs
from regime.observe.observer import Turns
from regime.record.events import Estimate
from regime.resources.device import SHARE, free_memory, matmul_rate
from regime.resources.limits import limits

ACTIVATIONS = 3
"""Memory of a forward and backward pass, relative to what a capture keeps of it (measured: 2 to 3)."""
SWEEPS = {"sgd": 3, "momentum": 4, "adamw": 6}
"""Time of an optimizer's step and of clearing the gradients, relative to adding a number to every parameter (measured)."""
CACHED = 16
TRIES, LONG = 5, 0.3
"""Most times that a pass is timed, and the seconds after which two are enough."""


@dataclass(frozen=True)
class Pilot:
    """What passes took, in seconds a token; and what layers are made of, in shapes alone."""

    forward: float
    backward: float
    """Forward and backward together."""
    capture: float
    structure: float
    """Seconds of learning how the model uses its parameters, whatever the batch."""
    product: float
    pullback: float
    update: float
    """Seconds of one optimizer step."""
    jacobians: dict[str, LayerJacobian]
    tokens: int
    """In a Jacobian."""
    length: int
    """Tokens in a text."""
    parameters: int
    trained: int
    blocks: int
    rate: float
    """Multiply-adds a second."""

    def kernel(self, n: int, m: int | None = None, outputs: str = "trace") -> float:
        """Seconds of a kernel of all layers, of n texts against m, or themselves."""
        parts = [part for jacobian in self.jacobians.values() for part in jacobian.parts]
        return sum(part.cost(n, m, outputs, "auto").operations for part in parts) / self.rate

    @property
    def tape_bytes(self) -> float:
        """What is kept of one token."""
        return sum(jacobian.nbytes for jacobian in self.jacobians.values()) / self.tokens


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
        return -(-self.config.steps // self.config.measure_every) + 1

    @property
    def seconds(self) -> float:
        each = self.begin + self.config.steps * self.step + self.measurements * self.measure + self.end
        return self.config.seeds * each

    def estimate(self) -> Estimate:
        return Estimate(seconds=self.seconds, bytes=self.bytes)


_PILOTS: OrderedDict[tuple[Any, ...], Pilot] = OrderedDict()


def pilot(config: ProbeConfig, model: nn.Module, inputs: Inputs, chunk: int) -> Pilot:
    """Time passes of a few texts through the model, once for each model, readout and length of text."""
    length = inputs["input_ids"].shape[1]
    names = (config.model, config.revision, config.readout, config.trainable, config.outputs, config.optimizer)
    key = (*names, length, str(inputs["input_ids"].device))
    if key not in _PILOTS:
        _PILOTS[key] = _pilot(config, model, inputs, chunk)
        while len(_PILOTS) > CACHED:
            _PILOTS.popitem(last=False)
    return _PILOTS[key]


def _pilot(config: ProbeConfig, model: nn.Module, inputs: Inputs, chunk: int) -> Pilot:
    device = inputs["input_ids"].device
    copies = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    _, swept = _timed(lambda: torch._foreach_add_(copies, 1.0), device)
    del copies
    return passes(model, inputs, chunk, swept * SWEEPS[config.optimizer])


def passes(model: nn.Module, inputs: Inputs, chunk: int, update: float = 0.0) -> Pilot:
    """Time passes of a few texts through the model; `update` is that of an optimizer's step, if there is one."""
    (n, length), device = inputs["input_ids"].shape, inputs["input_ids"].device
    few, half = min(n, chunk), max(1, min(n, chunk) // 2)
    batch = {name: tensor[:few] for name, tensor in inputs.items()}
    with undisturbed(model):
        structure, learning = _timed(lambda: learn_structure(model, inputs, None), device)
        jacobians, captured = _timed(lambda: capture(model, inputs, structure=structure, rows=slice(0, half)), device)
    known = {path: jacobian for path, jacobian in jacobians.items() if jacobian is not None}
    outputs, backward = _timed(lambda: _pass(model, batch), device)
    with torch.no_grad():
        _, forward = _timed(lambda: model(**batch), device)
        like = {path: {name: p.detach() for name, p in own.items()} for path, own in owned(model).items()}
        _, product = _timed(lambda: [jacobian.product(like[path]) for path, jacobian in known.items()], device)
        _, pullback = _timed(lambda: [jacobian.pullback(outputs[:half]) for jacobian in known.values()], device)
    return Pilot(
        forward=forward / (few * length),
        backward=backward / (few * length),
        capture=captured / (half * length),
        structure=learning,
        product=product / (half * length),
        pullback=pullback / (half * length),
        update=update,
        jacobians={path: jacobian.bare() for path, jacobian in known.items()},
        tokens=half * length,
        length=length,
        parameters=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        blocks=len({block_of(path) for path in known}),
        rate=EFFICIENCY * matmul_rate(outputs.device) / 2,
    )


@torch.enable_grad()
def _pass(model: nn.Module, batch: Inputs) -> torch.Tensor:
    """Forward and backward, without leaving gradients behind."""
    outputs = model(**batch)
    torch.autograd.grad(outputs.sum(), [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    return outputs.detach()


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """What work gives, and the fastest of some times: the first of all allocates, and others compete for the machine."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < TRIES and sum(times) < LONG):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        result = work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return result, min(times)


def probe_costs(config: ProbeConfig, known: Pilot, chunk: int) -> Costs:
    """What a configuration costs, given what passes of its model take."""
    n, held, p = (count * known.length for count in (config.samples, config.held_out, config.probe_samples))
    adam = config.optimizer == "adamw"
    begin = known.structure + p * (known.capture + known.forward)
    step = config.batch * known.length * known.backward + known.update
    measured = (n + held) * known.forward + p * ((2 + known.blocks) * known.forward + known.product + known.capture)
    measured += known.structure + known.kernel(config.probe_samples)
    end = 0.0
    few = chunk * known.length
    kept = 2 * p
    if config.forecast:
        regression = 2 * known.structure + (n + held) * known.capture
        regression += known.kernel(config.samples, None, "full") + known.kernel(config.held_out, config.samples, "full")
        begin += regression + (n + held) * known.forward
        end += regression
        kept = max(2 * p + (n if adam else 0), p + n + few)
        if adam:
            step += config.batch * known.length * (known.product + known.pullback) + known.update
            measured += (n + p) * known.product
        else:
            begin += known.kernel(config.probe_samples, config.samples, "full")
    states = {"adamw": 2, "momentum": 1, "sgd": 0}[config.optimizer]
    copies = 2 * known.parameters + (2 + states) * known.trained + (4 * known.trained if config.forecast and adam else 0)
    passing = ACTIVATIONS * min(few, n) * known.tape_bytes
    size = 4 * (known.parameters + config.seeds * copies) + config.seeds * kept * known.tape_bytes + passing
    return Costs(config, begin, step, measured, end, int(size))


def check(config: ProbeConfig, known: Pilot, chunk: int, device: torch.device) -> Costs:
    """The same, if there is memory for it.

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
    room = limits().max_bytes or int(SHARE * free_memory(device))
    if needed <= room:
        return
    fits = next(
        (", ".join(f"{name} = {value}" for name, value in changes.items()) for changes, size in smaller if size <= room), ""
    )
    advice = f"this would fit: {fits}" if fits else "nothing smaller of this model fits"
    raise ConfigError(f"the run needs {needed / 1e9:.2g} GB, and there are {room / 1e9:.2g} GB for it; {advice}")


def smaller(config: ProbeConfig) -> Iterator[dict[str, Any]]:
    """Ever smaller versions of a configuration, as changes: without the forecast, with one seed, with fewer texts."""
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


class Clock:
    """How much of a run is done, by its costs."""

    def __init__(self, known: Costs) -> None:
        self.costs, self.done = known, 0.0

    @property
    def fraction(self) -> float:
        return min(1.0, self.done / self.costs.seconds)

    def begun(self) -> None:
        self.done += self.costs.begin

    def trained(self) -> None:
        self.done += self.costs.step

    def measured(self) -> None:
        self.done += self.costs.measure

    def over(self, turns: Turns[Any], step: int) -> Iterator[Pause]:
        """Work in pieces, with pauses that know how much is done."""
        return paused(turns, step, lambda: self.fraction)

"""What passes of a few texts through a model take: timed here, for the estimate of a whole run."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import nn

from regime.config import ProbeConfig
from regime.errors import ConfigError, show
from regime.kernels.jacobian.capture import capture, learn_structure
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import blocks_of
from regime.kernels.jacobian.undisturbed import undisturbed
from regime.kernels.planning import EFFICIENCY
from regime.models.functions import Inputs
from regime.resources.attention import ShortAttention
from regime.resources.device import matmul_rate
from regime.resources.process import full_precision

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
    update: float
    """Seconds of one optimizer step."""
    passing: float
    """Bytes a token that a pass holds: its graph, and gradients on their way."""
    jacobians: dict[str, LayerJacobian]
    tokens: int
    """How many tokens the Jacobians here are of."""
    length: int
    """Tokens in a text, with padding."""
    text: float
    """Share of tokens that are no padding."""
    parameters: int
    trained: int
    blocks: int
    rate: float
    """Multiply-adds a second."""

    def kernel(self, n: int, m: int | None = None, outputs: str = "trace") -> float:
        """Return the seconds that a kernel of all layers takes.

        Args:
            n: texts.
            m: texts to pair them with; None pairs them with themselves.
            outputs: which pairs of outputs, as in `empirical_ntk`.
        """
        parts = [part for jacobian in self.jacobians.values() for part in jacobian.parts]
        return sum(part.cost(n, m, outputs, "auto").operations for part in parts) / self.rate

    @property
    def observed(self) -> float:
        """Seconds a token of comparing the model with its start: a capture, J d, and every block moved alone."""
        return self.capture + self.forward * (self.text + (self.blocks + 1) / 2)  # a block passes what comes after it

    @property
    def jacobian_bytes(self) -> float:
        """Bytes that the Jacobians keep of one token."""
        return sum(jacobian.nbytes for jacobian in self.jacobians.values()) / self.tokens


_PILOTS: OrderedDict[tuple[Any, ...], Pilot] = OrderedDict()
_KEEPING = Lock()


def pilot(config: ProbeConfig, model: nn.Module, inputs: Inputs, chunk: int) -> Pilot:
    """Time passes of a few texts through the model, once for each model, readout and length of text.

    Args:
        config: of the probe.
        model: inside its readout, on its device.
        inputs: the probe texts as tokens.
        chunk: texts that go through the model at once.
    """
    length = inputs["input_ids"].shape[1]
    names = (config.model, config.revision, config.readout, config.trainable, config.outputs, config.optimizer)
    key = (*names, length, str(inputs["input_ids"].device))
    if (known := _PILOTS.get(key)) is None:
        known = _pilot(config, model, inputs, chunk)
        with _KEEPING:
            _PILOTS[key] = known
            while len(_PILOTS) > CACHED:
                _PILOTS.popitem(last=False)
    return known


def _pilot(config: ProbeConfig, model: nn.Module, inputs: Inputs, chunk: int) -> Pilot:
    with torch.enable_grad():
        if not model(**{name: tensor[:1] for name, tensor in inputs.items()}).requires_grad:
            raise ConfigError(
                f"trainable = {show(list(config.trainable))} is not allowed: no output of readout = {config.readout!r} depends "
                "on what it matches; allowed: globs on parameters that outputs depend on"
            )
    device = inputs["input_ids"].device
    copies = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    _, swept = _timed(lambda: torch._foreach_add_(copies, 1.0), device)
    del copies
    return passes(model, inputs, chunk, swept * SWEEPS.get(config.optimizer, SWEEPS["adamw"]))


def passes(model: nn.Module, inputs: Inputs, chunk: int, update: float = 0.0) -> Pilot:
    """Time passes of a few texts through the model.

    Args:
        model: inside its readout, on its device.
        inputs: texts as tokens.
        chunk: texts that go through the model at once.
        update: seconds of an optimizer's step; 0 where there is none.
    """
    (n, length), device = inputs["input_ids"].shape, inputs["input_ids"].device
    few = min(n, chunk)
    batch = {name: tensor[:few] for name, tensor in inputs.items()}
    with full_precision(), ShortAttention():  # as runs pass it
        outputs, backward = _timed(lambda: _pass(model, batch), device)
        with torch.no_grad():
            _, forward = _timed(lambda: model(**batch), device)
    with undisturbed(model):
        structure, learning = _timed(lambda: learn_structure(model, inputs, None), device)
        jacobians, captured = _timed(lambda: capture(model, inputs, structure=structure, rows=slice(0, few)), device)
    known = {path: jacobian for path, jacobian in jacobians.items() if jacobian is not None}
    return Pilot(
        forward=forward / (few * length),
        backward=backward / (few * length),
        capture=captured / (few * length),
        structure=learning,
        update=update,
        passing=structure.bytes_of_stream(outputs.shape[1]) / length,
        jacobians={path: jacobian.bare() for path, jacobian in known.items()},
        tokens=few * length,
        length=length,
        text=inputs["attention_mask"].float().mean().item(),
        parameters=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        blocks=len(set(blocks_of(known).values())),
        rate=EFFICIENCY * matmul_rate(outputs.device) / 2,
    )


@torch.enable_grad()
def _pass(model: nn.Module, batch: Inputs) -> torch.Tensor:
    """Forward and backward, without leaving gradients behind."""
    outputs = model(**batch)
    torch.autograd.grad(outputs.sum(), [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    return outputs.detach()


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Return the result of some work, and the fastest of several times: the first is slow, and others share the machine."""
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

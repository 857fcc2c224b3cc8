"""Two checkpoints of one architecture, as what a Monitor reports of a network that went from one to the other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from regime.composer.monitor import Monitor, Outputs
from regime.kernels.jacobian.batch import Batch, Readout, is_half, mapped, modules_of, widened
from regime.kernels.jacobian.parameters import check_here, unwrapped
from regime.kernels.jacobian.placed import placed
from regime.kernels.jacobian.turns import in_turn
from regime.kernels.jacobian.verify import PRECISION
from regime.kernels.request import check_calls
from regime.observe.agreement import agree
from regime.observe.network import Watched
from regime.record.report import Report
from regime.resources.process import full_precision

ENGINE = "model: "
"""What a refusal of a network by the kernel engine begins with."""

SINGLE = {torch.float64: torch.float32, torch.complex128: torch.complex64}
ALIKE = 1e-3
"""Relative difference of outputs that other precision may make."""


@torch.inference_mode(False)
@full_precision()
def compare(
    before: nn.Module,
    after: nn.Module,
    batch: Batch,
    *,
    readout: Readout | None = None,
    losses: tuple[float, float] | None = None,
    chunk: int | None = None,
    outputs: Outputs = "trace",
    projections: int = 16,
    seed: int = 0,
) -> Report:
    """Two checkpoints of one architecture: what `Monitor` reports of a network that went from one to the other in one step.

    Args:
        before, after: modules with the same parameters and buffers, wrapped or not, compiled in parts or not; neither is
            changed. Weights of `after` that are in double precision are rounded where those of `before` are coarser.
        batch, readout, chunk, outputs, projections, seed: as for `Monitor`.
        losses: the training loss before and after, where known.

    Raises:
        ValueError: as `Monitor` does, and where the two have other parameters or shapes.
    """
    for name, model in (("before", before), ("after", after)):
        if not isinstance(model, nn.Module):
            raise ValueError(f"{name}: an nn.Module is needed, got {type(model).__name__}")
        check_here(unwrapped(model), name)
    if losses is not None and not (isinstance(losses, tuple | list) and len(losses) == 2):
        raise ValueError(f"losses = {losses!r:.80} is not allowed; allowed: two numbers, the losses before and after, or None")
    before, after = unwrapped(before), unwrapped(after)
    start, end = losses or (None, None)
    with in_turn(before, after, *modules_of(readout)):
        then = _others(before, after)
        check_calls(before, batch, readout)
        if not any(map(is_half, then.values())):  # the finer of the two says in which precision both are passed
            batch = mapped(widened, batch)
        with _blaming("before"):
            settings: dict[str, Any] = {"outputs": outputs, "projections": projections, "seed": seed}
            monitor = Monitor(before, batch, readout, loss=start, chunk=chunk, **settings)
        with placed(before, then), _blaming("after"):
            _check_same_function(monitor, after)
            monitor.measure(1, loss=end)
    return monitor.report()


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Name the network as the caller does in what is refused of it."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(ENGINE):
            raise
        raise type(error)(f"{name}: {str(error).removeprefix(ENGINE)}") from None


def _check_same_function(monitor: Monitor, after: nn.Module) -> None:
    """Refuse a network whose outputs are not those of the one watched with its tensors in the place of that one's own."""
    own = monitor.observer
    if next(after.parameters()).device != monitor.device:
        return  # where the batch is not
    batch, alike = own.batch, PRECISION
    if (double := _is_double(after)) != _is_double(own.model):
        alike = ALIKE
        others = {single: finer for finer, single in SINGLE.items()} if double else SINGLE
        batch = mapped(lambda tensor: tensor.to(others.get(tensor.dtype, tensor.dtype)), batch)
    watched = Watched(after, batch, own.readout, own.chunk)
    if not agree(own, watched, lambda rounding: max(alike, rounding**0.5)):
        raise ValueError(
            "after: it computes something else than `before` does with the tensors of `after`: "
            "their modules, or what these keep beside parameters and buffers, differ"
        )


def _is_double(model: nn.Module) -> bool:
    return any(parameter.dtype in SINGLE for parameter in model.parameters())


def _others(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """The tensors of `after`, to be put in the place of those of `before`.

    Raises:
        ValueError: it has other ones, or of other shapes; the message names the first, or the prefix of all.
    """
    own, others = _plain(before.state_dict()), _plain(after.state_dict())
    for name, one, two in (("before", own, others), ("after", others, own)):
        longest = max(one, key=len, default="")
        prefix = next((longest.removesuffix(other) for other in two if other and longest.endswith(f".{other}")), "")
        if prefix and {f"{prefix}{other}" for other in two} == one.keys():
            raise ValueError(f"{name}: its parameters are those of the other under the prefix {prefix!r}; pass that module")
    odd = sorted(own.keys() ^ others.keys()) or [name for name in own if _shape(own[name]) != _shape(others[name])]
    parameters = [_plain(dict(model.named_parameters())).keys() for model in (before, after)]
    odd = odd or sorted(parameters[0] ^ parameters[1])
    if odd:
        raise ValueError(f"another architecture: the two differ in {', '.join(odd[:3])}")
    tensors = _plain(dict(after.named_parameters()) | dict(after.named_buffers()))
    pairs = {
        name: (own, tensors[_bare(name)])
        for name, own in (dict(before.named_parameters()) | dict(before.named_buffers())).items()
        if _bare(name) in tensors
    }
    return {name: _like(other, own) for name, (own, other) in pairs.items() if other.shape == own.shape}


def _bare(name: str) -> str:
    """A name as it is where no part of the network is compiled."""
    return name.replace("_orig_mod.", "")


def _plain(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {_bare(name): value for name, value in tensors.items()}


def _shape(value: object) -> torch.Size | None:
    return value.shape if isinstance(value, Tensor) else None


def _like(tensor: Tensor, own: Tensor) -> Tensor:
    """A tensor where another is, and at least as fine, but never double where the batch that suits the other is single."""
    dtype = torch.promote_types(tensor.dtype, own.dtype)
    value = tensor.detach().to(own.device, dtype if dtype == own.dtype else SINGLE.get(dtype, dtype))
    return nn.Parameter(value, requires_grad=tensor.requires_grad) if isinstance(own, nn.Parameter) else value

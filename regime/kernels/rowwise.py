"""Models made of functions that treat each row apart, such as MLPs: one example tells all that a recording must know.

By induction over the calls: rows of the batch belong to one example each, and so do rows of any function of the list below,
whatever the other rows are. Nothing is left for a second probe to find out.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from regime.kernels.batch import Batch, Readout, select
from regime.kernels.recording import Axis, Log, Shared, Site, Structure, consumers, tensors_in

ENTRYWISE = {
    functional.relu, torch.relu, Tensor.relu, torch.tanh, Tensor.tanh, torch.erf, Tensor.erf, functional.gelu,
    functional.silu, functional.elu, functional.selu, functional.leaky_relu, functional.softplus, functional.mish,
    torch.sigmoid, Tensor.sigmoid, torch.sin, torch.cos, torch.add, torch.mul, torch.sub,
    Tensor.add, Tensor.mul, Tensor.sub, Tensor.__add__, Tensor.__mul__, Tensor.__sub__,
}  # fmt: skip
"""Functions of entries in the same place, and of numbers."""


class _Rows(Log):
    """Logs calls, as long as each treats the rows of what came before apart."""

    def __init__(self, batch: Tensor) -> None:
        super().__init__()
        self.known = {id(batch): batch}
        self.apart = True

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = super().__torch_function__(function, types, args, kwargs)
        self.apart = (
            self.apart and isinstance(output, Tensor) and output.dim() == 2 and self._treats_apart(function, args, kwargs)
        )
        if self.apart:
            self.known[id(output)] = output
        return output

    def _treats_apart(self, function: Callable, args: tuple, kwargs: dict | None) -> bool:
        met = list(tensors_in((args, kwargs or {})))
        if function is functional.linear:
            return id(met[0]) in self.known and all(isinstance(each, nn.Parameter) for each in met[1:])
        return function in ENTRYWISE and all(id(each) in self.known for each in met)


def learn_rows(model: nn.Module, batch: Batch, readout: Readout | None, parameters: Iterable[nn.Parameter]) -> Structure | None:
    """The structure of a model of rows (n, features) that treats each apart; None where it does anything else.

    Raises:
        ValueError: as `evaluate` does.
    """
    if not isinstance(batch, Tensor) or batch.dim() != 2 or not batch.is_floating_point() or readout is not None:
        return None
    example = select(batch, [0])
    with _Rows(example) as log:
        outputs = model(example)
    if not log.apart or id(outputs) not in log.known:
        return None
    users, row = consumers(log.calls), Axis(0, 1)
    sites = {
        id(call): Site(call.function, row, tuple(None if isinstance(t, nn.Parameter) else row for t in call.tensors), [])
        for call in log.calls
    }
    shared = {parameter: Shared([sites[id(call)] for call in users.get(id(parameter), [])]) for parameter in parameters}
    result_bytes = sum(output.nbytes for call in log.calls for output in call.outputs)
    return Structure(shared, [0], outputs.detach(), result_bytes)

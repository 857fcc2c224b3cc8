"""Functions that torch runs whole, taken as the calls they are composed of, which have rules of their own.

Recurrent layers become a linear layer over all time steps and one at each step; attention keeps torch's own code.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

States = Sequence[Tensor]
"""What a recurrent layer hands from step to step, (n, hidden) each; the first is its result."""
Cell = Callable[[Tensor, States, Callable[[Tensor], Tensor]], States]
"""(what the inputs give the gates, states, the linear layer of the hidden state) -> states."""


class Composed(TorchFunctionMode):
    """Sees every call of a torch function, and inside those of `COMPOSED`."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        """Whether a function was seen inside."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        calls = COMPOSED.get(function)
        if calls is None:
            return self._called(function, args, kwargs or {})
        self.opened = True
        with self:
            return calls(*args, **(kwargs or {}))

    def _called(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What a function gives, which is looked at."""
        raise NotImplementedError


def _recurrent(cell: Cell, x: Tensor, *settings: Any) -> tuple[Tensor, ...]:
    """Return the results of a recurrent layer: outputs, and the last states.

    Args:
        cell: one step.
        x: inputs (T, n, i), (n, T, i), or packed, those of a step after those of the step before.
        settings: as torch.lstm and its kin have them, with the numbers of examples of each step where packed.
    """
    if isinstance(settings[2], bool):
        sizes, (start, weights, _, layers, dropout, training, both, first) = None, settings
    else:
        sizes, start, weights, _, layers, dropout, training, both = settings
        sizes, first = sizes.tolist(), False
    ways, starts, ends = 1 + both, start if isinstance(start, tuple | list) else (start,), []
    for layer in range(layers):
        results = []
        for way in range(ways):
            k = layer * ways + way
            own = weights[k * len(weights) // (layers * ways) : (k + 1) * len(weights) // (layers * ways)]
            result, end = _run(cell, x, [each[k] for each in starts], own, sizes, first, bool(way))
            results.append(result)
            ends.append(end)
        x = torch.cat(results, -1) if both else results[0]
        x = functional.dropout(x, dropout, training) if dropout and layer < layers - 1 else x
    return x, *(torch.stack(each) for each in zip(*ends, strict=True))


def _run(
    cell: Cell, x: Tensor, states: Any, weights: list[Tensor], sizes: list[int] | None, first: bool, backward: bool
) -> tuple[Tensor, States]:
    """One layer, one way: its outputs in order of time, and its last states.

    Args:
        cell, x: as in `_recurrent`.
        states: to begin with.
        weights: of inputs and hidden state, their biases if there are, and a projection of the result if there is.
        sizes, first: the numbers of examples of each step where packed, else whether examples come before time.
        backward: whether the last step comes first.
    """
    given, hidden, *rest = weights
    biases = rest[:2] if len(rest) > 1 else (None, None)
    steps = functional.linear(x, given, biases[0])
    steps = steps.unbind(int(first)) if sizes is None else steps.split(sizes)
    results = []
    for step in reversed(steps) if backward else steps:
        n = len(step)
        whole = n == len(states[0])
        new = cell(step, states if whole else [each[:n] for each in states], lambda h: functional.linear(h, hidden, biases[1]))
        if len(rest) % 2:
            new = (functional.linear(new[0], rest[-1]), *new[1:])
        results.append(new[0])
        states = new if whole else [torch.cat([one, other[n:]]) for one, other in zip(new, states, strict=True)]
    results = results[::-1] if backward else results
    return torch.stack(results, int(first)) if sizes is None else torch.cat(results), states


def _lstm(gates: Tensor, states: States, linear: Callable[[Tensor], Tensor]) -> States:
    h, c = states
    i, f, g, o = (gates + linear(h)).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(gates: Tensor, states: States, linear: Callable[[Tensor], Tensor]) -> States:
    (h,) = states
    (r, z, n), (r2, z2, n2) = (each.chunk(3, -1) for each in (gates, linear(h)))
    n, z = torch.tanh(n + torch.sigmoid(r + r2) * n2), torch.sigmoid(z + z2)
    return (n + z * (h - n),)


def _rnn(activation: Callable[[Tensor], Tensor], gates: Tensor, states: States, linear: Callable[[Tensor], Tensor]) -> States:
    return (activation(gates + linear(states[0])),)


def _attention(*args: Any, **settings: Any) -> tuple[Tensor, Tensor | None]:
    """Multi-head attention, its output layer on (T, n, features): torch's own puts time and examples on one axis."""
    attended, weights = ATTENTION(*args, **settings)
    return functional.linear(attended, *args[11:13]), weights


ATTENTION = FunctionType(
    functional.multi_head_attention_forward.__code__,
    vars(functional) | {"has_torch_function": lambda _: False, "linear": lambda x, *_: x},
    argdefs=functional.multi_head_attention_forward.__defaults__,
)
"""Torch's own code for attention, seen inside, without its output layer."""
COMPOSED: dict[Callable, Callable[..., Any]] = {
    torch.lstm: partial(_recurrent, _lstm),
    torch.gru: partial(_recurrent, _gru),
    torch.rnn_tanh: partial(_recurrent, partial(_rnn, torch.tanh)),
    torch.rnn_relu: partial(_recurrent, partial(_rnn, torch.relu)),
    functional.multi_head_attention_forward: _attention,
}
"""Function -> the same in other calls."""

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

from regime.kernels.jacobian.undisturbed import RECURRENT

States = Sequence[Tensor]
"""What a recurrent layer hands from step to step, (n, hidden) each; the first is its result."""
Cell = Callable[[Tensor, Tensor, States], States]
"""(the linear layer of the inputs, that of the hidden state, states) -> states."""


class Composed(TorchFunctionMode):
    """Sees every call of a torch function, and inside those of `COMPOSED`."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        """Whether a function was seen inside."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        calls = COMPOSED.get(function)
        if calls is None or (kwargs and function in RECURRENT):
            return self._called(function, args, kwargs or {})
        self.opened = True
        return self._open(function, calls, args, kwargs or {})

    def _open(self, function: Callable, calls: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What a function gives that is seen inside."""
        del function
        return calls(self, *args, **kwargs)

    def _called(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """What a function gives, which is looked at."""
        raise NotImplementedError


def _recurrent(cell: Cell, seen: TorchFunctionMode, x: Tensor, *settings: Any) -> tuple[Tensor, ...]:
    """Return the results of a recurrent layer: outputs, and the last states.

    Args:
        cell: one step.
        seen: sees the linear layers; no other call meets a parameter.
        x: inputs (T, n, i), (n, T, i), or packed, those of a step after those of the step before.
        settings: as torch.lstm and its kin have them, with the numbers of examples of each step where packed.
    """
    if isinstance(settings[2], bool):
        start, weights, _, layers, dropout, training, both, first = settings
        cut, join = partial(torch.unbind, dim=int(first)), partial(torch.stack, dim=int(first))
    else:
        sizes, start, weights, _, layers, dropout, training, both = settings
        cut, join = partial(torch.split, split_size_or_sections=sizes.tolist()), torch.cat
    ways, starts, ends = 1 + both, start if isinstance(start, tuple | list) else (start,), []
    each = len(weights) // (layers * ways)
    for layer in range(layers):
        results = []
        for k in range(layer * ways, (layer + 1) * ways):
            order = slice(None, None, -1 if k % ways else 1)
            linear, step = _layer(cell, seen, weights[k * each : (k + 1) * each])
            found, end = _run(step, cut(linear(x))[order], [state[k] for state in starts])
            results.append(join(found[order]))
            ends.append(end)
        x = torch.cat(results, -1) if both else results[0]
        x = functional.dropout(x, dropout, training) if dropout and layer < layers - 1 else x
    return x, *(torch.stack(state) for state in zip(*ends, strict=True))


def _layer(
    cell: Cell, seen: TorchFunctionMode, weights: Sequence[Tensor]
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, States], States]]:
    """The linear layer of the inputs, and a step from its results.

    Args:
        cell, seen: as in `_recurrent`.
        weights: of inputs and hidden state, their biases if there are, and a projection of the result if there is.
    """
    given, hidden, *rest = weights
    biases = rest[:2] if len(rest) > 1 else (None, None)

    def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        with seen:
            return functional.linear(x, weight, bias)

    def step(x: Tensor, states: States) -> States:
        new = cell(x, linear(states[0], hidden, biases[1]), states)
        return (linear(new[0], rest[-1]), *new[1:]) if len(rest) % 2 else new

    return lambda x: linear(x, given, biases[0]), step


def _run(step: Callable[[Tensor, States], States], steps: Sequence[Tensor], states: States) -> tuple[list[Tensor], States]:
    """The results of each step, and the last states; a step may be of the first examples alone."""
    results = []
    for x in steps:
        n = len(x)
        whole = n == len(states[0])
        new = step(x, states if whole else [state[:n] for state in states])
        states = new if whole else [torch.cat([one, state[n:]]) for one, state in zip(new, states, strict=True)]
        results.append(new[0])
    return results, states


def _lstm(given: Tensor, moved: Tensor, states: States) -> States:
    i, f, g, o = (given + moved).chunk(4, -1)
    c = torch.sigmoid(f) * states[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(given: Tensor, moved: Tensor, states: States) -> States:
    (r, z, n), (r2, z2, n2) = given.chunk(3, -1), moved.chunk(3, -1)
    n, z = torch.tanh(n + torch.sigmoid(r + r2) * n2), torch.sigmoid(z + z2)
    return (n + z * (states[0] - n),)


def _rnn(activation: Callable[[Tensor], Tensor], given: Tensor, moved: Tensor, states: States) -> States:
    del states
    return (activation(given + moved),)


def _attention(seen: TorchFunctionMode, *args: Any, **settings: Any) -> tuple[Tensor, Tensor | None]:
    """Multi-head attention, its output layer on (T, n, features): torch's own puts time and examples on one axis."""
    with seen:
        attended, weights = ATTENTION(*args, **settings)
        return functional.linear(attended, *args[11:13]), weights


def _grouped(seen: TorchFunctionMode, x: Tensor, weights: Tensor, offs: Tensor | None = None, **settings: Any) -> Tensor:
    """A layer of experts that has the rows (R, i) of one expert after those of another, and weights (S, i, o)."""
    if offs is None or x.dim() + weights.dim() != 5 or any(value is not None for value in settings.values()):
        return torch._grouped_mm(x, weights, offs, **settings)
    with seen:
        *rows, left = torch.tensor_split(x, offs.tolist())
        found = [each @ weight for each, weight in zip(rows, weights.unbind(), strict=True)]
        return torch.cat([*found, left.new_zeros(len(left), weights.shape[2])])


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
} | ({torch._grouped_mm: _grouped} if hasattr(torch, "_grouped_mm") else {})
"""Function -> the same in other calls."""

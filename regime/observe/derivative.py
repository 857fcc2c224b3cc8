"""Whether gradients are the derivatives of the outputs: those of detached parts and of estimators of gradients are not."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from regime.kernels.jacobian.functions import named
from regime.kernels.jacobian.verify import PRECISION
from regime.observe.network import NUDGE

if TYPE_CHECKING:
    from regime.observe.observer import Observer

SECANT = 0.1
"""Share of a small step's change that its linear prediction may miss."""
CONSTANT = named("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like")
CONSTANT |= named("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")
"""Functions that take of a tensor its shape and type alone."""
HOOKED = named("register_hook")


def is_estimated(function: Callable, takes: list[Tensor], gives: list[Tensor]) -> bool:
    """Return whether gradients may be others than derivatives after a call in which all parameters require gradients.

    It ends a graph, as `detach` does, or stands behind a Python class of gradients, a fake quantization or a hook.

    Args:
        function: that was called.
        takes: its tensors.
        gives: its results.
    """
    if function in HOOKED or any(_is_own(tensor) for tensor in (*takes, *gives)):
        return True
    ended = any(tensor.is_floating_point() and not tensor.requires_grad for tensor in gives)
    return ended and function not in CONSTANT and any(tensor.requires_grad for tensor in takes)


def _is_own(tensor: Tensor) -> bool:
    node = tensor.grad_fn
    return isinstance(node, BackwardCFunction) or "FakeQuantize" in type(node).__name__


@torch.no_grad()
def derives(network: "Observer", change: Float[Tensor, "P C"], nudges: dict[str, Tensor]) -> bool:
    """Return whether small steps go where gradients say: all layers' together, and each one's where there is cause for doubt.

    Args:
        network: with J_0, at the start.
        change: of the outputs, where all trained parameters have moved.
        nudges: how far they have, by full name.
    """
    if network.rounding > PRECISION:
        return not network.estimated  # small steps drown in rounding: believed unless there is cause for doubt
    least = 8 * network.rounding * float(network.start.norm())
    rounding = 4 * network.noise + least
    exact = cache(lambda: network.exact({}))

    def changes(nudges: dict[str, Tensor], coarse: bool) -> Iterator[Tensor]:
        """How far steps go: with finer numbers also small ones, in which a curve is straight; else one there and one back."""
        if (start := exact()) is None:
            ahead, behind = (network.nudged({name: sign * nudge for name, nudge in nudges.items()}) for sign in (1, -1))
            yield (ahead - behind) / 2
            return
        for share in (1.0, NUDGE) if coarse else (NUDGE,):
            yield (network.exact(nudges, share) - start) / share

    expected = {path: _expected(network, path, nudges) for path in network.jacobians}
    total = sum(expected.values())
    if _misses(change, total, rounding):
        least = least if exact() is None else 0.0
        if all(_misses(found, total, least) for found in changes(nudges, coarse=False)):
            return False
    for path in expected if network.estimated else ():
        own = {name: nudges[name] for name in network.trained[path].values()}
        if all(_misses(found, expected[path], rounding) for found in changes(own, coarse=True)):
            return False
    return True


def _expected(network: "Observer", path: str, nudges: dict[str, Tensor]) -> Float[Tensor, "P C"]:
    """What gradients say of a layer's nudge: nothing where none reaches it."""
    network.tick()
    if (jacobian := network.jacobians[path]) is None:
        return torch.zeros_like(network.start)
    return jacobian.product({own: nudges[name] for own, name in network.trained[path].items()})


def _misses(change: Tensor, expected: Tensor, rounding: float) -> bool:
    return bool((change - expected).norm() > SECANT * expected.norm() + rounding)

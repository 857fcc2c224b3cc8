"""Whether two networks are the same function of their probe examples, however their modules are set."""

from collections.abc import Callable

from regime.kernels.jacobian.verify import near
from regime.observe.network import Watched
from regime.observe.state import same_value


def agree(one: Watched, other: Watched, relative: Callable[[float], float]) -> bool:
    """Return whether two networks give the same outputs for their probe examples, but for rounding.

    Args:
        one, other: each with its own batch of the same examples, and on one device.
        relative: the unit of rounding of the coarsest numbers in either -> the relative error that it may make.
    """
    here, there = one.evaluate(one.batch), other.evaluate(other.batch)
    here, error = here.to(there), relative(max(one.rounding, other.rounding))
    # what is the same is so where it is not finite, too
    return same_value(here, there) or near(here, there, error, lambda: max(one.noise_of(here), other.noise_of(there)))

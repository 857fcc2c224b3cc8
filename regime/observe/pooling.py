"""The mean over positions, which a readout takes of hidden states and a measure of representations."""

from jaxtyping import Float
from torch import Tensor


def mean_pool(hidden: Float[Tensor, "n T d"], mask: Tensor) -> Float[Tensor, "n d"]:
    """Return the mean over positions that are not padding; the mask (n, T) is 1 at those, 0 at padding."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)

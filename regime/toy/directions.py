"""What a toy network of many inputs predicts, and the input directions that it looks along."""

from dataclasses import replace
from math import isfinite

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.record.packing import pack
from regime.toy.network import Layer, Network, first_network
from regime.toy.tasks import Split

PREDICTED = 64
"""Held-out points whose predictions an event has."""
TOP = 3
"""Directions that an event has."""
INPUTS = 256
"""Most inputs whose directions fit into an event."""
SHAPES = {"digits": [8, 8]}
"""Inputs that are images."""


def average_gradient_outer_product(
    network: Network, parameters: list[Layer], x: Float[Tensor, "n i"]
) -> Float[Tensor, "S i i"]:
    """Return the average gradient outer product of the outputs with respect to the inputs.

    M = 1/n sum_x sum_c grad f_c(x) grad f_c(x)^T, in float64: the directions along which the network's outputs change, that is,
    the features of its inputs. (Radhakrishnan et al. 2024, Science 383, "Mechanism for feature learning in neural networks".)

    Args:
        network: the architecture; frozen layers pass gradients on as the others do.
        parameters: of S networks.
        x: n inputs.
    """
    whole = replace(network, first_trained=0).jacobian(parameters, x)
    first, scale = parameters[0].weight.double(), network.scales[0].weight
    rows = scale * whole.gradients[0].double().flatten(1, 2) @ first
    return rows.mT @ rows / len(x)


def shape(task: str, x: Float[Tensor, "n i"]) -> dict[str, object]:
    """Return how an input is drawn: its shape."""
    return {"directions": {"shape": SHAPES.get(task, [x.shape[1]])}}


def targets(test: Split) -> dict[str, object]:
    """Return the targets of held-out points, and which output is shown of each.

    Shown is the only output, where `classes` is null, or the one of the true class, which `classes` has.
    """
    shown = _shown(test.y)
    classes = None if test.y.shape[1] == 1 else shown.flatten().tolist()
    return {"predictions": {"classes": classes, **predictions(test.y, targets=test.y.unsqueeze(0))}}


def predictions(y: Float[Tensor, "n C"], **learners: Float[Tensor, "S n C"]) -> dict[str, object]:
    """Return the output that is shown of each of the first held-out points, of every learner's first seed."""
    shown = _shown(y)
    return {name: pack(values[0, : len(shown)].gather(1, shown)) for name, values in learners.items()}


def _shown(y: Float[Tensor, "n C"]) -> Int[Tensor, "m 1"]:
    return y[:PREDICTED].argmax(1, keepdim=True)


def directions(network: Network, parameters: list[Layer], x: Float[Tensor, "n i"]) -> dict[str, object]:
    """Return the first seed's average gradient outer product M, for drawing.

    `trace` is that of M, null where it is not finite or zero; `diagonal` and `shares`, the largest eigenvalues, are relative
    to it; `vectors` are their eigenvectors of length 1, the largest entry of each positive.

    Args:
        network: the architecture.
        parameters: of one seed or more.
        x: probe points.
    """
    matrix = average_gradient_outer_product(network, first_network(parameters), x)[0]
    trace = matrix.trace().item()
    if not (isfinite(trace) and trace > 0):
        return {"trace": None, "diagonal": "", "shares": "", "vectors": ""}
    shares, vectors = torch.linalg.eigh(matrix / trace)
    vectors = vectors.T.flip(0)[:TOP]
    signs = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return {
        "trace": trace,
        "diagonal": pack(matrix.diagonal() / trace),
        "shares": pack(shares.flip(0)[:TOP]),
        "vectors": pack(signs * vectors),
    }

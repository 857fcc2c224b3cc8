"""Backward passes through a recorded batch: the gradients of each output, given to each call."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.jacobian.recording import Use
from regime.kernels.jacobian.trace import by_example

ELEMENTARY = ("Addmm", "Mm", "T", "View", "Squeeze", "Unsqueeze", "Expand", "Mean", "Add", "Mul", "Relu", "Tanh", "Gelu", "Erf")
BATCHED = {"torch::autograd::AccumulateGrad", "SumBackward1", *(f"{name}Backward0" for name in ELEMENTARY)}
"""Nodes that differentiate several outputs at once in less time than one by one."""


def graph_under(outputs: Tensor) -> set[Any]:
    """Return the nodes of the autograd graph under the outputs; those of scripted modules are of another class.

    Raises:
        ValueError: a part of it hides in a reentrant checkpoint.
    """
    stack = [] if outputs.grad_fn is None else [outputs.grad_fn]
    found = set(stack)
    while stack:
        node = stack.pop()
        if node.name() == "CheckpointFunctionBackward":
            raise ValueError("model: reentrant gradient checkpointing hides its layers; use use_reentrant=False, or none")
        new = {following for following, _ in node.next_functions if following is not None} - found
        found |= new
        stack += new
    return found


def differentiate(outputs: Float[Tensor, "n C"], uses: Sequence[Use], graph: set[Any]) -> None:
    """Give each call the gradients of every output with respect to its result.

    Args:
        outputs: of n examples.
        uses: calls whose results the outputs depend on.
        graph: under the outputs.
    """
    if not uses:
        return
    n, c = outputs.shape
    edges, settings = [use.edge for use in uses], {"retain_graph": True, "materialize_grads": True}
    if c > 1 and all(node.name() in BATCHED for node in graph):
        each = torch.eye(c, dtype=outputs.dtype, device=outputs.device).unsqueeze(1).expand(c, n, c)
        found = torch.autograd.grad(outputs, edges, each, is_grads_batched=True, **settings)
    else:
        found = zip(*(torch.autograd.grad(outputs[:, k].sum(), edges, **settings) for k in range(c)), strict=True)
    for use, gradients in zip(uses, found, strict=True):
        use.gradients += [by_example(gradient, use.site.axis) for gradient in gradients]

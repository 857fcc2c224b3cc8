"""Backward passes through a recorded batch: the gradients of each output, given to each call as soon as they are there."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from regime.kernels.jacobian.group_norm import check_order
from regime.kernels.jacobian.parameters import Layers
from regime.kernels.jacobian.recording import Use
from regime.kernels.jacobian.trace import by_example

Graph = dict[Any, list[Any]]
"""The nodes of an autograd graph, each with those that are next to it on the way to the outputs."""

ELEMENTARY = ("Addmm", "Mm", "T", "View", "Squeeze", "Unsqueeze", "Expand", "Mean", "Add", "Mul", "Relu", "Tanh", "Gelu", "Erf")
BATCHED = {"torch::autograd::AccumulateGrad", "SumBackward1", *(f"{name}Backward0" for name in ELEMENTARY)}
"""Nodes that differentiate several outputs at once in less time than one by one."""
UNKNOWN = "torch::autograd::WarnNotImplemented"
"""The node of an operator that nobody gave a derivative: torch warns there, and passes no gradient on."""


def graph_under(outputs: Tensor) -> Graph:
    """Return the autograd graph under the outputs; nodes of scripted modules are of another class.

    Raises:
        ValueError: a part of it hides in a reentrant checkpoint.
    """
    stack = [] if outputs.grad_fn is None else [outputs.grad_fn]
    graph: Graph = {node: [] for node in stack}
    while stack:
        node = stack.pop()
        if node.name() == "CheckpointFunctionBackward":
            raise ValueError("model: reentrant gradient checkpointing hides its layers; use use_reentrant=False, or none")
        for following, _ in node.next_functions:
            if following is not None:
                if following not in graph:
                    graph[following] = []
                    stack.append(following)
                graph[following].append(node)
    return graph


def check_derivatives(graph: Graph, layers: Layers) -> None:
    """Refuse a graph in which a gradient is lost on its way to a parameter, at an operator without a derivative.

    Raises:
        ValueError: it names the first such parameter; or as `check_order` does.
    """
    check_order(graph)
    if not (unknown := {node for node in graph if node.name() == UNKNOWN}):
        return
    for path, own in layers.items():
        for name, parameter in own.items():
            if _above([get_gradient_edge(parameter).node], graph) & unknown:
                raise ValueError(
                    f"model: an operator without a derivative, such as a quantized one, lies between {name} of {path} and the "
                    "outputs; register its derivative, or freeze what lies before it with requires_grad_(False)"
                )


def differentiate(
    outputs: Float[Tensor, "n C"], uses: Sequence[Use], graph: Graph, arrived: Callable[[Use], None], keep: bool = False
) -> None:
    """Give each call the gradients of every output with respect to its result, and then call `arrived` with it.

    In the last backward pass the graph and its activations are let go of on the way. `arrived` is called before the call's own
    node is passed, mostly; the gradients of a call that no other lies under are held until the end.

    Args:
        outputs: of n examples.
        uses: calls whose results the outputs depend on.
        graph: under the outputs.
        arrived: told of each call once.
        keep: whether the graph is needed again.
    """
    n, c = outputs.shape
    if not uses:
        return
    if c > 1 and not torch.is_anomaly_enabled() and all(node.name() in BATCHED for node in graph):
        each = torch.eye(c, dtype=outputs.dtype, device=outputs.device).unsqueeze(1).expand(c, n, c)
        found = gradients_at(outputs, uses, each, is_grads_batched=True, retain_graph=keep)
        for use in reversed(uses):
            use.gradients = [by_example(gradient, use.site.axis) for gradient in found.pop()]
            arrived(use)
        return

    missed: set[Use] = set()

    def met(use: Use, gradient: Tensor) -> None:
        missed.discard(use)
        use.gradients.append(by_example(gradient, use.site.axis))
        if len(use.gradients) == c:
            with torch.enable_grad():
                arrived(use)

    def hook(use: Use) -> Callable[[Sequence[Tensor | None]], None]:
        def seen(gradients: Sequence[Tensor | None]) -> None:
            if (gradient := gradients[use.edge.output_nr]) is not None:
                met(use, gradient)

        return seen

    ends = _ends(uses, graph)
    hooks = [use.edge.node.register_prehook(hook(use)) for use in uses if use not in ends]
    try:
        for k in range(c):
            missed.update(uses)
            found = gradients_at(outputs[:, k].sum(), ends, retain_graph=keep or k < c - 1)
            for use, gradient in zip(ends, found, strict=True):
                met(use, gradient)
            for use in [use for use in uses if use in missed]:  # this output does not depend on them
                met(use, _no_gradient(use))
    finally:
        for each in hooks:
            each.remove()


def gradients_at(outputs: Tensor, uses: Sequence[Use], each: Tensor | None = None, **settings: bool) -> list[Tensor]:
    """Return gradients with respect to calls' results, zeros where a backward function gives none: torch makes none at an edge.

    Args:
        outputs: what is differentiated.
        uses: the calls.
        each: weights of the outputs, a batch of them; None: the sum.
        settings: of `torch.autograd.grad`.
    """
    found = torch.autograd.grad(outputs, [use.edge for use in uses], each, allow_unused=True, **settings)
    lead = () if each is None else each.shape[:1]
    return [_no_gradient(use, *lead) if gradient is None else gradient for use, gradient in zip(uses, found, strict=True)]


def _no_gradient(use: Use, *lead: int) -> Tensor:
    result = use.edge.node._input_metadata[use.edge.output_nr]
    return torch.zeros((*lead, *result.shape), dtype=result.dtype, device=result.device)


def _ends(uses: Sequence[Use], graph: Graph) -> list[Use]:
    """The calls that no other lies under: what has to be asked for, so that a backward pass meets them all."""
    above = _above((use.edge.node for use in uses), graph)
    return [use for use in uses if use.edge.node not in above]


def _above(nodes: Iterable[Any], graph: Graph) -> set[Any]:
    """All nodes on the way from some to the outputs."""
    above: set[Any] = set()
    stack = list(nodes)
    while stack:
        new = set(graph.get(stack.pop(), ())) - above
        above |= new
        stack += new
    return above

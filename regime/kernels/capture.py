"""One forward pass and C backward passes of any model, as one tape a layer.

Forward hooks keep the inputs of modules that have a rule, and the place of their outputs in the autograd graph. A rule is
used only where the graph shows that it covers every use of the module's parameters: as many graph edges lead to each
parameter as calls were captured, and every call has examples first. Shared weights, weights used outside their module,
tensors without an example axis (position tables) and every module type without a rule take per-example gradients instead.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from regime.kernels.tapes import RowsTape, Tape, rule_for

Batch = Tensor | Mapping[str, Any]
Readout = Callable[[Any, Batch], Tensor]
GOLDEN = 0.6180339887498949
"""Multiples of the golden ratio, less their whole parts, are all different and far apart."""
ROOT = "(root)"
"""The path of parameters that the model itself owns."""


def size(batch: Batch) -> int:
    """The number of examples; raises ValueError where the tensors of a batch disagree, or there is none."""
    tensors = {"batch": batch} if isinstance(batch, Tensor) else {k: v for k, v in batch.items() if isinstance(v, Tensor)}
    sizes = {name: tensor.shape[0] if tensor.dim() else None for name, tensor in tensors.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values() or 0 in sizes.values():
        raise ValueError(f"batch: every tensor needs the same number of examples first, at least one; got {sizes}")
    return next(iter(sizes.values()))


def select(batch: Batch, index: slice | list[int]) -> Batch:
    """Some of the examples."""
    if isinstance(batch, Tensor):
        return batch[index]
    return {name: value[index] if isinstance(value, Tensor) else value for name, value in batch.items()}


def evaluate(model: nn.Module, batch: Batch, readout: Readout | None) -> Float[Tensor, "n C"]:
    """The outputs that are differentiated.

    Raises:
        ValueError: what the model, or the readout, gives is not a tensor (n, C), or not finite.
    """
    n = size(batch)
    output = model(batch) if isinstance(batch, Tensor) else model(**batch)
    output = output if readout is None else readout(output, batch)
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[0] != n:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"readout: outputs must be a tensor (n, C) with n = {n}, got {got}; pass readout(output, batch)")
    if not bool(output.isfinite().all()):
        raise ValueError("model: its outputs are not finite on this batch")
    return output


def owned(model: nn.Module, layers: list[str] | None = None) -> dict[str, dict[str, nn.Parameter]]:
    """Trainable parameters by the path of the module that owns them first, then by their name in it.

    Args:
        layers: globs on paths, `*` within one dot-separated part and `.*` at the end for everything below.

    Raises:
        ValueError: no parameter is trainable, or no path matches.
    """
    paths: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            path, _, own = name.rpartition(".")
            paths.setdefault(path or ROOT, {})[own] = parameter
    if not paths:
        raise ValueError("model: it has no trainable parameters (all have requires_grad = False)")
    if layers is None:
        return paths
    chosen = {path: parameters for path, parameters in paths.items() if any(_matches(path, glob) for glob in layers)}
    if not chosen:
        raise ValueError(f"layers = {layers!r} match none of the model's layers: {', '.join(list(paths)[:8])}, ...")
    return chosen


def _matches(path: str, glob: str) -> bool:
    parts, wanted = path.split("."), glob.split(".")
    if wanted[-1] == "*" and len(parts) > len(wanted):
        parts = parts[: len(wanted)]
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def check_mode(model: nn.Module) -> None:
    """Refuse modules in training mode whose output for one example depends on others, or on chance.

    Raises:
        ValueError: it names the first such module, and the mend.
    """
    for path, module in model.named_modules():
        name = f"{path or ROOT} ({type(module).__name__})"
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is None:
                raise ValueError(f"model: {name} couples the examples of a batch in any mode; use track_running_stats=True")
            if module.training:
                raise ValueError(f"model: {name} couples the examples of a batch in training mode; call model.eval() first")
        if module.training and _is_random(module):
            raise ValueError(f"model: {name} is random in training mode; call model.eval() first")


def _is_random(module: nn.Module) -> bool:
    """Whether a module in training mode draws random numbers; attention and recurrent layers have a rate named dropout."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    rate = getattr(module, "dropout", 0)
    return isinstance(module, nn.RReLU) or (isinstance(rate, float) and rate > 0)


@dataclass
class _Call:
    a: Tensor
    edge: GradientEdge
    gradients: list[Tensor] = field(default_factory=list)
    aligned: bool = True
    """Row i of the call belongs to example i alone."""


@contextmanager
def hooked(modules: Mapping[str, nn.Module], see: Callable[[str, Any, Any], None]) -> Iterator[None]:
    """Call `see(path, first input, output)` on every call of the modules, before anybody else's hook changes the output."""

    def hook(path: str) -> Callable[..., None]:
        def forward(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            del module
            see(path, args[0] if args else next(iter(kwargs.values()), None), output)

        return forward

    handles = [module.register_forward_hook(hook(path), with_kwargs=True, prepend=True) for path, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _has_examples_first(
    model: nn.Module, modules: Mapping[str, nn.Module], batch: Batch, readout: Readout | None
) -> dict[str, list[bool]]:
    """For every call of the modules: does its first axis follow the number of examples, in input and output?

    Told by evaluating one example and then the same one twice: sizes of the given batch alone cannot tell n from T.
    """
    seen: list[dict[str, list[tuple[Any, Any]]]] = []
    with torch.no_grad():
        for index in ([0], [0, 0]):
            shapes: dict[str, list[tuple[Any, Any]]] = {path: [] for path in modules}

            def see(path: str, a: Any, output: Any, shapes: dict = shapes) -> None:
                shapes[path].append(tuple(t.shape[0] if isinstance(t, Tensor) and t.dim() else None for t in (a, output)))

            with hooked(modules, see):
                evaluate(model, select(batch, index), readout)
            seen.append(shapes)
    one, two = seen
    return {
        path: [pair == ((1, 1), (2, 2)) for pair in zip(one[path], two[path], strict=False)]
        if len(one[path]) == len(two[path])
        else []
        for path in modules
    }


def _edges(output: Tensor) -> Counter[Tensor]:
    """How many edges of the autograd graph under `output` lead to each parameter."""
    edges: Counter[Tensor] = Counter()
    seen: set[Node] = set()
    stack = [output.grad_fn] if output.grad_fn is not None else []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for following, _ in node.next_functions:
            if following is None:
                continue
            if (variable := getattr(following, "variable", None)) is not None:
                edges[variable] += 1
            else:
                stack.append(following)
    return edges


@torch.inference_mode(False)
@torch.enable_grad()
def capture(
    model: nn.Module, batch: Batch, readout: Readout | None = None, layers: list[str] | None = None
) -> dict[str, Tape | None]:
    """One tape for each layer that owns trainable parameters, in the model's order; None where no gradient reaches it.

    The model comes back as it was: its mode, gradients, hooks and dtype are untouched.

    Raises:
        ValueError: as `owned`, `check_mode`, `evaluate` and `size` do.
    """
    check_mode(model)
    size(batch)
    parameters = owned(model, layers)
    modules = {path: model.get_submodule(path) for path in parameters if path != ROOT}
    modules = {path: module for path, module in modules.items() if _is_plain(module, parameters[path])}
    examples_first = _has_examples_first(model, modules, batch, readout)
    calls: dict[str, list[_Call]] = {path: [] for path in modules}

    def see(path: str, a: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            calls[path].append(_Call(a.detach() if isinstance(a, Tensor) else a, get_gradient_edge(output)))

    with hooked(modules, see):
        outputs = evaluate(model, batch, readout)
    edges = _edges(outputs)
    _differentiate(outputs, [call for each in calls.values() for call in each])
    tapes: dict[str, Tape | None] = {}
    rest: dict[str, dict[str, nn.Parameter]] = {}
    for path, own in parameters.items():
        used = {name: parameter for name, parameter in own.items() if edges[parameter]}
        if not used:
            tapes[path] = None
            continue
        live = [call for call in calls.get(path, []) if call.gradients and call.aligned]
        covered = len(live) == len(calls.get(path, [])) and all(edges[p] == len(live) for p in used.values())
        tape = None
        if path in modules and covered and examples_first[path] == [True] * len(live):
            tape = _tape(modules[path], live, frozenset(used))
        if tape is None:
            rest[path] = used
        tapes[path] = tape
    return tapes | explicit(model, batch, readout, rest)


def _is_plain(module: nn.Module, own: Mapping[str, nn.Parameter]) -> bool:
    """Whether the module has a rule, and computes what the rule says with the very parameters it owns.

    Weight normalization and pruning own other parameters than the weight they compute with.
    """
    plain = all(name in ("weight", "bias") and getattr(module, name) is parameter for name, parameter in own.items())
    return plain and "forward" not in vars(module) and rule_for(module) is not None


def _differentiate(outputs: Float[Tensor, "n C"], calls: list[_Call]) -> None:
    """Give each call the gradient of every output with respect to its own output; none where no output depends on it."""
    if not calls:
        return
    edges = [call.edge for call in calls]
    for c in range(outputs.shape[1]):
        gradients = torch.autograd.grad(outputs[:, c].sum(), edges, retain_graph=True, allow_unused=True)
        for call, gradient in zip(calls, gradients, strict=True):
            if gradient is not None:
                call.gradients.append(gradient)
    _align(outputs, calls)


def _align(outputs: Float[Tensor, "n C"], calls: list[_Call]) -> None:
    """Mark calls whose rows are not the examples in order: a model may sort its batch inside.

    With example i weighted by r_i, all different, row i of an output gradient must grow by r_i and nothing else.
    """
    n = outputs.shape[0]
    weights = 1 + torch.arange(n, device=outputs.device, dtype=outputs.dtype).mul(GOLDEN).frac()
    live = [call for call in calls if call.gradients and call.gradients[0].shape[0] == n]
    if n == 1 or not live:
        return
    weighted = torch.autograd.grad((weights @ outputs).sum(), [call.edge for call in live], retain_graph=True)
    for call, gradient in zip(live, weighted, strict=True):
        total = sum(call.gradients).flatten(1)
        wanted, got = total * weights.to(total.dtype).unsqueeze(1), gradient.flatten(1)
        worst = torch.finfo(got.dtype).eps ** 0.5
        call.aligned = bool(((got - wanted).norm(dim=1) <= worst * (got.norm(dim=1) + total.norm() / n)).all())


def _tape(module: nn.Module, calls: list[_Call], trainable: frozenset[str]) -> Tape | None:
    """The module's tape; its calls are more positions of one layer."""
    a = [call.a for call in calls]
    g = [torch.stack(call.gradients, dim=-2) for call in calls]
    n = a[0].shape[0]
    g = [part.flatten(1, -3) if part.dim() > 3 else part.unsqueeze(1) for part in g]
    if len(calls) > 1:
        tail = a[0].shape[-1:] if a[0].is_floating_point() else ()
        a = [part.reshape(n, -1, *tail) for part in a]
    return rule_for(module)(module, torch.cat(a, 1) if len(a) > 1 else a[0], torch.cat(g, 1), trainable)


@torch.inference_mode(False)
@torch.enable_grad()
def explicit(
    model: nn.Module, batch: Batch, readout: Readout | None, layers: dict[str, dict[str, nn.Parameter]]
) -> dict[str, RowsTape]:
    """Per-example gradients by evaluating one example at a time: exact for any module."""
    flat = [parameter for own in layers.values() for parameter in own.values()]
    if not flat:
        return {}
    rows: list[list[Tensor]] = [[] for _ in flat]
    for i in range(size(batch)):
        output = evaluate(model, select(batch, slice(i, i + 1)), readout)[0]
        each = [torch.autograd.grad(value, flat, retain_graph=True, materialize_grads=True) for value in output]
        for row, gradients in zip(rows, zip(*each, strict=True), strict=True):
            row.append(torch.stack([gradient.flatten() for gradient in gradients]))
    stacked = iter([torch.stack(row) for row in rows])
    return {path: RowsTape({name: next(stacked) for name in own}) for path, own in layers.items()}

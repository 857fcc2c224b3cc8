"""The check of every kernel in every call: what the fast path believes of a layer, against gradients by plain autograd.

A few examples pass through the model apart from their batch, and one backward pass gives the gradient G of a mixture of their
outputs, sum_ik c_i r_k f_k(x_i). Each layer's J^T (c r) must be that gradient, compared along a random direction; and of the
kernel K of the mixed outputs on these examples, c.K c must be ||G||^2. The weights c and r are in no special proportion, so
that no error hides in their sum.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from math import hypot, isfinite

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels.jacobian.batch import widened
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import Layers
from regime.kernels.jacobian.part import dense, real, sketch, wide
from regime.kernels.jacobian.parts import RowsPart
from regime.kernels.jacobian.rounding import SINGLE, Jitter

PRECISION = 1e-6
"""The smallest relative error of a kernel that is not taken for rounding."""
JITTER = 3
"""How many times the measured rounding of coarse numbers passes for rounding."""
LARGE = 2**14
"""Entries of a gradient that is not kept beside others."""


@dataclass(frozen=True)
class GradientCheck:
    """A few examples on their own: their outputs, with the graph under them."""

    outputs: Float[Tensor, "k C"]
    chosen: list[int]
    """Rows of `outputs` that are compared."""
    rows: list[int]
    """The same examples in the batch."""
    layers: Layers
    tolerance: float
    """The relative error that rounding to float32 may make of a gradient, a kernel, or outputs; coarser is measured."""
    keep: bool = True
    """Whether the graph is needed again."""
    jittered: Float[Tensor, "k C"] | None = None
    """The outputs with another rounding, where numbers are coarser than float32."""
    noise_of_outputs: Callable[[], float] | None = None
    """What rounding may make of the outputs for one example, where numbers are no coarser; it takes passes."""

    @cached_property
    def coarse(self) -> float:
        """What rounding may make of the outputs for one example, where numbers are coarser than float32."""
        if self.jittered is None:
            return 0.0
        return JITTER * float((self.jittered.detach() - self.outputs.detach()).norm()) / len(self.outputs) ** 0.5

    def near(self, one: Float[Tensor, "n C"], two: Float[Tensor, "n C"]) -> bool:
        """Whether outputs differ by no more than rounding."""
        return near(one, two, self.tolerance, self.noise_of_outputs or (lambda: self.coarse))

    def of_output(self, k: int) -> "GradientCheck":
        """Return the check of one output."""
        outputs, jittered = (None if each is None else each[:, k : k + 1] for each in (self.outputs, self.jittered))
        return replace(self, outputs=outputs, jittered=jittered, keep=self.keep or k < self.outputs.shape[1] - 1)

    def same(self, outputs: Float[Tensor, "n C"]) -> bool:
        """Whether the batch has the same outputs for these examples."""
        return self.near(outputs[self.rows], self.outputs[self.chosen])

    @cached_property
    def weights(self) -> tuple[Float[Tensor, " k"], Float[Tensor, " C"]]:
        """c and r."""
        like = widened(self.outputs)
        return _weights(len(self.rows), like.dtype, like.device), _weights(like.shape[1], like.dtype, like.device)

    @cached_property
    def index(self) -> Int[Tensor, " k"]:
        """The rows of the batch that are compared."""
        return torch.tensor(self.rows, device=self.outputs.device)

    @cached_property
    def known(self) -> dict[str, "_Gradient"]:
        """The gradients of the mixture, by layer."""
        return self._gradients(self.outputs, self.keep)

    @cached_property
    def moved(self) -> dict[str, float]:
        """What another rounding of coarse numbers changes of them, by layer."""
        if self.jittered is None:
            return dict.fromkeys(self.layers, 0.0)
        with torch.enable_grad():
            apart = widened(self.jittered) - widened(self.outputs)
        with Jitter():
            changes = self._gradients(apart, keep=True)
        return {path: float(change.size) ** 0.5 for path, change in changes.items()}

    def _gradients(self, outputs: Tensor, keep: bool) -> dict[str, "_Gradient"]:
        c, r = self.weights
        none = torch.zeros((), dtype=torch.float64, device=c.device)
        known = {path: _Gradient(none) for path in self.layers}
        with torch.enable_grad():
            value = c @ (widened(outputs[self.chosen]) @ r)
        with torch.no_grad():
            take = lambda path, name, gradient: known[path].take(name, wide(gradient))  # noqa: E731
            each_gradient(value, self.layers, take, keep)
        return known

    @cached_property
    def noise(self) -> float:
        """What rounding makes of a gradient that vanishes in its sum, as those of keys' biases do."""
        return 10 * self.tolerance**2 * float(sum(gradient.size for gradient in self.known.values())) ** 0.5

    @torch.no_grad()
    def agrees(self, path: str, jacobian: LayerJacobian | None) -> bool:
        """Return whether a layer's Jacobian on the batch is that of these examples; None where no gradient reaches it."""
        known = self.known[path]
        if jacobian is None:
            return float(known.size) ** 0.5 <= self.noise + JITTER * self.moved[path]
        mixed = jacobian.rows(self.index).of_outputs(self._mix)
        kernel = mixed.kernel(mixed, "trace", out=mixed.zeros(mixed.examples, "trace"))
        found = torch.stack([known.size, (kernel.double() * self._twice_below).sum(), *known.errors(mixed)])
        square, of_kernel, *errors = found.tolist()  # a GPU is waited for once
        size, error = max(0.0, square) ** 0.5, hypot(*(max(0.0, each) for each in errors))
        # a kernel that is out of range here may not be with other examples
        apart = abs(max(0.0, of_kernel) ** 0.5 - size) if isfinite(of_kernel) else 0.0
        return max(apart, error) <= self.tolerance * size + self.noise + JITTER * self.moved[path]

    def _mix(self, g: Float[Tensor, "k *T C p"]) -> Float[Tensor, "k *T 1 p"]:
        """The gradients of the mixture, of each example."""
        weights = self._by_example.to(g).view(len(g), *[1] * (g.dim() - 3), -1, 1)
        return g * weights if g.shape[-2] == 1 else (g * weights).sum(-2, keepdim=True)

    @cached_property
    def _by_example(self) -> Float[Tensor, "k C"]:
        """c_i r_k."""
        c, r = self.weights
        return c.unsqueeze(1) * r

    @cached_property
    def _twice_below(self) -> Float[Tensor, "k k"]:
        """Of a symmetric kernel the lower triangle is there: everything beside the diagonal counts twice."""
        ones = torch.ones(len(self.rows), len(self.rows), dtype=torch.float64, device=self.outputs.device)
        return ones.tril() + ones.tril(-1)

    def misses(self, path: str, jacobian: LayerJacobian | None) -> bool:
        """Return whether a parameter of any function has gradients on other examples alone, so that these tell nothing."""
        if jacobian is None:
            return False
        parts = {part.name: part for part in jacobian.parts if isinstance(part, RowsPart)}
        known = {name: own.any() for name, own in self.known[path].sketches.items() if name in parts}
        told = dict(zip(known, torch.stack([*known.values()]).tolist() if known else (), strict=True))
        return any(bool(part.j.any()) for name, part in parts.items() if not told.get(name))

    def unlike(self, outputs: Float[Tensor, "n C"]) -> bool:
        """Whether gradients of these examples are others in their batch, of which these are the outputs, by autograd alone."""
        return self.differs(replace(self, outputs=outputs, chosen=self.rows, keep=True, jittered=None).known)

    def in_parts(self) -> dict[str, "_Gradient"]:
        """The same gradients as sums of two, of shares of the outputs and of the rest, which has either sign."""
        with torch.enable_grad():
            outputs = widened(self.outputs)
            some = 1.5 * _weights(outputs.numel(), outputs.dtype, outputs.device).view_as(outputs)
            one, two = (replace(self, outputs=outputs * each, keep=True, jittered=None).known for each in (some, 1 - some))
        for path, known in two.items():
            known.sketches = {name: own + one[path].sketches[name] for name, own in known.sketches.items()}
        return two

    def differs(self, others: dict[str, "_Gradient"]) -> bool:
        """Whether other gradients are not these, by more than rounding."""
        noise = 10 * self.tolerance**2 * sum(known.norm**2 for known in self.known.values()) ** 0.5
        for path, known in self.known.items():
            for name, own in others[path].sketches.items():
                error, size = ((each.double().square().sum() ** 0.5).item() for each in (known.sketches[name] - own, own))
                if error > self.tolerance * size + noise + JITTER * self.moved[path]:
                    return True
        return False


@dataclass
class _Gradient:
    """The gradient of a mixture of outputs by autograd, of one layer."""

    size: Float[Tensor, ""]
    """||G||^2."""
    sketches: dict[str, Tensor] = field(default_factory=dict)
    """Of each parameter's."""

    def take(self, name: str, gradient: Tensor) -> None:
        """Add the gradient of one parameter; it is not kept."""
        self.size = self.size + squared(real(gradient))
        self.sketches[name] = sketch(gradient)

    @property
    def norm(self) -> float:
        """||G||, or about that where its squares underflow."""
        return max(float(self.size), float(sum(each.double().square().sum() for each in self.sketches.values()))) ** 0.5

    def errors(self, jacobian: LayerJacobian) -> list[Float[Tensor, ""]]:
        """||J^T 1 - G|| of each parameter, of weights along a random direction."""
        parts = {name: part for part in jacobian.parts for name in part.names if name in self.sketches}
        differences = [part.sketch(name) - self.sketches[name] for name, part in parts.items()]
        return [torch.linalg.vector_norm(each, dtype=torch.float64) for each in differences]


def tolerance_of(rounding: float) -> float:
    """Return the relative error that numbers with this unit of rounding may have, at most those of float32."""
    return max(PRECISION, min(rounding, SINGLE) ** 0.5)


def squared(tensor: Tensor) -> Float[Tensor, ""]:
    """Return the sum of squares, by rows first: one float32 sum over 16 million products is off by 5e-4."""
    rows = tensor.flatten(1) if tensor.dim() > 1 else tensor
    return torch.linalg.vector_norm(torch.linalg.vector_norm(rows, dim=-1), dtype=torch.float64).square()


def near(one: Tensor, two: Tensor, relative: float, noise: Callable[[], float] | None = None) -> bool:
    """Return whether outputs differ by no more than rounding, whatever their size.

    Args:
        one: outputs.
        two: the same ones, computed otherwise.
        relative: the error that rounding may make, where they are not small differences of large numbers.
        noise: what rounding may make of the outputs for one example, asked where they differ by more.
    """
    away, *sizes = (torch.linalg.vector_norm(each, dtype=torch.float64) for each in (one - two, one, two))
    return bool(away <= relative * sum(sizes)) or (noise is not None and bool(away <= noise() * len(one) ** 0.5))


@cache
def _weights(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " n"]:
    return (1 + torch.cos(torch.arange(n, dtype=torch.float64, device="cpu") ** 2) / 2).to(device, dtype)


def each_gradient(value: Tensor, layers: Layers, take: Callable[[str, str, Tensor], None], keep: bool) -> None:
    """Call `take` with the gradient of every parameter that is reached; large ones are let go of at once.

    Args:
        value: what is differentiated.
        layers: the parameters.
        take: told of a layer's path, of a name of its parameters, and of the gradient.
        keep: whether the graph is needed again.
    """
    named = {parameter: (path, name) for path, own in layers.items() for name, parameter in own.items()}
    tasks: list[int] = []

    def hook(place: tuple[str, str]) -> Callable[[Tensor], Tensor | None]:
        def seen(gradient: Tensor) -> Tensor | None:
            if torch._C._current_graph_task_id() not in tasks:  # a backward pass of somebody else's
                return None
            take(*place, dense(gradient))
            return 0 * gradient if gradient.is_sparse else gradient.new_zeros(()).expand(gradient.shape)

        return seen

    large = {parameter for parameter in named if parameter.numel() >= LARGE}
    hooks = [parameter.register_hook(hook(named[parameter])) for parameter in large]
    hooks.append(value.register_hook(lambda _: tasks.append(torch._C._current_graph_task_id())))
    try:
        found = torch.autograd.grad(value, list(named), retain_graph=keep, allow_unused=True)
    finally:
        for each in hooks:
            each.remove()
    for parameter, gradient in zip(named, found, strict=True):
        if gradient is not None and parameter not in large:
            take(*named[parameter], dense(gradient))

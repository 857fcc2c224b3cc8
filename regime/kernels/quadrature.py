"""Quadrature under a Gaussian, of activations that nothing is known of: evaluated at the nodes, and refused where they fail."""

from collections.abc import Callable
from dataclasses import dataclass
from math import asinh, pi
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

Function = Callable[[Tensor], Tensor]

NODES = 2048
"""Quadrature nodes on each side of zero."""
REACH = 13.0
"""Standard deviations they cover: beyond, exp(-x^2/4) is below 1e-18."""
FOCUS = 0.05
"""Standard deviations around zero within which the nodes stop coming closer: there activations bend, or have their kink."""

EDGE = 1e-10
"""Share of E[phi^2] that may come from the last node: with more, the rest lies beyond."""
NEAR = 6.0
"""Standard deviations within which a jump matters: exp(-x^2/2) is 1e-8 there."""
FINER = ((8 * NODES, FOCUS), (8 * NODES, 1e-4))
"""Nodes and focus of grids with which moments are taken again: one finer everywhere, one much finer around zero."""
APART = (1e-5, 1e-2)
"""What E[phi^2] and E[phi'^2] may differ by then, relative to their size: a kink between two nodes costs nearly as much."""
VARIANCES = 3
"""How many of the variances are tried so."""
TRIED = (256, 128)
"""Shape of the random tensor on which a function is tried for whether it is elementwise."""
ALIKE = 1e-6
"""What two computations of one entry may differ by, relative to its size: a function may compute in float32 inside."""


@dataclass(frozen=True)
class Grid:
    """Nodes on the positive half of the line; those on the other half are their mirror images."""

    nodes: Float[Tensor, " Q"]
    root: Float[Tensor, " Q"]
    """Of the weights, counting both sides of zero."""
    gauss: Float[Tensor, " Q"]
    """The root of the normal density."""

    @classmethod
    def of(cls, device: torch.device, count: int = NODES, focus: float = FOCUS) -> Self:
        """Return so many nodes, that come closer to one another down to a distance from zero.

        The trapezoidal rule in t, z = focus sinh t, is exact to rounding for functions analytic around the real line, however
        wide their argument is spread; its nodes lie symmetric to 0, so that a kink there costs the square of a tiny step.

        Args:
            device: that they are on.
            count: how many.
            focus: the distance, in standard deviations.
        """
        step = asinh(REACH / focus) / count
        t = (torch.arange(count, device=device, dtype=torch.float64) + 0.5) * step
        nodes = focus * t.sinh()
        return cls(nodes, (2 * step * focus * t.cosh()).sqrt(), (-nodes.square() / 4).exp() / (2 * pi) ** 0.25)

    def parts(self, function: Function, q: Float[Tensor, " r"]) -> tuple[Float[Tensor, "2 r Q"], Float[Tensor, "2 r Q"]]:
        """Return even and odd part of phi(sqrt(q) z), and of phi'; their inner products are those under the Gaussian.

        Raises:
            ValueError: the function fails, or is not finite there.
        """
        at = q.sqrt().unsqueeze(1) * self.nodes
        up, down = _evaluate(function, at), _evaluate(function, -at)
        scale = self.root * self.gauss
        values, slopes = (torch.stack([(u + d) / 2, (u - d) / 2]) * scale for u, d in zip(up, down, strict=True))
        return values, slopes


def check_function(function: Function, grid: Grid, q: Float[Tensor, " r"]) -> None:
    """Refuse a function that jumps, grows too fast or bends too sharply for the nodes, at the variances it meets.

    Args:
        function: phi.
        grid: its nodes.
        q: the variances, of which a few are tried: the least and the largest among them.

    Raises:
        ValueError: it says which, and where.
    """
    q = q.sort().values[torch.linspace(0, len(q) - 1, VARIANCES, dtype=q.dtype, device=q.device).long()]
    parts = grid.parts(function, q)
    for part in parts:
        squares = part.square().sum(0)
        if (squares[:, -1] > EDGE * squares.sum(1)).any():
            most = REACH * q.max().sqrt().item()
            raise ValueError(f"activation: it grows too fast for arguments up to {most:.3g}; allowed: as a polynomial")
    near = grid.nodes[grid.nodes < NEAR]
    at = q.sqrt().unsqueeze(1) * torch.cat([-near.flip(0), near])
    _check_jumps(at, *_evaluate(function, at))
    _check_moments(function, q, [part.square().sum((0, 2)) for part in parts])


def _check_moments(function: Function, q: Float[Tensor, " r"], moments: list[Float[Tensor, " r"]]) -> None:
    """Refuse a function whose E[phi^2] and E[phi'^2], which are given, are others with more nodes."""
    for count, focus in FINER:
        finer = [part.square().sum((0, 2)) for part in Grid.of(q.device, count, focus).parts(function, q)]
        for name, known, again, most in zip(("phi^2", "phi'^2"), moments, finer, APART, strict=True):
            apart = (known - again).abs() / again.clamp(min=torch.finfo(again.dtype).tiny)
            worst = int(apart.argmax())
            if apart[worst] > most:
                raise ValueError(
                    f"activation: E[{name}] at a variance of {q[worst]:.3g} is {known[worst]:.3g}, and changes by "
                    f"{apart[worst]:.1e} of that with more nodes; allowed: changes by {most:g} at most. It may be infinite, or "
                    "the function bend too sharply there"
                )


def check_elementwise(function: Function, device: torch.device) -> None:
    """Refuse a function by whose output, or derivative, an entry depends on more than itself.

    Each entry has to be the same in a second call, in another place of a tensor of another shape, and among fewer entries.
    """
    generator = torch.Generator().manual_seed(0)
    at = 3 * torch.randn(TRIED, generator=generator, dtype=torch.float64, device="cpu").to(device)
    order = torch.randperm(at.numel(), generator=generator, device="cpu").to(device)
    whole = _evaluate(function, at)
    others = "other entries, on its place or on the shape"
    for cause, places in (
        ("chance, or on calls before", torch.arange(at.numel(), device=device).view(TRIED)),
        (others, order.view(TRIED[::-1])),
        (others, order[:11].unsqueeze(1)),
        (others, order[:11].unsqueeze(0)),
    ):
        for found, part in zip(_evaluate(function, at.flatten()[places]), whole, strict=True):
            wanted = part.flatten()[places]
            if (found - wanted).abs().max() > ALIKE * wanted.abs().max():
                raise ValueError(f"activation: an entry of its output depends on {cause}; allowed: elementwise functions")


def _check_jumps(at: Float[Tensor, "r Q"], value: Float[Tensor, "r Q"], slope: Float[Tensor, "r Q"]) -> None:
    """Refuse a function that changes between neighboring arguments by more than twice what its derivative there allows."""
    steepest = torch.nn.functional.max_pool1d(slope.abs(), 3, 1, 1)
    allowed = 2 * at.diff() * torch.maximum(steepest[:, 1:], steepest[:, :-1])
    beyond = value.diff().abs() > allowed + ALIKE * value.abs().amax(1, keepdim=True)
    if beyond.any():
        where = at[:, 1:][beyond].abs().min().item()
        raise ValueError(f"activation: it jumps near +-{where:.3g}; allowed: continuous functions, not too steep")


def _evaluate(function: Function, at: Tensor) -> tuple[Tensor, Tensor]:
    """phi and phi'."""
    with torch.inference_mode(False), torch.enable_grad():
        at = at.clone().requires_grad_()
        try:
            value = function(at.clone())  # which it may overwrite
        except Exception as error:
            raise _failed(error, at) from error
        if not isinstance(value, Tensor) or value.shape != at.shape or value.dtype != at.dtype:
            got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"activation: it returned {got}; allowed: elementwise, here {at.dtype} {tuple(at.shape)}")
        if not value.requires_grad:
            raise ValueError(
                "activation: autograd does not see its output depend on its input; allowed: differentiable functions"
            )
        try:
            (slope,) = torch.autograd.grad(value.sum(), at)
        except Exception as error:
            raise _failed(error, at) from error
    for name, tensor in (("value", value), ("derivative", slope)):
        if not tensor.isfinite().all():
            raise ValueError(f"activation: its {name} is not finite for arguments up to {at.abs().max().item():.3g}")
    return value.detach(), slope


def _failed(error: Exception, at: Tensor) -> ValueError:
    said = f"activation: it failed on {at.dtype} {tuple(at.shape)} with {type(error).__name__}: {error!s:.200}"
    return ValueError(f"{said}; allowed: elementwise functions, of tensors of any shape")

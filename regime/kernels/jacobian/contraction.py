"""Per-layer rules: the kernel, and the products with a Jacobian, of one layer from its inputs and output gradients.

A layer's inputs `a` meet the gradients `g` of the C outputs with respect to the layer's own output; n examples of T token
positions, any leading dimensions. Kernels come as (..., n, m), traced over outputs and divided by C ("trace"), or as
(..., n, m, C, C) ("full"). Where both sides are the same tensors only the blocks on and below the diagonal are computed.

Every kernel rule takes `out`, a kernel to add to, and `workspace`, the bytes it may use beside. With `out`, a rule of two
equal sides leaves the blocks above the diagonal alone: `mirror` completes a sum of such kernels once.
"""

from itertools import product
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regime.kernels.jacobian.blocks import WORKSPACE, Method, Outputs, add_rows, matrix, mirror, rows, spans, step, zeros

CACHED, WIDE, FEWEST = 8 * 2**20, 512, 8192
"""On a CPU: bytes of explicit gradients at once, which stay in the cache until they are used; the most columns of a weight
among them, so that there are rows enough for a fast product; entries of an example at least."""
FEW = 128
"""Positions of which products take less time than to look for those whose gradients are zero."""
MEMORY = 64
"""Multiply-adds in the time that an entry of an explicit gradient takes to be written and read back (measured with AVX-512)."""


def dense(
    a: Float[Tensor, "*s n T i"],
    g: Float[Tensor, "*s n T C o"],
    a2: Float[Tensor, "*s m U i"],
    g2: Float[Tensor, "*s m U C o"],
    *,
    weight: float = 1.0,
    bias: float = 1.0,
    outputs: Outputs = "trace",
    method: Method = "auto",
    out: Tensor | None = None,
    workspace: int = WORKSPACE,
) -> Float[Tensor, "*s n m"] | Float[Tensor, "*s n m C C"]:
    """Return the kernel of a layer h = W a + b, or add it to `out`.

    Theta(x, x') = sum over positions t, s of (weight a_t.a'_s + bias) (g_t.g'_s). The sum is taken over token Gram matrices, or
    through explicit per-example gradients sum_t g_t a_t^T; "auto" counts which is cheaper. Both are exact.

    Args:
        a: inputs of n examples, T positions each.
        g: gradients of C outputs with respect to h there.
        a2: inputs of m examples, U positions each; the same tensor as `a` for a symmetric kernel.
        g2: their gradients.
        weight: squared scale of the first term: 1 for a plain layer, 0 for a frozen weight, weight_std**2 / fan_in in NTK
            parameterization.
        bias: squared scale of the second: 1, 0, or bias_std**2.
        outputs: "trace" (divided by C) or "full".
        method: "auto", "token-gram" or "per-example".
        out: a kernel to add to; of equal sides only its lower triangle is then right (`mirror`).
        workspace: bytes that it may use beside arguments and result.
    """
    same = a is a2 and g is g2
    kernel = zeros(g, g.shape[-4], g2.shape[-4], outputs, g.shape[:-4]) if out is None else out
    if method == "auto":
        by_method = costs(a.shape[-3:], a2.shape[-3:], g.shape[-2:], same, outputs)
        method = min(by_method, key=by_method.get)
    if method == "token-gram":
        _add_by_grams(kernel, a, g, a2, g2, weight, bias, same, outputs, workspace)
    else:
        if weight:
            _add_by_gradients(kernel, a, g, a2, g2, weight, same, outputs, workspace)
        if bias:
            left = g.sum(-3)
            rows(left, left if same else g2.sum(-3), outputs, scale=bias, out=kernel)
    return mirror(kernel, outputs) if same and out is None else kernel


def costs(
    left: tuple[int, int, int], right: tuple[int, int, int], gradients: tuple[int, int], same: bool, outputs: Outputs
) -> dict[Literal["token-gram", "per-example"], float]:
    """Return the multiply-adds of `dense` by each method; writing and reading explicit gradients counts in.

    Args:
        left: (n, T, i) of the inputs on one side.
        right: (m, U, i) of those on the other.
        gradients: (C, o).
        same: whether both sides are the same examples.
        outputs: "trace" or "full".
    """
    (n, t, i), (m, u, _) = left, right
    c, o = gradients
    pairs = n * m * (0.5 + 0.5 * min(1, step(n, t) / n) if same else 1)
    across = c if outputs == "trace" else c * c
    explicit = n * t + (0 if same else m * u) + MEMORY * (n if same else n + m)
    return {
        "token-gram": float(pairs * t * u * (i + across * o)),
        "per-example": float((explicit * c + pairs * across) * o * i),
    }


def _add_by_grams(
    kernel: Tensor, a: Tensor, g: Tensor, a2: Tensor, g2: Tensor,
    weight: float, bias: float, same: bool, outputs: Outputs, workspace: int,
) -> None:  # fmt: skip
    """Add sum over t of x and s of x' of (weight a_t.a'_s + bias) (g_t.g'_s), in blocks of rows of the kernel.

    The positions t and s are those that any output depends on.
    """
    left = _live(a, g)
    right = left if same else _live(a2, g2)
    axis = -2 if outputs == "trace" else -4
    n, m = kernel.shape[axis], kernel.shape[axis + 1]
    c = g.shape[-2]
    pairs = left[1][..., 0, 0].numel() // n * right[1].shape[-3] * (1 if outputs == "trace" else c * c)
    most = max(1, workspace // max(1, 2 * pairs * kernel.element_size()))
    per = 1 if outputs == "trace" else c
    whole, each = matrix(kernel, outputs), left[1].shape[-3] // n * per
    for start, stop in spans(n, min(most, step(n, each, device=kernel.device)) if same else most):
        end = stop if same else m
        x, g, i = _examples(left, start, stop)
        y, g2, j = _examples(right, 0, end)
        block = whole[..., start * per : stop * per, : end * per]
        products = x @ y.mT
        if weight != 1:
            products *= weight
        if bias:
            products += bias
        single = i is None and j is None and x.shape[-2] == stop - start and y.shape[-2] == end
        if outputs == "trace":
            inner = g.flatten(-2) @ g2.flatten(-2).mT
            if single:
                block.addcmul_(products, inner, value=1 / c)
            else:
                block += _by_example(products.mul_(inner), i, j, stop - start, end) / c
        else:
            inner = (g.flatten(-3, -2) @ g2.flatten(-3, -2).mT).unflatten(-2, (-1, c))
            if single:  # along whole rows: pairs of outputs are too few for a fast loop
                block.unflatten(-2, (-1, c)).addcmul_(
                    inner, products.unsqueeze(-1).expand(*products.shape, c).flatten(-2).unsqueeze(-2)
                )
            else:
                for one, two in product(range(c), repeat=2):
                    block[..., one::c, two::c] += _by_example(products * inner[..., one, two::c], i, j, stop - start, end)


Positions = tuple[Tensor, Tensor, Tensor | None, list[int]]
"""Inputs (..., L, i), gradients (..., L, C, o), the example of each position where they are not T to each, and where each
example begins, and the last one ends."""


def _live(a: Float[Tensor, "*s n T i"], g: Float[Tensor, "*s n T C o"]) -> Positions:
    """All positions, or without those at which every gradient is zero: padding, or tokens before the one that is read."""
    if a.shape[-2] > 1 and a.dim() == 3 and a.shape[0] * a.shape[1] > FEW:
        live = live_positions(g)
        if live is not None:
            index = live.flatten().nonzero()[:, 0]  # once: every nonzero() waits for a GPU
            example = index // live.shape[1]
            starts = torch.searchsorted(example, torch.arange(len(live) + 1, device=example.device)).tolist()
            return a.flatten(0, 1)[index], g.flatten(0, 1)[index], example, starts
    n, t = a.shape[-3:-1]
    return a.flatten(-3, -2), g.flatten(-4, -3), None, [k * t for k in range(n + 1)]


def live_positions(g: Float[Tensor, "n T C o"]) -> Tensor | None:
    """Where any gradient is not zero, (n, T); None where nearly all are, and skipping the others would not pay."""
    few = g.flatten(2)[..., :8].ne(0).any(-1)
    doubtful = (~few).nonzero()
    if len(doubtful) < 0.1 * few.numel():
        return None
    live = few.index_put((doubtful[:, 0], doubtful[:, 1]), g[doubtful[:, 0], doubtful[:, 1]].flatten(1).ne(0).any(-1))
    return live if live.sum() < 0.9 * live.numel() else None


def _examples(positions: Positions, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The positions of some examples, in order; which example of these each belongs to."""
    a, g, example, starts = positions
    some = slice(starts[start], starts[stop])
    return a[..., some, :], g[..., some, :, :], None if example is None else example[some] - start


def _by_example(products: Tensor, i: Tensor | None, j: Tensor | None, n: int, m: int) -> Tensor:
    """Sums over the positions of each pair of examples."""
    if j is not None:
        products = add_rows(products.new_zeros(m, products.shape[0]), j, products.mT.contiguous()).mT
    else:
        products = products.unflatten(-1, (m, -1)).sum(-1)
    if i is not None:
        return add_rows(products.new_zeros(n, m), i, products.contiguous())
    return products.unflatten(-2, (n, -1)).sum(-2)


def _add_by_gradients(
    kernel: Tensor, a: Tensor, g: Tensor, a2: Tensor, g2: Tensor,
    weight: float, same: bool, outputs: Outputs, workspace: int,
) -> None:  # fmt: skip
    """Explicit gradients, some rows and columns of the weight at a time."""
    entry = a.element_size() * g[..., 0].numel() // g.shape[-3] + (
        0 if same else a.element_size() * g2[..., 0].numel() // g2.shape[-3]
    )
    most, columns = workspace // max(1, entry), a.shape[-1]
    if a.device.type == "cpu":
        most, columns = min(most, max(CACHED // max(1, entry), FEWEST)), min(columns, WIDE)
    columns = max(1, min(columns, most))
    height = max(1, most // columns)
    made = a.new_empty(0), a.new_empty(0)  # every block again in the same memory, which is in the cache then
    for first, last in spans(a.shape[-1], columns):
        for start, stop in spans(g.shape[-1], height):
            left = weight_gradients(a[..., first:last], g[..., start:stop], made[0])
            right = left if same else weight_gradients(a2[..., first:last], g2[..., start:stop], made[1])
            rows(left, right, outputs, scale=weight, out=kernel)


def weight_gradients(
    a: Float[Tensor, "*s n T i"], g: Float[Tensor, "*s n T C o"], out: Tensor | None = None
) -> Float[Tensor, "*s n C P"]:
    """Return sum_t g_t a_t^T, for each example and output.

    Args:
        a: inputs.
        g: gradients.
        out: memory to write to, of any shape.
    """
    c = g.shape[-2]
    if out is not None:
        out = out.resize_(*a.shape[:-2], c * g.shape[-1], a.shape[-1])
    if g.shape[-3] == 1:
        return torch.mul(g.squeeze(-3).flatten(-2).unsqueeze(-1), a, out=out).unflatten(-2, (c, -1)).flatten(-2)
    return torch.matmul(g.flatten(-2).mT, a, out=out).unflatten(-2, (c, -1)).flatten(-2)

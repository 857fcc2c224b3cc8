"""The rule of embeddings: the kernel of a table from tokens and output gradients."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.kernels.jacobian.blocks import Outputs, add_rows, spans, zeros


def embedding(
    ids: Int[Tensor, "n T"],
    g: Float[Tensor, "n T C d"],
    ids2: Int[Tensor, "m U"],
    g2: Float[Tensor, "m U C d"],
    kernel: Float[Tensor, "n m"] | Float[Tensor, "n m C C"],
    *,
    outputs: Outputs,
    workspace: int,
) -> None:
    """Add the kernel of an embedding h_t = table[id_t] to another.

    Theta(x, x') = sum over positions t, s with the same token of g_t.g'_s: the dense rule on one-hot inputs. Only pairs of the
    same token are visited: tokens are sorted, and those that are met about equally often on either side go through one batched
    matmul together.

    Args:
        ids: tokens of n examples, T positions each.
        g: gradients of C outputs with respect to what was looked up.
        ids2: tokens of m examples, U positions each.
        g2: their gradients.
        kernel: what is added to.
        outputs: "trace" (divided by C) or "full".
        workspace: bytes that it may use beside.
    """
    c = g.shape[-2]
    left = _Tokens(ids, g)
    right = left if ids is ids2 and g is g2 else _Tokens(ids2, g2)
    if not len(left.values) or not len(right.values):
        return
    matches = torch.searchsorted(right.values, left.values).clamp(max=len(right.values) - 1)
    common = right.values[matches] == left.values
    groups, groups2 = common.nonzero()[:, 0], matches[common]
    heights, widths = (2 ** t.counts[i].double().log2().ceil().long() for t, i in ((left, groups), (right, groups2)))
    shapes = torch.stack([heights, widths])
    per = 1 if outputs == "trace" else c
    flat = g.new_zeros(kernel.shape[0] * kernel.shape[1], per * per)
    for height, width in torch.unique(shapes, dim=1).mT.tolist():
        members = ((heights == height) & (widths == width)).nonzero()[:, 0]
        each = (height * width * per * per + (height + width) * g[0, 0].numel()) * g.element_size()
        for some in members.split(max(1, workspace // each)):
            x, i = left.group(groups[some], height)
            y, j = right.group(groups2[some], width)
            if outputs == "trace":
                products = (x.flatten(2) @ y.flatten(2).mT / c).unsqueeze(-1)
            else:
                products = torch.einsum("bpcd,bqed->bpqce", x, y).flatten(-2)
            add_rows(flat, (i[:, :, None] * kernel.shape[1] + j[:, None, :]).flatten(), products.flatten(0, 2))
    kernel += flat.view(kernel.shape)


class _Tokens:
    """Gradients summed by example and token, sorted by token."""

    def __init__(self, ids: Tensor, g: Tensor) -> None:
        n = ids.shape[0]
        live = g.flatten(2).ne(0).any(-1)
        example = torch.arange(n, device=ids.device)[:, None].expand_as(ids)[live]
        keys, where = torch.unique(ids[live] * n + example, return_inverse=True)  # sorted by token, then by example
        self.g = add_rows(g.new_zeros(len(keys) + 1, *g.shape[2:]), where, g[live])  # the last row stays zero
        self.example = torch.cat([keys % n, keys.new_zeros(1)])
        self.values, self.counts = torch.unique_consecutive(keys // n, return_counts=True)
        self.starts = self.counts.cumsum(0) - self.counts

    def group(self, tokens: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """The gradients (b, most, C, d) of some tokens, zeros after the last, and their examples (b, most)."""
        offset = torch.arange(most, device=tokens.device)
        index = torch.where(offset < self.counts[tokens, None], self.starts[tokens, None] + offset, len(self.g) - 1)
        return self.g[index], self.example[index]


def tied(
    a: Float[Tensor, "n T d"],
    g: Float[Tensor, "n T C V"],
    ids2: Int[Tensor, "m U"],
    g2: Float[Tensor, "m U C d"],
    *,
    outputs: Outputs,
    workspace: int,
) -> Float[Tensor, "n m"] | Float[Tensor, "n m C C"]:
    """Return the cross term of a table (V, d) that is an output layer on one side and an embedding on the other.

    Theta(x, x') = sum over positions t, s of (a_t.g'_s) g_t[id'_s].

    Args:
        a: inputs of the output layer, n examples.
        g: gradients of the outputs with respect to what it gives.
        ids2: tokens of m examples.
        g2: gradients with respect to what was looked up.
        outputs: "trace" (divided by C) or "full".
        workspace: bytes that it may use beside arguments and result.
    """
    n, t, c, _ = g.shape
    m, u = g2.shape[:2]
    kernel = zeros(g, n, m, outputs)
    step = max(1, workspace // max(1, 2 * t * m * u * c * c * g.element_size()))
    for start, stop in spans(n, step):
        picked = g[start:stop][..., ids2.flatten()].unflatten(-1, (m, u))
        met = (a[start:stop].flatten(0, 1) @ g2.flatten(0, 2).mT).unflatten(-1, (m, u, c)).unflatten(0, (-1, t))
        pattern = "ntcmu,ntmuc->nm" if outputs == "trace" else "ntcmu,ntmue->nmce"
        kernel[start:stop] += torch.einsum(pattern, picked, met)
    return kernel / c if outputs == "trace" else kernel

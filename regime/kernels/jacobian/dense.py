"""The slow, obvious oracle: the whole Jacobian, one autograd call for every example and output, and J J^T by layer."""

from types import MappingProxyType

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.backward import graph_under
from regime.kernels.jacobian.batch import Batch, Readout, evaluate, given_as, select, size
from regime.kernels.jacobian.blocks import Outputs
from regime.kernels.jacobian.heads import Heads, split_by_heads
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.parameters import check_mode, owned
from regime.kernels.jacobian.part import dense, real
from regime.kernels.jacobian.parts import RowsPart
from regime.kernels.jacobian.refusal import coupled
from regime.kernels.jacobian.single import check_seen
from regime.kernels.jacobian.undisturbed import undisturbed


@torch.inference_mode(False)
@torch.enable_grad()
def jacobian(
    model: nn.Module,
    batch: Batch,
    readout: Readout | None = None,
    layers: list[str] | None = None,
    heads: Heads = MappingProxyType({}),
) -> dict[str, Tensor | None]:
    """Return the Jacobian (n, C, P_l) of each layer, evaluated on the whole batch; None where no gradient reaches it.

    A complex parameter is two real ones, its real and its imaginary part.

    Args:
        model: any module.
        batch: n examples.
        readout: a function of the model's output and the batch, or None.
        layers: globs on module paths; None: all.
        heads: parameters that are split by heads.
    """
    check_mode(model)
    parameters = owned(model, layers)
    flat = [parameter for own in parameters.values() for parameter in own.values()]
    with undisturbed(model, readout) as passes:
        readout = passes.watched(readout)
        alone = [evaluate(model, select(batch, [row]), readout)[0].detach() for row in range(size(batch))]
        outputs = evaluate(model, batch, readout)
        check_seen(graph_under(outputs))
        for one, among in zip(alone, outputs, strict=True):
            difference = one - among
            if not difference.norm() <= 1e-3 * (1 + among.norm()):
                raise ValueError(coupled(f"by {difference.norm().item():.2g}"))
    found = {id(parameter): [] for parameter in flat}
    for value in outputs.flatten():
        gradients = torch.autograd.grad(value, flat, retain_graph=True, allow_unused=True)
        for parameter, gradient in zip(flat, gradients, strict=True):
            found[id(parameter)].append(gradient)
    result: dict[str, Tensor | None] = {}
    for path, own in parameters.items():
        parts = [
            RowsPart(_rows(p, found[id(p)]).unflatten(0, outputs.shape), name, tuple(p.shape), p.is_complex())
            for name, p in own.items()
            if any(gradient is not None for gradient in found[id(p)])
        ]
        for name, each in split_by_heads(path, LayerJacobian(tuple(parts)) if parts else None, heads).items():
            result[name] = each and torch.cat([part.j for part in each.parts], -1)
    return result


def _rows(parameter: Tensor, gradients: list[Tensor | None]) -> Tensor:
    return real(torch.stack([torch.zeros_like(parameter) if g is None else dense(g) for g in gradients])).reshape(
        len(gradients), -1
    )


def dense_ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None,
    readout: Readout | None,
    outputs: Outputs,
    layers: list[str] | None,
    heads: Heads,
) -> dict[str, Tensor | None]:
    """Return the kernel of each layer from explicit Jacobians: slow, and the oracle of all that is fast.

    Args:
        model: as in `empirical_ntk`, and so are all that follow.
        batch: n examples.
        other: m examples, or None.
        readout: a function of the model's output and the batch, or None.
        outputs: "trace" or "full".
        layers: globs on module paths, or None.
        heads: parameters that are split by heads.
    """
    left = jacobian(model, batch, readout, layers, heads)
    with given_as("other"):
        right = left if other is None else jacobian(model, other, readout, layers, heads)
    return {
        path: None if j is None or right.get(path) is None else _kernel(j, right[path], outputs) for path, j in left.items()
    }


def _kernel(j: Tensor, j2: Tensor, outputs: Outputs) -> Tensor:
    return torch.einsum("ncp,mcp->nm", j, j2) / j.shape[1] if outputs == "trace" else torch.einsum("ncp,mdp->nmcd", j, j2)

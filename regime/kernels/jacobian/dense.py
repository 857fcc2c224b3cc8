"""The slow, obvious oracle: the whole Jacobian, one autograd call for every example and output."""

import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge

from regime.kernels.jacobian.backward import check_derivatives, graph_under
from regime.kernels.jacobian.batch import Batch, Readout, evaluate, select, size
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
    model: nn.Module, batch: Batch, readout: Readout | None = None, layers: list[str] | None = None
) -> dict[str, LayerJacobian | None]:
    """Return the explicit Jacobian of each layer, evaluated on the whole batch; None where no gradient reaches it.

    A complex parameter is two real ones, its real and its imaginary part.

    Args:
        model: any module.
        batch: n examples.
        readout: a function of the model's output and the batch, or None.
        layers: globs on module paths; None: all.
    """
    check_mode(model)
    parameters = owned(model, layers)
    flat = [parameter for own in parameters.values() for parameter in own.values()]
    with undisturbed(model, readout) as passes:
        readout = passes.watched(readout)
        alone = [evaluate(model, select(batch, [row]), readout)[0].detach() for row in range(size(batch))]
        outputs = evaluate(model, batch, readout)
        check_seen(reached := graph_under(outputs))
        check_derivatives(reached, parameters)
        for one, among in zip(alone, outputs, strict=True):
            difference = one - among
            if not difference.norm() <= 1e-3 * (1 + among.norm()):
                raise ValueError(coupled(f"by {difference.norm().item():.2g}"))
    each = [torch.autograd.grad(value, flat, retain_graph=True, materialize_grads=True) for value in outputs.flatten()]
    found = {
        id(parameter): torch.stack([real(dense(gradient)).flatten() for gradient in gradients]).unflatten(0, outputs.shape)
        for parameter, gradients in zip(flat, zip(*each, strict=True), strict=True)
    }
    return {
        path: LayerJacobian(tuple(RowsPart(found[id(p)], name, tuple(p.shape), p.is_complex()) for name, p in own.items()))
        if any(p.numel() and get_gradient_edge(p).node in reached for p in own.values())
        else None
        for path, own in parameters.items()
    }

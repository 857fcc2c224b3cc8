"""The slow, obvious oracle: the whole Jacobian, one autograd call for every example and output, and J J^T by layer."""

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, Readout, evaluate, size
from regime.kernels.jacobian.blocks import Outputs
from regime.kernels.jacobian.parameters import check_mode, owned
from regime.kernels.jacobian.part import real


@torch.inference_mode(False)
@torch.enable_grad()
def jacobian(
    model: nn.Module, batch: Batch, readout: Readout | None = None, layers: list[str] | None = None
) -> dict[str, Tensor | None]:
    """Return the Jacobian (n, C, P_l) of each layer, evaluated on the whole batch; None where no gradient reaches it.

    A complex parameter is two real ones, its real and its imaginary part.

    Args:
        model: any module.
        batch: n examples.
        readout: a function of the model's output and the batch, or None.
        layers: globs on module paths; None: all.
    """
    check_mode(model)
    size(batch)
    parameters = owned(model, layers)
    flat = [parameter for own in parameters.values() for parameter in own.values()]
    outputs = evaluate(model, batch, readout)
    found = {id(parameter): [] for parameter in flat}
    for value in outputs.flatten():
        gradients = torch.autograd.grad(value, flat, retain_graph=True, allow_unused=True)
        for parameter, gradient in zip(flat, gradients, strict=True):
            found[id(parameter)].append(gradient)
    result: dict[str, Tensor | None] = {}
    for path, own in parameters.items():
        used = [p for p in own.values() if any(gradient is not None for gradient in found[id(p)])]
        columns = [
            real(torch.stack([torch.zeros_like(p) if g is None else g for g in found[id(p)]])).reshape(outputs.numel(), -1)
            for p in used
        ]
        result[path] = torch.cat(columns, 1).unflatten(0, outputs.shape) if used else None
    return result


def dense_ntk(
    model: nn.Module,
    batch: Batch,
    other: Batch | None,
    readout: Readout | None,
    outputs: Outputs,
    layers: list[str] | None,
) -> dict[str, Tensor | None]:
    """Return the kernel of each layer from explicit Jacobians: slow, and the oracle of all that is fast.

    Args:
        model: as in `empirical_ntk`, and so are all that follow.
        batch: n examples.
        other: m examples, or None.
        readout: a function of the model's output and the batch, or None.
        outputs: "trace" or "full".
        layers: globs on module paths, or None.
    """
    left = jacobian(model, batch, readout, layers)
    right = left if other is None else jacobian(model, other, readout, layers)
    return {path: None if j is None or right[path] is None else _kernel(j, right[path], outputs) for path, j in left.items()}


def _kernel(j: Tensor, j2: Tensor, outputs: Outputs) -> Tensor:
    return torch.einsum("ncp,mcp->nm", j, j2) / j.shape[1] if outputs == "trace" else torch.einsum("ncp,mdp->nmcd", j, j2)

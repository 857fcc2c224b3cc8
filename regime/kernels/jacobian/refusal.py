"""Why a network has no tangent kernel between examples, said by what is shown of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import torch
from torch import Tensor, nn

from regime.kernels.jacobian.batch import Batch, Readout, evaluate, select
from regime.kernels.jacobian.chance import RANDOM
from regime.kernels.jacobian.recording import Use
from regime.kernels.jacobian.rounding import jittered
from regime.kernels.jacobian.verify import PRECISION, GradientCheck, near

ENOUGH = 32
"""Examples, each of them several times, that show whether there are gradients: few may happen to be rounded alike."""
VANISHING = 100
"""Times what rounding makes of a gradient, below which there is none."""


def coupled(how: str) -> str:
    """Say that examples affect one another, and how much."""
    return (
        f"model: the output for one example changes with the other examples of the batch ({how}); "
        "a tangent kernel between examples needs them to be independent"
    )


def check_apart(outputs: Tensor, row: int, uses: list[Use]) -> None:
    """Refuse examples that affect one another by less than coarse numbers are rounded: zeros stay zeros in any precision.

    Args:
        outputs: of a recorded batch, whose graph is kept.
        row: an example.
        uses: calls whose results for other examples must not matter to this one.

    Raises:
        ValueError: they do.
    """
    found = torch.autograd.grad(outputs[row].sum(), [use.edge for use in uses], retain_graph=True, allow_unused=True)
    for use, gradient in zip(uses, found, strict=True):
        if gradient is not None and (axis := use.site.axis) is not None:
            own = gradient.narrow(axis.position, row * axis.each, axis.each).clone()
            gradient.narrow(axis.position, row * axis.each, axis.each).zero_()
            if (others := gradient.float().norm()) > PRECISION * own.float().norm():
                raise ValueError(coupled(f"its gradient by {float(others / own.float().norm()):.2g}"))


def refuse(
    model: nn.Module, batch: Batch, readout: Readout | None, checks: list[GradientCheck], odd: Sequence[str] = ()
) -> NoReturn:
    """Say why examples are not what they are on their own: they affect one another, each pass is another, or no gradient is.

    Args:
        model, batch, readout: as in `evaluate`.
        checks: of all outputs, or of one after another.
        odd: layers whose gradients are not what the check says; none where the outputs are not.

    Raises:
        ValueError: always.
    """
    if bad := [path for check in checks for path, gradient in check.known.items() if not bool(gradient.size.isfinite())]:
        raise ValueError(f"model: gradients of its outputs are not finite on this batch, in {', '.join(bad[:3])}")
    first, second = (evaluate(model, batch, readout) for _ in range(2))
    if not near(first, second, checks[0].tolerance, lambda: sum(check.coarse**2 for check in checks) ** 0.5):
        raise ValueError(RANDOM)
    several = select(batch, ([*range(len(first))] * ENOUGH)[:ENOUGH])
    outputs, moved = (way(model, several, readout) for way in (evaluate, jittered))
    rows = [*range(len(outputs))]
    some = replace(checks[0], outputs=outputs, chosen=rows, rows=rows, jittered=moved, keep=True)
    fine = replace(some, jittered=None)  # what another rounding changes is told of linear gradients alone
    if fine.differs(replace(fine).known):
        raise ValueError("model: its gradients are random: two backward passes of the same examples differ; fix the noise")
    vanishing = all(known.norm <= VANISHING * some.moved[path] for path, known in some.known.items())
    if vanishing and fine.differs(replace(fine, outputs=moved).known):
        raise ValueError("model: its outputs have no gradients on this batch but for rounding, as a softmax over one class has")
    some = fine if checks[0].jittered is None else some
    if some.differs(some.in_parts()):
        raise ValueError(
            "model: its gradients are not linear in those of its outputs, so that there is no Jacobian: a backward function of "
            "its own clips, normalizes or rounds them; leave that to training, such as to clip_grad_norm_"
        )
    each = [first] if len(checks) == 1 else [first[:, k : k + 1] for k in range(len(checks))]
    pairs = list(zip(checks, each, strict=True))
    if not odd or any(check.unlike(outputs) for check, outputs in pairs):
        apart = [outputs[check.rows] - check.outputs[check.chosen] for check, outputs in pairs if not check.same(outputs)]
        away = max((each.norm().item() for each in apart), default=0.0)
        raise ValueError(coupled(f"by {away:.2g}" if away > 0 else "or its gradients do"))
    size = max(check.known[path].norm for check in checks for path in odd)
    raise ValueError(
        f"model: no way of computing the gradients of {', '.join(odd[:3])} agrees with autograd on a few examples, whose "
        f"gradient has the norm {size:.2g}; where its square leaves the range of {str(first.dtype).removeprefix('torch.')}, "
        "scale the outputs in a readout, or call model.double()"
    )

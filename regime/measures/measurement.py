"""All measures of a snapshot against the first one."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.measures.function import linear_gap
from regime.measures.kernel import kernel_change, kernel_distance, kernel_distance_centered, trace
from regime.measures.representation import feature_movement, representation_change
from regime.snapshots import Snapshot

BOOTSTRAP = 200
"""Resamples of the probe points behind an interval where there is one seed."""
DRAWN = 2**21
"""Entries of resampled kernels held at once."""

DEFINITIONS = {
    "train_loss": "1/N sum of half the squared error on the training points",
    "test_loss": "the same on held-out points",
    "twin_train_loss": "training loss of the linearized twin",
    "twin_test_loss": "held-out loss of the linearized twin",
    "kernel_change": "||Theta_t - Theta_0|| / ||Theta_0|| on the probe points: turning and growth",
    "kernel_distance": "1 - cosine of Theta_t and Theta_0: turning alone",
    "kernel_distance_centered": "the same after centering both kernels, which removes their constant part",
    "kernel_share": "share of the layer in the kernel's trace",
    "representation_change": "1 - debiased CKA of the hidden representation now and at the start",
    "feature_movement": "||h_t - h_0|| / ||h_0|| of the hidden representation",
    "parameter_movement": "||theta_t - theta_0|| / ||theta_0||",
    "linearization_gap": "distance of the network from its linearized twin, relative to how far it moved",
    "linearization_gap_max": "the largest linearization gap along the run",
    "taylor_gap": "distance of the network from f_0 + J_0 (theta_t - theta_0), relative to how far it moved",
    "stability": "step size times the top eigenvalue of Theta / N; descent is stable below 2, with momentum below 2 (1 + beta)",
}
"""Every measure, in one sentence."""

REASONS = {
    "gap": "the function has not moved yet",
    "kernel": "the kernel is zero on the probe points, at the start or now",
    "missing": "not part of the function: no gradient reaches it",
    "representation": "no representation of the examples here",
    "still": "the representation is constant over the probe points",
    "parameters": "the initial parameters are zero",
    "overflow": "not finite: training diverged",
}

KERNEL = {
    "kernel_change": kernel_change,
    "kernel_distance": kernel_distance,
    "kernel_distance_centered": kernel_distance_centered,
}
REPRESENTATION = {"representation_change": representation_change, "feature_movement": feature_movement}
ROW = (*KERNEL, "kernel_share", *REPRESENTATION, "parameter_movement")
"""The measures of a layer or block."""


@dataclass(frozen=True)
class Measurement:
    """Measures seed by seed. A value that is not finite is undefined; `undefined` says why under its measure."""

    model: dict[str, Float[Tensor, "S"]]
    layers: dict[str, dict[str, Float[Tensor, "S"]]]
    blocks: dict[str, dict[str, Float[Tensor, "S"]]]
    undefined: dict[str, str]
    resampled: dict[str, Float[Tensor, "B"]]
    """With one seed: the verdict's measures on each bootstrap resample of the probe points."""


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack([part.double() for part in parts]).sum(0)


def measure(now: Snapshot, start: Snapshot) -> Measurement:
    """Every measure of `now` against `start`, whole and by layer and block; layers sum to the whole before norms are taken."""
    undefined: dict[str, str] = dict(now.undefined)
    names = {layer: [layer] for layer in now.blocks}
    groups: dict[str, list[str]] = {}
    for layer, block in now.blocks.items():
        groups.setdefault(block, []).append(layer)
    total = trace(_sum(now.kernels.values()))
    layers, blocks = (
        {name: _row(name, members, now, start, total, undefined) for name, members in part.items()} for part in (names, groups)
    )
    whole = _row(now.last_hidden, list(now.blocks), now, start, total, undefined, key="")
    del whole["kernel_share"]
    model = {name: value.double() for name, value in (now.losses | now.scalars).items()} | whole
    for name, linear in now.linear.items():
        model[name] = linear_gap(now.outputs, linear, start.outputs)
        undefined[name] = REASONS["gap"]
    resampled = _resample(now, start) if now.outputs.shape[0] == 1 and now.step > start.step else {}
    return Measurement(model, layers, blocks, undefined, resampled)


def _row(
    name: str,
    members: list[str],
    now: Snapshot,
    start: Snapshot,
    total: Tensor,
    undefined: dict[str, str],
    key: str | None = None,
) -> dict[str, Tensor]:
    """The measures of some layers taken together; `name` is whose representation stands for them."""
    prefix = f"{name}/" if key is None else key
    present = [layer for layer in members if layer in now.kernels]
    if not present:
        nothing = torch.full_like(total, torch.nan)
        undefined.update({prefix + measure: REASONS["missing"] for measure in ROW})
        return dict.fromkeys(ROW, nothing)
    kernels = [_sum(snapshot.kernels[layer] for layer in present) for snapshot in (now, start)]
    row = {measure: function(*kernels) for measure, function in KERNEL.items()}
    row["kernel_share"] = trace(kernels[0]) / total
    reasons = dict.fromkeys(row, REASONS["kernel"])
    here = name in now.representations
    for measure, function in REPRESENTATION.items():
        pair = (now.representations[name], start.representations[name]) if here else None
        row[measure] = function(*pair) if pair else torch.full_like(total, torch.nan)
        reasons[measure] = REASONS["still" if here else "representation"]
    moved, size = (_sum(part[layer] for layer in present) for part in (now.displacement, now.magnitude))
    row["parameter_movement"] = (moved / size).sqrt()
    reasons["parameter_movement"] = REASONS["parameters"]
    for measure, reason in reasons.items():
        undefined.setdefault(prefix + measure, reason)
    return row


def _resample(now: Snapshot, start: Snapshot) -> dict[str, Float[Tensor, "B"]]:
    """Bootstrap over probe points; the same resamples at every step, so that maxima along the run can be taken draw by draw."""
    points = now.outputs.shape[1]
    generator = torch.Generator().manual_seed(0)
    index: Int[Tensor, "B P"] = torch.randint(points, (BOOTSTRAP, points), generator=generator).to(now.outputs.device)
    kernels = [_sum(snapshot.kernels.values())[0] for snapshot in (now, start)]
    drawn: dict[str, list[Tensor]] = {"kernel_change": [], "kernel_distance_centered": []}
    for part in index.split(max(1, DRAWN // points**2)):
        pair = [kernel[part.unsqueeze(-1), part.unsqueeze(-2)] for kernel in kernels]
        for name, values in drawn.items():
            values.append(KERNEL[name](*pair))
    gaps = {
        name: linear_gap(now.outputs[0][index], linear[0][index], start.outputs[0][index])
        for name, linear in now.linear.items()
    }
    return {name: torch.cat(values) for name, values in drawn.items()} | gaps

"""S23: a richness number from the last features and outputs alone, against the change of the kernel."""

from collections.abc import Generator, Iterator
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import SweepConfig, ToyConfig
from regime.dynamics.snapshot import Snapshot
from regime.measures.baseline import Baseline
from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.measures.kernel import center
from regime.measures.measurement import take_measures
from regime.reproductions.claim import Claim, Figure, Found, Paper, Series, Step, finding
from regime.reproductions.widths import LOSS, STEP
from regime.toy.producer import ToyRun

KNOBS: dict[str, tuple[dict[str, object], dict[str, list[object]]]] = {
    "alpha": ({}, {"alpha": [16.0, 4.0, 1.0, 1 / 4, 1 / 16]}),
    "width": ({}, {"width": [512, 256, 128, 64, 32]}),
    "initialization": ({}, {"init_scale": [2.0, 1.4, 1.0, 0.7, 0.5]}),
    "parameterization": ({}, {"parameterization": ["ntk", "standard", "mup"], "width": [64, 256]}),
    "bottleneck": ({"depth": 3, "bottleneck_layer": 2}, {"bottleneck": [64, 32, 16, 8, 4]}),
}
"""Fields that a knob needs, and the axes that it turns: from the lazy end to the rich one, but for the parameterizations."""


def low_rank_distance(features: Float[Tensor, "*s n p"], outputs: Float[Tensor, "*s n C"]) -> Float[Tensor, "*s"]:
    """Return D_LR = 1 - CKA(T, T_MP): 0 (rich) where the features' kernel is the projector onto the outputs, at most 1.

    T is the kernel of the last features, T_MP = a_1 |1><1| + a_2 P with P the projector onto the span of the outputs; CKA
    centers both, so that a_1 and a_2 drop out (Nam et al. 2024, arXiv 2410.04264, definition 1).

    Args:
        features: of the last hidden layer, at n points.
        outputs: the learned function there.
    """
    kernel = center(features.double() @ features.double().mT)
    learned = outputs.double() - outputs.double().mean(-2, keepdim=True)
    basis, sizes, _ = torch.linalg.svd(learned, full_matrices=False)
    kept = (sizes > sizes[..., :1] * 1e-10).double()
    inner = ((basis.mT @ kernel @ basis).diagonal(dim1=-2, dim2=-1) * kept).sum(-1)
    return 1 - inner / (kernel.norm(dim=(-2, -1)) * kept.sum(-1).sqrt())


def both_numbers(config: ToyConfig) -> Generator[Step, None, Float[Tensor, "2 S"]]:
    """Train to LOSS; return D_LR and kernel_change of every seed, on the probe points."""
    baseline, end = None, None
    for item in ToyRun(config).endpoints(LOSS, learners=False):
        if isinstance(item, Snapshot):
            baseline, end = baseline or Baseline(item), item
        yield Step()
    assert baseline is not None
    assert end is not None
    changed = take_measures(baseline, end, None).model["kernel_change"]
    return torch.stack([low_rank_distance(end.representations[end.last_hidden], end.outputs), changed])


def measure(full: bool) -> Iterator[Found]:
    """Rank settings along every knob by both numbers, and show where they disagree."""
    tasks = ("rings", "teacher") if full else ("rings",)
    fields = {"samples": 48, "test_samples": 8, "probe_samples": 96, "width": 128, "steps": 3000, "measure_every": 3000}
    base = ToyConfig(**fields, seeds=10 if full else 5)
    for number, task in enumerate(tasks):
        found: dict[str, np.ndarray] = {}
        sweeps: dict[str, SweepConfig] = {}
        for place, (knob, (needs, axes)) in enumerate(KNOBS.items()):
            yield Step((number + place / len(KNOBS)) / len(tasks), f"{task}: {knob}")
            sweeps[knob] = SweepConfig(base=base.model_copy(update={"task": task, **needs}), axes=axes, at_loss=LOSS)
            rows = []
            for config in sweeps[knob].cells():
                rows.append((yield from both_numbers(config)))
            found[knob] = torch.stack(rows).cpu().numpy()
        yield from _compared(task, found, sweeps)
        yield _drawn(task, found)


def _compared(task: str, found: dict[str, np.ndarray], sweeps: dict[str, SweepConfig]) -> Iterator[Found]:
    """Rank correlations of tables (settings, 2, S), over all settings and by knob, and the pairs on which both disagree."""
    whole = np.concatenate(list(found.values()))
    what = f"rank correlation of 1 - D_LR with kernel_change, {task}, {STEP},"
    yield finding(f"{what} {len(whole)} settings", "positive", _correlation(whole), low=0.0, configs=list(sweeps.values()))
    for knob, table in found.items():
        places = [" ".join(map(str, sweeps[knob].point(cell).values())) for cell in sweeps[knob].cells()]
        pairs = [f"{places[one]} / {places[other]}" for one, other in disagreements(table)]
        told = f"against D_LR's order: {', '.join(pairs)}" if pairs else "no pair against D_LR's order beyond intervals"
        along = f"{what} along {knob}; {told}"
        yield finding(along, "positive where they agree", _correlation(table), configs=[sweeps[knob]])


def disagreements(table: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of settings that the two numbers (settings, 2, S) order differently, each beyond its own interval."""
    found = []
    for one, other in combinations(range(len(table)), 2):
        richer = mean_over_seeds(table[one, 0] - table[other, 0])
        changed = mean_over_seeds(np.log(table[other, 1] / table[one, 1]))
        if (richer.low > 0 and changed.high < 0) or (richer.high < 0 and changed.low > 0):
            found.append((one, other))
    return found


def _correlation(table: np.ndarray) -> PointEstimate:
    """Spearman's, seed by seed."""
    from scipy.stats import spearmanr

    found = mean_over_seeds(np.array([spearmanr(1 - rank, kernel).statistic for rank, kernel in table.transpose(2, 1, 0)]))
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def _drawn(task: str, found: dict[str, np.ndarray]) -> Figure:
    means = {knob: table.mean(2).T.tolist() for knob, table in found.items()}
    return Figure(
        title=f"D_LR against kernel_change, {task}: rich is low and to the right",
        x="kernel_change",
        y="D_LR",
        log_x=True,
        series=[Series(name=knob, x=kernel, y=rank) for knob, (rank, kernel) in means.items()],
    )


LOW_RANK = Claim(
    id="S23",
    title="Richness seen in the last layer",
    claim="Rich training leaves in the last features only what the outputs need, so one look at the end tells how rich it was.",
    paper=Paper(
        authors="Nam et al.",
        year=2024,
        title="Decoupling Dynamical Richness from Representation Learning: Towards Practical Measurement",
        arxiv="2410.04264",
    ),
    published="D_LR falls from 0.51 to 0.11 as a transformer groks addition modulo 97.",
    method=f"Networks learn rings, in the full form also from a teacher network, {STEP}, along five knobs from lazy to rich. "
    "D_LR compares the kernel of the last features with the projector onto the learned outputs: one less their alignment after "
    "centering (definition 1 of the paper). Outputs are those less their start. The rank correlation with kernel_change over "
    "all settings passes where its interval over seeds is positive. D_LR has no start to compare with: among lazy networks it "
    "follows the features they were born with, so wider ones look richer. Pairs that the two order differently are named.",
    measure=measure,
)

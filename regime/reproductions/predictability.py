"""predictability: what the kernel at initialization forecasts of a run, over width and output scale."""

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from regime.config import SweepConfig, ToyConfig
from regime.dynamics.snapshot import TWIN_GAP, GapSnapshot, Snapshot
from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.record.recorder import Recorder
from regime.reproductions.claim import Claim, Figure, Found, Paper, Step, exponent, finding
from regime.reproductions.widths import LOSS, STEP, dots
from regime.toy.producer import ToyRun

ALPHAS = [64.0, 16.0, 4.0, 1.0, 1 / 4, 1 / 16]
TOGETHER = 256
"""Units of all networks of one seed that train as one batch: with more, a step takes too long to be stopped between."""


class Foretold(NamedTuple):
    """What was known beforehand of the runs at one place of the map, seed by seed."""

    skill: np.ndarray
    apart: np.ndarray
    """How far a seed's outputs end from the mean over seeds, relative to the size of that mean."""
    known: np.ndarray
    """Cosine between a seed's deviation from the mean and the one that its own forecast has."""


def deviations(outputs: Float[Tensor, "S P C"], forecast: Float[Tensor, "S P C"]) -> tuple[Tensor, Tensor]:
    """Return the relative size of every seed's deviation from the mean over seeds, and its cosine with that of its own twin."""
    mean, deviation = _apart(outputs)
    told = _apart(forecast)[1]
    size = deviation.norm(dim=1)
    return size / mean.norm(), (deviation * told).sum(1) / (size * told.norm(dim=1))


def _apart(outputs: Float[Tensor, "S P C"]) -> tuple[Tensor, Tensor]:
    """The mean over seeds, and each seed's deviation from it as if the seed were not part of the mean's noise."""
    flat = outputs.double().flatten(1)
    return flat.mean(0), (flat - flat.mean(0)) * (len(flat) / (len(flat) - 1)) ** 0.5


def foretold(cells: Sequence[ToyConfig], at_loss: float) -> Generator[Step, None, list[Foretold]]:
    """Train runs that differ in alpha alone as one batch to a share of the loss, and compare them with their forecasts."""
    recorders, ends = [Recorder(cell, 1.0, [], cell.steps) for cell in cells], {}
    for item in ToyRun(cells).endpoints(at_loss, learners=False):
        if isinstance(item, GapSnapshot):
            recorders[item.cell].record_gap(item)
        elif isinstance(item, Snapshot):
            recorder = recorders[item.cell]
            recorder.record(item, 0.0, 0.0) if recorder.baseline else recorder.begin(item)
            ends[item.cell] = item
        yield Step()
    found = []
    for cell, recorder in enumerate(recorders):
        apart, known = deviations(ends[cell].outputs, ends[cell].linear[TWIN_GAP])
        skill = np.array(recorder.history[-1].seeds["forecast_skill"])
        found.append(Foretold(skill, apart.cpu().numpy(), known.cpu().numpy()))
    return found


def measure(full: bool) -> Iterator[Found]:
    """Map forecast skill and the spread over seeds, rings, over width and alpha."""
    widths = [32, 64, 128, 256, *([512] if full else [])]
    fields = {"samples": 64, "test_samples": 16, "probe_samples": 64, "steps": 2000, "measure_every": 20}
    base = ToyConfig(task="rings", seeds=12 if full else 8, **fields)
    sweep = SweepConfig(base=base, axes={"width": widths, "alpha": ALPHAS}, at_loss=LOSS)
    rows = []
    for place, width in enumerate(widths):
        yield Step(place / len(widths), f"networks of width {width}, from lazy to rich")
        cells = [base.model_copy(update={"width": width, "alpha": alpha}) for alpha in ALPHAS]
        together = max(1, TOGETHER // width)
        row: list[Foretold] = []
        for first in range(0, len(cells), together):
            row += yield from foretold(cells[first : first + together], LOSS)
        rows.append(row)
    skill, apart, known = (np.array([[place[part] for place in row] for row in rows]) for part in range(3))
    yield from _skill(widths, skill, sweep)
    yield from _seeds(widths, apart, known, sweep)
    drawn = (
        ("The kernel at the start forecasts lazy runs, and ever less of rich ones", "forecast_skill", skill),
        ("What sets one seed apart from others is known beforehand only when lazy", "cosine with the forecast", known),
        ("Seeds of rich runs end no further apart than those of lazy ones", "relative spread", apart),
    )
    for title, label, table in drawn:
        series = [dots(f"width {width}", ALPHAS, row) for width, row in zip(widths, table, strict=True)]
        yield Figure(title=title, x="alpha, the output scale", y=label, log_x=True, series=series)


def _skill(widths: list[int], skill: np.ndarray, sweep: SweepConfig) -> Iterator[Found]:
    """How well forecasts do, of skills (widths, alphas, S)."""
    least = skill[:, 0].mean(1).argmin()
    what = f"forecast_skill at alpha = 64, the lowest of all widths (width {widths[least]})"
    yield finding(what, "near 1: the forecast holds", mean_over_seeds(skill[least, 0]), 0.99, configs=[sweep])
    falls = skill[:, :-1] - skill[:, 1:]
    width, place = np.unravel_index(falls.mean(2).argmin(), falls.shape[:2])
    what = f"smallest fall of forecast_skill at a quartering of alpha (width {widths[width]}, to alpha = {ALPHAS[place + 1]:g})"
    yield finding(what, "above 0: it falls everywhere", mean_over_seeds(falls[width, place]), 0.0, configs=[sweep])
    what = "forecast_skill at alpha = 1/16, width 64"
    yield finding(
        what, "far lower: the forecast fails", mean_over_seeds(skill[widths.index(64), -1]), high=0.9, configs=[sweep]
    )


def _seeds(widths: list[int], apart: np.ndarray, known: np.ndarray, sweep: SweepConfig) -> Iterator[Found]:
    """How far seeds end apart, and how much of that was known, of tables (widths, alphas, S)."""
    lazy, rich = known[-1, 0], known[-1, -1]
    what = f"cosine of a seed's deviation from the mean with its forecast, alpha = 64, width {widths[-1]}"
    expected = "near 1: what sets seeds apart is known beforehand"
    yield finding(what, expected, mean_over_seeds(lazy), 0.9, configs=[sweep])
    what = f"fall of that cosine from alpha = 64 to 1/16, width {widths[-1]}"
    yield finding(what, "above 0: it is no longer known", mean_over_seeds(lazy - rich), 0.0, configs=[sweep])
    for place, alpha in ((0, "64"), (-1, "1/16")):
        what = f"exponent of the seeds' spread against width, alpha = {alpha}, {STEP}"
        expected = "negative; -1/2 in both regimes (Geiger et al. 2019, arXiv 1906.08034)"
        yield finding(what, expected, exponent(widths, apart[:, place]), high=0.0, configs=[sweep])
    ratio = mean_over_seeds(np.log(apart[:, -1] / apart[:, 0]).mean(0))
    what = f"the seeds' spread at alpha = 1/16 over that at 64, geometric mean over widths, {STEP}"
    expected = "above 1 if rich seeds parted; below 1 they agree more"
    yield finding(what, expected, PointEstimate(*np.exp(ratio).tolist()), configs=[sweep])


PREDICTABILITY = Claim(
    id="predictability",
    title="Lazy outcomes can be forecast",
    claim="Before the first step, the kernel forecasts what a lazy network will learn; the richer the training, the less.",
    paper=Paper(
        authors="Lee et al.",
        year=2019,
        title="Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent",
        arxiv="1902.06720",
    ),
    published="The forecast is exact in the limit of infinite width; no number is given for the rich end.",
    method=f"Networks of several widths and output scales learn rings, {STEP}. forecast_skill is the share of the path that "
    "the linearized twin, known before the first step, explains. It must exceed 0.99 at the lazy end, fall at each quartering "
    "of alpha, and lie below 0.9 at the rich end. The guess that rich seeds part did not come out, here and on six other "
    "tasks: at equal loss they agree more. What is lost is the knowledge of how each one will deviate. "
    "A lazy verdict tells that capabilities follow from the start, so they can be forecast and audited before training. "
    "A rich verdict tells only that this forecast is void, not what will be learned, nor whether it is good or safe.",
    measure=measure,
)

"""S22: the kernel's top eigenvectors and the Fourier features of modular addition, on the shipped trajectory that groks."""

import csv
from collections.abc import Generator, Iterator, Sequence
from math import pi

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.config import CheckpointConfig
from regime.kernels.empirical import empirical_ntk
from regime.measures.intervals import PointEstimate, mean_over_seeds, normal
from regime.measures.kernel import center
from regime.reproductions.claim import Claim, Figure, Found, Paper, Series, Step, finding
from regime.reproductions.widths import dots

KNOWN = 200
"""Step from which all training sums are known."""
PROJECTIONS = 4
"""Random signs of the 59 outputs that kernels are taken of."""
GENERALIZES = (0.55, 0.95)
"""Held-out accuracy before generalization sets in, but for b + a where a + b was seen, and when it is there."""


def fourier(numbers: Int[Tensor, "n"], modulus: int, frequencies: Sequence[int]) -> Float[Tensor, "n _"]:
    """Return an orthonormal basis of the centered cosines and sines of numbers.

    Args:
        numbers: at n points.
        modulus: after which they repeat.
        frequencies: cycles over the modulus.
    """
    angles = 2 * pi / modulus * torch.outer(numbers.double(), torch.tensor(frequencies, dtype=torch.float64))
    waves = torch.cat([angles.cos(), angles.sin()], 1)
    return torch.linalg.qr(waves - waves.mean(0))[0]


def overlap(kernel: Float[Tensor, "n n"], basis: Float[Tensor, "n k"]) -> float:
    """Return the share of a space that lies in the span of as many top eigenvectors of the centered kernel; k / n by chance."""
    vectors = torch.linalg.eigh(center(kernel)).eigenvectors[:, -basis.shape[1] :]
    return ((vectors.mT @ basis).square().sum() / basis.shape[1]).item()


def rises_together(one: np.ndarray, other: np.ndarray) -> PointEstimate:
    """Return the rank correlation of the rises of two curves (K,), with the interval of Bonett and Wright 2000."""
    from scipy.stats import spearmanr

    found = float(spearmanr(np.diff(one), np.diff(other)).statistic)
    half = normal() * ((1 + found**2 / 2) / (len(one) - 4)) ** 0.5
    return PointEstimate(found, *np.tanh([np.arctanh(found) - half, np.arctanh(found) + half]).tolist())


def overlaps(revisions: Sequence[str], draws: int, sums: int) -> Generator[Step, None, np.ndarray]:
    """Return the kernel's overlap (K, D) with the targets' features at K checkpoints, for D draws of sums.

    Args:
        revisions: K names of checkpoints.
        draws: D.
        sums: in each draw.
    """
    from regime.models import loading, modular  # transformers is slow to import
    from regime.models.checkpoints import AnswerReadout

    train, test = modular.pairs()
    ids, answers = (torch.cat(pair) for pair in zip(train, test, strict=True))
    found = np.empty((len(revisions), draws))
    for place, revision in enumerate(revisions):
        model = AnswerReadout(loading.load("modular-addition", revision, language_model=True).model, modular.P)
        for draw in range(draws):
            yield Step((place + draw / draws) / len(revisions), f"the kernel at {revision}")
            chosen = torch.randperm(len(answers), generator=torch.Generator().manual_seed(draw))[:sums]
            batch = {"input_ids": ids[chosen], "attention_mask": torch.ones_like(ids[chosen])}
            known = {"outputs": "projection", "projections": PROJECTIONS, "seed": draw, "group": "total"}
            kernel = empirical_ntk(model, batch, **known).total
            found[place, draw] = overlap(kernel, fourier(answers[chosen], modular.P, range(1, (modular.P + 1) // 2)))
    return found


def measure(full: bool) -> Iterator[Found]:
    """Follow the overlap of the kernel's top eigenvectors with the Fourier features of a + b, and the held-out accuracy."""
    yield Step(0.0, "the checkpoints are read")
    from regime.models import modular

    with (modular.CHECKPOINTS / "curves.csv").open(newline="", encoding="utf-8") as file:
        curve = {int(row["step"]): float(row["test_accuracy"]) for row in csv.DictReader(file)}
    steps = [step for step in modular.SAVED if full or step >= KNOWN]
    revisions, sums = [f"step-{step:05}" for step in steps], 512 if full else 256
    found = yield from overlaps(revisions, 5 if full else 3, sums)
    config = CheckpointConfig(model="modular-addition", task="modular-addition", revisions=revisions)

    begin = steps.index(KNOWN)
    late, accuracy = found[begin:], np.array([curve[step] for step in steps])[begin:]
    times = np.array(steps[begin:])
    what = "overlap of the kernel's top 58 eigenvectors with the Fourier features of a + b:"
    growth = mean_over_seeds(late[-1] / late[0])
    yield finding(f"{what} last over step {KNOWN}", "above 1: it rises", growth, 1.0, configs=[config])
    together = rises_together(late.mean(1), accuracy)
    yield finding(f"{what} rank correlation of its rises with held-out accuracy's", "positive", together, 0.0, configs=[config])
    rate = np.diff(late, axis=0) / np.diff(times)[:, None]
    middle = (times[1:] + times[:-1])[rate.argmax(0)] / 2
    sets_in, done = times[accuracy < GENERALIZES[0]].max(), times[accuracy > GENERALIZES[1]].min()
    expected = f"{sets_in} to {done}: where held-out accuracy goes from {GENERALIZES[0]} to {GENERALIZES[1]}"
    yield finding(f"{what} step at which it rises fastest", expected, mean_over_seeds(middle), sets_in, done, configs=[config])
    yield Figure(
        title="The kernel turns to the Fourier features of the sum as the network generalizes",
        x="step",
        y="overlap, accuracy",
        series=[
            dots("overlap of top eigenvectors", steps, found),
            Series(name="held-out accuracy", x=[float(step) for step in curve], y=list(curve.values()), style="line"),
            Series(name="overlap by chance", x=[steps[0], steps[-1]], y=[(modular.P - 1) / sums] * 2, style="guide"),
        ],
    )


FOURIER = Claim(
    id="S22",
    title="The kernel finds the Fourier features",
    claim="When a network groks modular addition, the top eigenvectors of its kernel turn to the Fourier features of the sum.",
    paper=Paper(authors="Lin", year=2025, title="Feature Identification via the Empirical NTK", arxiv="2510.00468"),
    published="The alignment rises, fastest near the onset of grokking.",
    method="The shipped checkpoints of one transformer that learns a + b modulo 59. At each, the kernel of all logits (by four "
    "random signs of them) on random sums: its 58 top eigenvectors against the 29 cosines and sines of a + b. Intervals are "
    "over draws of sums, not over trainings. The place passes where held-out accuracy goes from 0.55 to 0.95, after all "
    "training sums are known. Here the fastest rise comes with the last burst of generalization, not with its onset as in the "
    "paper. Rises between checkpoints are too few to decide on their rank correlation with those of accuracy.",
    measure=measure,
)

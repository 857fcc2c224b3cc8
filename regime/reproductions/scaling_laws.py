"""scaling-laws: how the error of kernel regression falls with samples, and what the kernel's spectrum says of it."""

from collections.abc import Iterator
from functools import cache
from math import inf, pi
from typing import NamedTuple

import numpy as np
import torch

from regime.kernels.closed_form import kernel_regression
from regime.kernels.infinite import infinite_ntk
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Claim, Finding, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law

MODES = 2048
"""Frequencies that a teacher has."""
TEST = 64
"""Held-out points of one fit, at random."""
DECAYS = {"ntk": 2.0, "nngp": 4.0, "one wave": inf}
"""By how much the spectrum on the circle falls with frequency, k^-decay: of the tangent kernel of a ReLU network with one
hidden layer, of the kernel of its outputs at the start, and of a target that has no high frequencies."""
CASES = (("ntk", "ntk"), ("nngp", "ntk"), ("one wave", "ntk"), ("ntk", "nngp"))
"""Teachers, whose spectrum the target has, and students, whose kernel fits it."""


def kernel(name: str, angles: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return a kernel of infinitely wide ReLU networks, with biases, between points on the circle.

    Args:
        name: "ntk" or "nngp".
        angles: of n points.
        others: of m points.
    """
    x, y = (torch.as_tensor(np.stack([np.cos(part), np.sin(part)], 1)) for part in (angles, others))
    both = infinite_ntk(x, y, depth=1, weight_std=2**0.5, bias_std=0.5)
    return getattr(both, name).numpy()


@cache
def spectrum(name: str) -> np.ndarray:
    """Return the eigenvalues of a kernel on the circle by frequency, from 0 to MODES, in units of the largest."""
    angles = 2 * pi * np.arange(8 * MODES) / (8 * MODES)
    values = np.fft.rfft(kernel(name, np.zeros(1), angles)[0]).real[: MODES + 1]
    return values / values.max()


def predicted(teacher: str, student: str) -> float:
    """Return the exponent of the error with samples, min(a_T - d, 2 a_S) / d with d = 1 (Spigler et al. 2020)."""
    return min(DECAYS[teacher] - 1, 2 * DECAYS[student])


def drawn(teacher: str, angles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random function of a teacher's spectrum at some points: a Gaussian field, or a wave of random phase.

    Args:
        teacher: whose spectrum it has.
        angles: of the points.
        rng: where randomness comes from.
    """
    if teacher == "one wave":
        return np.cos(2 * angles + rng.uniform(0, 2 * pi))
    sizes = np.sqrt(spectrum(teacher).clip(min=0))
    waves = sizes * np.exp(2j * pi * rng.uniform(size=len(sizes))) * np.sqrt(rng.exponential(size=len(sizes)))
    return (np.exp(1j * np.outer(angles, np.arange(len(sizes)))) @ waves).real


class Fit(NamedTuple):
    """One training set with its held-out points: angles and targets."""

    angles: np.ndarray
    y: np.ndarray
    test: np.ndarray
    test_y: np.ndarray

    @classmethod
    def draw(cls, teacher: str, samples: int, seed: int, evenly: bool) -> "Fit":
        """Draw a function and where it is known.

        Args:
            teacher: whose spectrum it has.
            samples: training points.
            seed: of everything.
            evenly: whether they are a lattice, turned at random, instead of random points.
        """
        rng = np.random.default_rng([seed, samples])
        turn = rng.uniform(0, 2 * pi)
        angles = turn + 2 * pi * np.arange(samples) / samples if evenly else rng.uniform(0, 2 * pi, samples)
        test = rng.uniform(0, 2 * pi, TEST)
        y, test_y = np.split(drawn(teacher, np.concatenate([angles, test]), rng), [samples])
        return cls(angles, y, test, test_y)

    def predictions(self, student: str) -> np.ndarray:
        """Return kernel regression's outputs at the held-out points."""
        parts = kernel(student, self.angles, self.angles), kernel(student, self.test, self.angles), self.y[:, None]
        return kernel_regression(*map(torch.as_tensor, parts)).numpy()[:, 0]

    def error(self, student: str) -> float:
        """Return the mean squared error of kernel regression at the held-out points."""
        return float(np.mean((self.predictions(student) - self.test_y) ** 2))


def measure(full: bool) -> Iterator[Found]:
    """Fit the error of kernel regression against samples, for several spectra of target and kernel."""
    yield Step(0.0, "the spectra of both kernels")
    frequencies = np.arange(32, 512)
    for name, source in (("ntk", "Bietti and Mairal 2019, arXiv 1905.12173"), ("nngp", "Bach 2017, arXiv 1412.8690")):
        slope = float(np.polyfit(np.log(frequencies), np.log(spectrum(name)[frequencies]), 1)[0])
        what = f"exponent of the eigenvalues against frequency on the circle, {name}"
        want = -DECAYS[name]
        yield finding(
            what,
            f"{want:g}",
            PointEstimate(slope, slope, slope),
            want - 0.02,
            want + 0.02,
            against=f"the decay derived by {source}",
        )
    sizes, series = [32, 64, 128, 256, *([512] if full else [])], []
    cases = [(True, *case) for case in CASES] + ([(False, *case) for case in CASES[:2]] if full else [])
    for place, (evenly, teacher, student) in enumerate(cases):
        points = "even" if evenly else "random"
        name = f"{teacher} target, {student} fit, {points} points"
        rows = []
        for samples in sizes:
            yield Step(place / len(cases), f"{name}, {samples} samples")
            row = []
            for seed in range(30 if full else 20):
                row.append(Fit.draw(teacher, samples, seed, evenly).error(student))
                yield Step()
            rows.append(row)
        want, y = -predicted(teacher, student), np.array(rows)
        off = 0.1 * abs(want)
        yield finding(f"exponent of the error against samples, {name}", f"{want:g}", exponent(sizes, y), want - off, want + off)
        series += [dots(name, sizes, y), law(name, sizes, y, want)]
    yield _independent()
    title = "The error falls as a power of the samples that the spectra foretell"
    yield log_log(title, "samples", "mean squared error", series)


def _independent() -> Finding:
    """Compare one fit with scikit-learn's."""
    from sklearn.kernel_ridge import KernelRidge

    fit = Fit.draw("ntk", 64, 0, True)
    ridge = KernelRidge(alpha=1e-12, kernel="precomputed").fit(kernel("ntk", fit.angles, fit.angles), fit.y)
    ours, theirs = fit.predictions("ntk"), ridge.predict(kernel("ntk", fit.test, fit.angles))
    apart = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    what, against = "relative distance of one fit from scikit-learn's KernelRidge", "scikit-learn, KernelRidge"
    return finding(what, "0, to rounding", PointEstimate(apart, apart, apart), high=1e-6, against=against)


SCALING_LAWS = Claim(
    id="scaling-laws",
    title="The spectrum foretells the scaling law",
    claim="The error of a lazy network falls as a power of the samples; how fast can be read off its kernel before any fit.",
    paper=Paper(
        authors="Spigler et al.",
        year=2019,
        title="Asymptotic learning curves of kernel methods: empirical data versus Teacher-Student paradigm",
        arxiv="1905.10843",
    ),
    published="min(a_T - d, 2 a_S) / d, with a_T, a_S the decays of the target's and of the kernel's spectrum in d dimensions",
    method="Random functions on the circle (d = 1) with a known spectrum are fitted by kernel regression, the end of lazy "
    "training at infinite width. ntk is the tangent kernel of a ReLU network with one hidden layer, nngp that of its outputs "
    "at the start. Their eigenvalues fall as frequency to the -2 and -4. The exponent of the held-out error passes where its "
    "interval over functions lies within a tenth of the predicted one. The theory is of evenly spaced points; the full form "
    "tries random ones, with which the steep law of a smooth target is not quite reached at 512 samples.",
    measure=measure,
)

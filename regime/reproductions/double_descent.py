"""S11: the test error of random features against their number, with the peak where they are as many as the samples."""

from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from regime.config import SweepConfig, ToyConfig
from regime.kernels.closed_form import kernel_regression
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Claim, Found, Paper, Step, finding, log_log, watched
from regime.reproductions.widths import dots
from regime.sweep import fits
from regime.toy.producer import ToyRun

SAMPLES = 32
RATIOS = [1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 2, 4, 8, 16]
CLOSE = 1e-5
"""Relative distance within which two implementations agree, also at the peak, where the fit is ill-conditioned."""


def measure(full: bool) -> Iterator[Found]:
    """Find the peak of the least-norm fit's test loss against features over samples."""
    yield Step(0.0, f"{len(RATIOS)} numbers of features")
    known = {"task": "single-index", "samples": SAMPLES, "test_samples": 256, "label_noise": 0.3}
    base = ToyConfig(**known, depth=1, trainable="readout", steps=1, measure_every=1)
    sizes = [round(ratio * SAMPLES) - 1 for ratio in RATIOS]  # the bias is a feature, too
    config = SweepConfig(base=base, axes={"width": sizes}, seeds=40 if full else 20)
    report = yield from watched(config)
    losses = report.values("kernel_start_test_loss")
    found = fits.peak(np.array(RATIOS), losses)
    claim = "test loss of the least-norm fit of random features"
    yield finding(f"{claim}: features over samples at its peak", "1", found.x, 0.75, 1.5, configs=[config])
    yield finding(f"{claim}: peak over the lowest before it", "above 1", found.before, 2.0, configs=[config])
    after = f"{claim}: peak over the lowest after it, the second descent"
    yield finding(after, "above 1", found.after, 2.0, configs=[config])
    yield Step(0.9, "the same fits exactly, here and by scikit-learn")
    exact, off = [], []
    for width in sizes:
        ours, theirs = yield from least_norm(base.model_copy(update={"width": width, "seeds": config.seeds}))
        exact.append(ours)
        off.append(float(np.abs(ours / theirs - 1).max()))
    what = f"{claim}: largest relative distance between two computations, in float64"
    yield finding(what, "0", PointEstimate(max(off), max(off), max(off)), None, CLOSE, against="scikit-learn", configs=[config])
    yield log_log(
        "Test error peaks where features are as many as samples, and falls again beyond",
        "features over samples",
        "test loss",
        [dots("as in a run", RATIOS, losses), dots("without a ridge", RATIOS, np.stack(exact))],
    )


def least_norm(config: ToyConfig) -> Generator[Step, None, tuple[np.ndarray, np.ndarray]]:
    """Return the test losses (S,) of the least-norm fit: by kernel regression, and by scikit-learn on the features."""
    from sklearn.linear_model import LinearRegression

    run = ToyRun(config, torch.float64)
    train, test = run.data.train, run.data.test
    seen, unseen = (features(run, points.x) for points in (train, test))
    rows = run.network.full_kernel(run.network.jacobian(run.initial, test.x), run.jacobian)
    ours, theirs = [], []
    for kernel, row, known, other in zip(run.kernel, rows, seen, unseen, strict=True):
        fitted = LinearRegression(fit_intercept=False).fit(known.cpu(), train.y.cpu())
        ours.append(run.loss.value(kernel_regression(kernel, row, train.y)[None], test.y).item())
        theirs.append(run.loss.value(torch.as_tensor(fitted.predict(other.cpu()))[None].to(test.y), test.y).item())
        yield Step()
    return np.array(ours), np.array(theirs)


def features(run: ToyRun, x: Tensor) -> Tensor:
    """Return what the readout sees, (S, n, width + 1), scaled as in the NTK parameterization, and the bias."""
    inputs = run.network.forward(run.initial, x).inputs[-1] * run.config.weight_std / run.config.width**0.5
    return torch.nn.functional.pad(inputs, (0, 1), value=run.config.bias_std)


DOUBLE_DESCENT = Claim(
    id="S11",
    title="More features than samples help",
    claim="Test error is worst where a model can just fit its samples, with as many features as samples, and falls again "
    "when there are more.",
    paper=Paper(
        authors="Belkin et al.",
        year=2018,
        title="Reconciling modern machine learning practice and the bias-variance trade-off",
        arxiv="1812.11118",
    ),
    published="a peak at features/samples = 1, and a second descent after it",
    method=f"{SAMPLES} noisy samples, random ReLU features of one hidden layer, the readout alone fitted, by least norm. The "
    "peak has to lie between the neighbors of 1, and to be at least twice the lowest point on either side. Kernel regression "
    f"and scikit-learn's LinearRegression, in float64, give the same to {CLOSE:g}.",
    measure=measure,
)

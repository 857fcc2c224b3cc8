"""S8: how close trained networks come to kernel regression, with their own initial kernel and with that of infinite width."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.pieces import at_once
from regime.kernels.closed_form import kernel_regression
from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import STEPS, Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law, widths
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun

CONVERGED = 1e-7
"""Training loss at which a network has ended."""
RIDGE = 1e-12
"""Of scikit-learn's kernel regression, over the kernel's mean diagonal: it takes no 0."""
CLOSE = 1e-6
"""Relative distance within which two implementations agree."""
OWN = {"erf": ("-1/2 to -1", -1.15, -0.6), "relu": ("-1/2 to -1", -1.0, -0.4)}
"""With a network's own kernel, by activation: what is expected in words, and its tolerance."""


class Distances(NamedTuple):
    """Relative distances (S,) on the probe points."""

    own: np.ndarray
    """Between a trained network and kernel regression with its own Theta_0."""
    infinite: np.ndarray
    """Between a trained network and kernel regression with Theta_inf."""
    peer: np.ndarray
    """Between kernel regression with Theta_0 here and in scikit-learn."""


def measure(full: bool) -> Iterator[Found]:
    """Fit both distances against width, one hidden layer."""
    series, off, used = [], [], []
    for part, (activation, (expected, low, high)) in enumerate(OWN.items()):
        yield Step(part / 2, f"{activation} networks of {len(widths(full))} widths")
        fields = {"task": "circle", "frequency": 1, "samples": 8, "test_samples": 8, "probe_samples": 48, "depth": 1}
        configs = [stable(ToyConfig(**fields, activation=activation, width=n, seeds=60 if full else 30)) for n in widths(full)]
        rows = []
        for config in configs:
            rows.append((yield from distances(config)))
        own, infinite = (np.stack([getattr(row, name) for row in rows]) for name in ("own", "infinite"))
        what = f"exponent against width of the distance of trained {activation} networks from kernel regression with"
        yield finding(f"{what} their Theta_0", expected, exponent(widths(full), own), low, high, configs=configs)
        yield finding(f"{what} Theta_inf", "-1/2", exponent(widths(full), infinite), -0.65, -0.35, configs=configs)
        series += [dots(f"{activation}, its Theta_0", widths(full), own)]
        series += [dots(f"{activation}, Theta_inf", widths(full), infinite), law(activation, widths(full), infinite, -0.5)]
        off, used = [*off, *(row.peer.max() for row in rows)], [*used, *configs]
    worst = float(max(off))
    what = "largest relative distance between two computations of kernel regression with Theta_0"
    yield finding(what, "0", PointEstimate(worst, worst, worst), None, CLOSE, against="scikit-learn", configs=used)
    yield log_log("Wide networks end where kernel regression says", "width", "relative distance on the probe points", series)


def stable(config: ToyConfig) -> ToyConfig:
    """Return a configuration whose step is four times the careful default: eta lambda_max = 1."""
    return config.model_copy(update={"learning_rate": 4 * ToyRun(config, torch.float64).learning_rate})


def distances(config: ToyConfig) -> Generator[Step, None, Distances]:
    """Train to the end in float64, and compare with kernel regression."""
    run = ToyRun(config, torch.float64)
    experiment = at_once(Experiment.begun(run))
    for _ in range(STEPS):
        yield Step()
        if experiment.training.step().max() < CONVERGED:
            break
    y, probe = run.data.train.y, run.data.probe
    outputs = run.scaled(run.network.forward(experiment.training.parameters, probe.x).outputs, experiment.offsets["probe"])
    pairs = list(zip(run.kernel, experiment.points["probe"].rows, strict=True))
    own = torch.stack([kernel_regression(kernel, row, y) for kernel, row in pairs])
    peer = torch.stack([ridge_regression(kernel, row, y) for kernel, row in pairs])
    limit = kernel_regression(experiment.limit_points["train"].rows[0], experiment.limit_points["probe"].rows[0], y)
    return Distances(*(_relative(*pair) for pair in ((outputs, own), (outputs, limit), (peer, own))))


def ridge_regression(kernel: Tensor, rows: Tensor, y: Tensor) -> Tensor:
    """Return the outputs (m, C) of scikit-learn's kernel regression.

    Args:
        kernel: of the training points, (N, N).
        rows: of m other points with them, (m, N).
        y: targets (N, C).
    """
    from sklearn.kernel_ridge import KernelRidge

    fitted = KernelRidge(alpha=RIDGE * kernel.diagonal().mean().item(), kernel="precomputed").fit(kernel.cpu(), y.cpu())
    return torch.as_tensor(fitted.predict(rows.cpu())).to(y)


def _relative(one: Tensor, other: Tensor) -> np.ndarray:
    return ((one - other).norm(dim=(1, 2)) / one.norm(dim=(1, 2))).cpu().numpy()


KERNEL_REGRESSION = Claim(
    id="S8",
    title="Lazy training is kernel regression",
    claim="A wide network, trained to the end, predicts what kernel regression does, a formula that needs no training; the "
    "wider it is, the closer.",
    paper=Paper(
        authors="Lee et al.",
        year=2019,
        title="Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent",
        arxiv="1902.06720",
    ),
    published="-1/2, or faster",
    method=f"One hidden layer, 8 points, trained to a loss of {CONVERGED:g}. With the network's own kernel only the kernel's "
    "movement is left: slopes of -1/2 to -1, tolerated from -1.15 to -0.6 for erf and from -1.0 to -0.4 for ReLU. With the "
    "kernel of infinite width: -1/2, within 0.15. "
    f"Kernel regression itself is compared with scikit-learn's KernelRidge, to {CLOSE:g}.",
    measure=measure,
)

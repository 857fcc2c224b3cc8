"""How training's movements scale with width, output scale and depth: S1 to S4, S6 to S8, S15 and S17."""

from collections.abc import Callable, Sequence
from math import log, sqrt

import numpy as np
import torch

from regime.config import ToyConfig
from regime.kernels.closed_form import kernel_regression
from regime.kernels.infinite import infinite_ntk
from regime.measures.intervals import mean_over_seeds
from regime.measures.measurement import Measurement
from regime.reproductions.claim import STEPS, Result, exponent, train_to
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun

BASE = {"task": "circle", "samples": 24, "test_samples": 8, "probe_samples": 48}
CONVERGED = 1e-7
"""Training loss at which a network has ended."""
LOSS = 0.1
"""Share of the initial loss that training stops at."""
STEP = f"to {LOSS:g} of the loss"
Pick = Callable[[Measurement], torch.Tensor]


def widths(full: bool) -> list[int]:
    """Return the widths that exponents are fitted through."""
    return [64, 128, 256, 512, 1024, *([2048] if full else [])]


def measure_along(field: str, values: Sequence[float], picks: dict[str, Pick], **fields: object) -> dict[str, np.ndarray]:
    """Return measures (K, S) of runs trained to LOSS, one for each value of a field.

    Args:
        field: of `ToyConfig`.
        values: K of them.
        picks: the measures to take, by name.
        fields: what all runs have in common, beside BASE.
    """
    rows: dict[str, list[np.ndarray]] = {name: [] for name in picks}
    for value in values:
        measurement = train_to(ToyConfig(**{**BASE, **fields, field: value}), LOSS)
        for name, pick in picks.items():
            rows[name].append(pick(measurement).cpu().numpy())
    return {name: np.stack(row) for name, row in rows.items()}


def of_model(name: str) -> Pick:
    """Return the pick of a measure of the whole model."""
    return lambda measurement: measurement.model[name]


def of_layer(layer: str, name: str) -> Pick:
    """Return the pick of a measure of one layer."""
    return lambda measurement: measurement.layers[layer][name]


def movement(full: bool) -> list[Result]:
    """Fit parameter movement against width, S1: two layers, NTK parameterization (Lee et al. 2019, arXiv 1902.06720)."""
    results = []
    for activation in ("tanh", "relu"):
        picks = {"moved": of_model("parameter_movement")}
        measured = measure_along("width", widths(full), picks, depth=1, activation=activation, seeds=20 if full else 10)
        claim = f"parameter_movement against width, two layers, {activation}, {STEP}"
        results.append(Result("S1", claim, "-0.50", exponent(widths(full), measured["moved"]), -0.55, -0.45))
    return results


def kernel_movement(full: bool) -> list[Result]:
    """Fit kernel movement against width, S2: the activation decides; the bound of Lee et al. 2019, -1/2, is not reached."""
    results = []
    expected = {"tanh": ("-0.96 to -1.00", -1.10, -0.86), "relu": ("-0.67 to -0.78", -0.85, -0.60)}
    for activation, (text, low, high) in expected.items():
        picks = {name: of_model(name) for name in ("kernel_change", "kernel_distance")}
        measured = measure_along("width", widths(full), picks, activation=activation, seeds=30 if full else 20)
        for name, times in (("kernel_change", 1), ("kernel_distance", 2)):
            slope = exponent(widths(full), measured[name])
            claim = f"{name} against width, two hidden layers, {activation}, {STEP}"
            results.append(Result("S2", claim, text if times == 1 else "twice that", slope, times * low, times * high))
    return results


def movement_by_layer(full: bool) -> list[Result]:
    """Fit each layer's movement, S3: of four layers the first and the last move by n^-1/2 of their size, the others by 1/n."""
    names = ["hidden 1", "hidden 2", "hidden 3", "readout"]
    picks = {name: of_layer(name, "parameter_movement") for name in names}
    values = [64, 128, 256, 512, 1024] if full else [64, 96, 128, 192, 256, 384]
    measured = measure_along("width", values, picks, depth=3, activation="tanh", seeds=10 if full else 5)
    results = []
    for name in names:
        between = name in names[1:3]
        want, low, high = ("-1.0", -1.1, -0.9) if between else ("-0.5", -0.65, -0.40)
        slope = exponent(values, measured[name])
        results.append(Result("S3", f"parameter_movement of {name} against width, four layers, {STEP}", want, slope, low, high))
    return results


def movement_by_scale(full: bool) -> list[Result]:
    """Fit movement against the output scale, S4: a larger one needs smaller steps (Chizat et al. 2019, arXiv 1812.07956)."""
    scales = [1.0, 2.0, 4.0, 8.0, 16.0, *([32.0, 64.0] if full else [])]
    results = []
    for activation in ("relu", "tanh"):
        picks = {"moved": of_model("parameter_movement")}
        measured = measure_along("alpha", scales, picks, width=128, activation=activation, seeds=10 if full else 5)
        slope = exponent(scales, measured["moved"])
        claim = f"parameter_movement against alpha >= 1, width 128, {activation}, {STEP}"
        results.append(Result("S4", claim, "-1", slope, -1.1, -0.9))
    return results


def kernel_at_initialization(full: bool) -> list[Result]:
    """Fit how the initial kernel approaches its infinite-width limit, S6: as n^-1/2."""
    values, results = widths(False), []
    for activation in ("relu", "tanh"):
        rows = []
        for width in values:
            run = ToyRun(ToyConfig(**BASE, width=width, activation=activation, seeds=64 if full else 48), torch.float64)
            limit = infinite_ntk(run.data.train.x, depth=2, activation=activation, weight_std=sqrt(2), bias_std=1.0).ntk
            rows.append(((run.kernel - limit).norm(dim=(1, 2)) / limit.norm()).cpu().numpy())
        claim = f"||Theta_n - Theta_inf|| / ||Theta_inf|| at initialization against width, {activation}"
        results.append(Result("S6", claim, "-1/2", exponent(values, np.stack(rows)), -0.57, -0.43))
    return results


def features(full: bool) -> list[Result]:
    """Fit feature movement against width, S7: constant under muP alone (Yang and Hu, arXiv 2011.14522)."""
    results = []
    for name, (want, low, high) in {"ntk": ("-1/2", -0.6, -0.4), "mup": ("0 +- 0.15", -0.15, 0.15)}.items():
        picks = {"moved": of_model("feature_movement")}
        measured = measure_along("width", widths(full), picks, parameterization=name, seeds=10 if full else 5)
        slope = exponent(widths(full), measured["moved"])
        results.append(
            Result("S7", f"feature_movement of the last hidden layer against width, {name}, {STEP}", want, slope, low, high)
        )
    return results


def kernel_regression_limit(full: bool) -> list[Result]:
    """Compare trained networks of one hidden layer with kernel regression, S8, with their own Theta_0 and with Theta_inf.

    Theta_inf is off by the fluctuation of Theta_0 (S6), -1/2. With its own Theta_0 only the kernel's movement is left, and the
    exponent is that of S2: smooth activations come close to -1.
    """
    results = []
    own_expected = {"erf": ("-1/2 to -1", -1.15, -0.6), "relu": ("-1/2 to -1", -1.0, -0.4)}
    for activation, (text, low, high) in own_expected.items():
        values = [64, 128, 256, 512, 1024, *([2048] if full else [])]
        pairs = [_against_regression(activation, width, seeds=20 if full else 10) for width in values]
        own, infinite = (exponent(values, np.stack(part)) for part in zip(*pairs, strict=True))
        claim = f"trained network against kernel regression, one hidden layer, {activation}, against width, with"
        results += [
            Result("S8", f"{claim} its Theta_0", text, own, low, high),
            Result("S8", f"{claim} Theta_inf", "-1/2", infinite, -0.65, -0.35),
        ]
    return results


def _against_regression(activation: str, width: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Relative distance on the probe points from kernel regression with each seed's Theta_0, and with Theta_inf."""
    fields = {"task": "circle", "frequency": 1, "samples": 8, "test_samples": 8, "probe_samples": 48, "depth": 1}
    config = ToyConfig(**fields, activation=activation, width=width, seeds=seeds)
    step = 4 * ToyRun(config, torch.float64).learning_rate  # eta lambda_max = 1
    run = ToyRun(config.model_copy(update={"learning_rate": step}), torch.float64)
    experiment = Experiment(run)
    for _ in range(STEPS):
        if experiment.training.step().max() < CONVERGED:
            break
    y, probe = run.data.train.y, run.data.probe
    outputs = run.scaled(run.network.forward(experiment.training.parameters, probe.x).outputs, experiment.offsets["probe"])
    rows = experiment.points["probe"].rows
    own = torch.stack([kernel_regression(kernel, row, y) for kernel, row in zip(run.kernel, rows, strict=True)])
    infinite = kernel_regression(experiment.limit_points["train"].rows[0], experiment.limit_points["probe"].rows[0], y)
    return tuple(((outputs - want).norm(dim=(1, 2)) / outputs.norm(dim=(1, 2))).cpu().numpy() for want in (own, infinite))


def bottleneck(full: bool) -> list[Result]:
    """Show that the kernel changes the more, the narrower one layer is, S15."""
    units = [4, 8, 16, 32, 64, 128]
    picks = {"change": of_model("kernel_change")}
    measured = measure_along("bottleneck", units, picks, depth=3, bottleneck_layer=2, width=256, seeds=20 if full else 10)
    slope = exponent(units, measured["change"])
    return [
        Result("S15", f"kernel_change against units of the bottleneck, width 256, relu, {STEP}", "negative", slope, -2.0, -0.1)
    ]


def fluctuation(full: bool) -> list[Result]:
    """Show that the spread of Theta_0(x, x) over seeds follows depth/width, S17 (Hanin and Nica, arXiv 1909.05989)."""
    ratios, depths = [1 / 32, 1 / 16, 1 / 8, 1 / 4], [2, 4, 6] if full else [2, 4]
    seeds, batches = (2048, 8) if full else (512, 8)
    spread = np.empty((len(ratios), len(depths), batches))
    for i, ratio in enumerate(ratios):
        for j, depth in enumerate(depths):
            spread[i, j] = _relative_variance(depth, round(depth / ratio), seeds, batches)
    growth = exponent(ratios, np.log1p(spread.mean(1)))
    # At one ratio the deepest and the shallowest spread alike: their log quotient, over the growth that a doubling brings.
    apart = mean_over_seeds((np.log(np.log1p(spread[:, -1])) - np.log(np.log1p(spread[:, 0]))).mean(0) / log(2))
    return [
        Result("S17", "log(1 + var/mean^2) of Theta_0(x, x) over seeds, against depth/width, relu", "1", growth, 0.8, 1.2),
        Result(
            "S17",
            f"curves of depth {depths[0]} and {depths[-1]} apart at one ratio, in doublings of it",
            "0",
            apart,
            -0.35,
            0.35,
        ),
    ]


def _relative_variance(depth: int, width: int, seeds: int, batches: int) -> np.ndarray:
    """var/mean^2 of Theta_0(x, x) over seeds, one number a batch of seeds."""
    config = ToyConfig(depth=depth, width=width, bias=False, samples=4, seeds=64)
    network = ToyRun(config.model_copy(update={"seeds": 1})).network
    x = torch.tensor([[1.0, 1.0]], device="cpu")
    values = []
    for first in range(0, seeds * batches, 64):
        jacobian = network.jacobian(network.init(64, first, x.device, x.dtype), x)
        values.append(network.full_kernel(jacobian, jacobian).flatten())
    kernel = torch.cat(values).double().view(batches, seeds)
    return (kernel.var(1) / kernel.mean(1) ** 2).numpy()

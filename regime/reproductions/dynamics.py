"""Training's path: the catapult (S5), the twin against its closed form (S9), and the forecast's skill from lazy to rich."""

import numpy as np
import torch

from regime.config import ToyConfig
from regime.dynamics.losses import LOSSES
from regime.dynamics.optimizers import Descent
from regime.kernels.closed_form import gradient_flow
from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.reproductions.claim import Result, exponent
from regime.runner import run
from regime.toy.activations import ACTIVATIONS
from regime.toy.experiment import Experiment
from regime.toy.network import Layer, Network
from regime.toy.parameterization import scales
from regime.toy.producer import ToyRun
from regime.toy.training import Training

CATAPULT_WIDTH = 1024


def catapult(full: bool) -> list[Result]:
    """Show the catapult, S5: f = u.v x / sqrt(n), one sample x = 1, y = 0 (Lewkowycz et al. 2020, arXiv 2003.02218)."""
    seeds, steps = 20 if full else 5, 3000
    spike, end, growth = {}, {}, {}
    for stability in (1.9, 2.1, 3.9, 4.1):
        losses, final = _uv_path(stability, seeds, steps)
        spike[stability] = losses.max(0) / losses[0]
        end[stability], growth[stability] = final, losses[-1]
    share = {s: mean_over_seeds((growth[s] < 1e-3).astype(float)) for s in growth}
    return [
        Result("S5", "largest loss over the first, eta lambda_0 = 1.9", "1: no spike", mean_over_seeds(spike[1.9]), 1.0, 1.05),
        Result("S5", "smallest of the same over seeds, eta lambda_0 = 2.1", "above 1: a spike", _least(spike[2.1]), 1.5),
        Result("S5", "eta lambda at the end, eta lambda_0 = 2.1", "1.87 to 1.89", mean_over_seeds(end[2.1]), 1.8, 1.95),
        Result("S5", "share of seeds that converge, eta lambda_0 = 3.9", "1", share[3.9], 1.0, 1.0),
        Result("S5", "share of seeds that converge, eta lambda_0 = 4.1", "0", share[4.1], 0.0, 0.0),
    ]


def _least(values: np.ndarray) -> PointEstimate:
    return PointEstimate(float(values.min()), float(values.min()), float(values.max()))


def _uv_path(stability: float, seeds: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses (steps, S), and eta lambda at the end (S,), each seed stepping by `stability` over its own lambda_0."""
    sizes = (1, CATAPULT_WIDTH, 1)
    scaled = scales("ntk", sizes, weight_std=1.0, bias_std=0.0, bias=False, init_scale=1.0)
    network = Network(sizes, ACTIVATIONS["linear"], tuple(scaled))
    x, y = torch.tensor([[[1.0]], [[0.0]]], dtype=torch.float64, device="cpu")
    initial = network.init(seeds, 0, x.device, x.dtype)
    losses, ends = [], []
    for seed in range(seeds):
        own = [Layer(layer.weight[seed : seed + 1], None) for layer in initial]
        rate = stability / _top(network, own, x)
        training = Training.start(network, own, x, y, alpha=1.0, centered=False, loss=LOSSES["mse"], descent=Descent(rate))
        path = torch.stack([training.step() for _ in range(steps)])
        losses.append(path.nan_to_num(nan=torch.inf).squeeze(1).numpy())
        ends.append(rate * _top(network, training.parameters, x))
    return np.stack(losses, 1), np.array(ends)


def _top(network: Network, parameters: list[Layer], x: torch.Tensor) -> float:
    jacobian = network.jacobian(parameters, x)
    return network.full_kernel(jacobian, jacobian).item()


def closed_form(full: bool) -> list[Result]:
    """Compare the twin with gradient flow at a fixed time, S9: the error is proportional to the step."""
    fields = {"task": "sine", "width": 64, "samples": 16, "test_samples": 8, "probe_samples": 16, "seeds": 5}
    halvings = range(6 if full else 5)
    errors = []
    for k in halvings:
        base = ToyRun(ToyConfig(**fields), torch.float64)
        steps, rate = 20 * 2**k, base.learning_rate / 2**k
        experiment = Experiment(ToyRun(ToyConfig(**fields, learning_rate=rate, steps=steps), torch.float64))
        for _ in range(steps):
            experiment.twin.step()
        y, zero = experiment.run.data.train.y, torch.zeros_like(experiment.run.data.train.y)
        want = [gradient_flow(kernel, zero, y, steps * rate) for kernel in experiment.run.kernel]
        errors.append((experiment.twin.outputs(experiment.points["train"]) - torch.stack(want)).norm(dim=(1, 2)).cpu().numpy())
    slope = exponent([2.0**-k for k in halvings], np.stack(errors))
    return [Result("S9", "twin by GD against gradient flow at one time: error against the step", "1", slope, 0.97, 1.03)]


def forecast(full: bool) -> list[Result]:
    """Show that the twin's forecast explains the path in the lazy limit, and less and less of it towards the rich end."""
    alphas = [64.0, 16.0, 4.0, 1.0, 0.25, 0.0625]
    fields = {"task": "rings", "width": 64, "samples": 64, "test_samples": 16, "seeds": 10 if full else 5}
    skills = []
    for alpha in alphas:
        report = run(ToyConfig(**fields, alpha=alpha, steps=400, measure_every=20))
        skills.append(np.array(report.seeds["forecast_skill"]))
    falls = np.stack(skills[:-1]) - np.stack(skills[1:])
    return [
        Result("forecast", "forecast_skill, rings, alpha = 64", "above 0.99", mean_over_seeds(skills[0]), 0.99, 1.0),
        Result(
            "forecast",
            "smallest fall of the mean forecast_skill at each quartering of alpha, 64 to 1/16",
            "above 0",
            mean_over_seeds(falls[falls.mean(1).argmin()]),
            1e-6,
        ),
        Result("forecast", "forecast_skill, rings, alpha = 1/16", "far lower", mean_over_seeds(skills[-1]), -np.inf, 0.9),
    ]

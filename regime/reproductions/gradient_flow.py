"""gradient-flow: gradient descent by small steps follows gradient flow."""

from collections.abc import Generator, Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regime.config import ToyConfig
from regime.dynamics.optimizers import Descent
from regime.kernels.closed_form import gradient_flow
from regime.measures.intervals import PointEstimate, mean_over_seeds
from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import dots, law
from regime.toy.network import Layer
from regime.toy.producer import ToyRun
from regime.toy.training import Training

LAZY = 16.0
"""Output scale at which the kernel hardly moves."""
FIRST = 20
"""Steps of the longest kind until the time at which all are compared."""
SOLVER = "scipy.integrate.solve_ivp, DOP853"
PRECISION = 1e-10
"""Relative, of the solver of the differential equation."""


def descended(run: ToyRun, steps: int, time: float) -> Generator[Step, None, Float[Tensor, "S N C"]]:
    """Return the training outputs after gradient descent has taken equal steps to a time.

    Args:
        run: the networks and their data at step 0.
        steps: how many.
        time: steps times their size.
    """
    known = {"alpha": run.alpha, "centered": True, "loss": run.loss, "descent": Descent(time / steps)}
    training = Training.start(run.network, run.initial, *run.data.train, **known)
    for _ in range(steps):
        training.step()
        yield Step()
    return run.scaled(run.network.forward(training.parameters, training.x).outputs, training.offset)


def flowed(run: ToyRun, seed: int, time: float) -> Generator[Step, None, Float[Tensor, "N C"]]:
    """Return the training outputs of one network after gradient flow, d theta/dt = -dL/dtheta, by scipy's DOP853.

    The gradient is autograd's of the loss, and owes nothing to the explicit one that descent takes.

    Args:
        run: the networks and their data at step 0.
        seed: place of the network in the batch.
        time: at which the flow ends.
    """
    from scipy.integrate import solve_ivp

    x, y = run.data.train
    own = [layer.map(lambda p: p[seed : seed + 1].clone()) for layer in run.initial]
    parts = [p for layer in own for p in layer if p is not None]
    start = run.network.forward(own, x).outputs

    def outputs(flat: Tensor) -> Tensor:
        pieces = iter(piece.view_as(p) for piece, p in zip(flat.split([p.numel() for p in parts]), parts, strict=True))
        layers = [Layer(*(None if p is None else next(pieces) for p in layer)) for layer in own]
        return run.alpha * (run.network.forward(layers, x).outputs - start)

    def descent(_: float, theta: np.ndarray) -> np.ndarray:
        flat = torch.as_tensor(theta).requires_grad_()
        loss = (outputs(flat) - y).square().sum() / (2 * len(x) * run.alpha**2)
        return -torch.autograd.grad(loss, flat)[0].numpy()

    theta = torch.cat([p.flatten() for p in parts]).numpy()
    for end in np.linspace(0, time, 9)[1:]:
        begin = end - time / 8
        theta = solve_ivp(descent, (begin, end), theta, "DOP853", rtol=PRECISION, atol=PRECISION).y[:, -1]
        yield Step()
    return outputs(torch.as_tensor(theta)).detach()[0]


def logistic(start: float, target: float, time: float) -> float:
    """Return s(t) of ds/dt = 2 s (target - s), the product of two balanced linear layers under gradient flow.

    Saxe et al. 2013 (arXiv 1312.6120).

    Args:
        start: s(0).
        target: that it goes to.
        time: t.
    """
    grown = np.exp(2 * target * time)
    return target * grown / (grown - 1 + target / start)


def linear_errors(steps: np.ndarray, start: float = 0.05, target: float = 1.0, time: float = 2.0) -> np.ndarray:
    """Return how far gradient descent on (u v - target)^2 / 2 from u = v ends from the closed form, for numbers of steps.

    Args:
        steps: until the time is over.
        start: u v.
        target: that it learns.
        time: at which they are compared.
    """
    errors = []
    for count in steps:
        u = v = start**0.5
        for _ in range(count):
            pull = (target - u * v) * time / count
            u, v = u + pull * v, v + pull * u
        errors.append(abs(u * v - logistic(start, target, time)))
    return np.array(errors)


def measure(full: bool) -> Iterator[Found]:
    """Compare descent with flow at one time, networks from lazy to rich, and two linear layers."""
    counts = FIRST * 2 ** np.arange(7 if full else 5)
    series, alphas = [], (LAZY, 1.0, 1 / 8)
    for place, alpha in enumerate(alphas):
        yield Step(place / len(alphas), f"descent and flow of networks, alpha = {alpha:g}")
        fields = {
            "task": "sine",
            "width": 32,
            "samples": 16,
            "test_samples": 8,
            "probe_samples": 8,
            "activation": "tanh",
            "device": "cpu",
        }
        config = ToyConfig(**fields, alpha=alpha, seeds=10 if full else 4)
        run = ToyRun(config, torch.float64)
        time, flows, errors = FIRST * run.learning_rate, [], []
        for seed in range(config.seeds):
            flows.append((yield from flowed(run, seed, time)))
        flow = torch.stack(flows)
        for count in counts.tolist():
            errors.append(relative((yield from descended(run, count, time)), flow))
        table = np.stack(errors)
        what = f"exponent of the distance between descent and flow against the step, alpha = {alpha:g}"
        yield finding(what, "1", exponent(1 / counts, table), 0.95, 1.05, against=SOLVER, configs=[config])
        series += [dots(f"alpha = {alpha:g}", time / counts, table), law(f"alpha = {alpha:g}", time / counts, table, 1.0)]
        if alpha == LAZY:
            y = run.data.train.y
            closed = torch.stack([gradient_flow(kernel, torch.zeros_like(y), y, time) for kernel in run.kernel])
            what = f"relative distance of flow from the closed form with the kernel at the start, alpha = {alpha:g}"
            apart = mean_over_seeds(relative(closed, flow))
            yield finding(what, "0, but for what the kernel moves", apart, high=0.01, against=SOLVER, configs=[config])
    slope = float(np.polyfit(np.log(1 / counts), np.log(linear_errors(10 * counts)), 1)[0])
    what = "exponent of the distance of two linear layers from their closed form against the step"
    yield finding(what, "1", PointEstimate(slope, slope, slope), 0.95, 1.05, against="the closed form of Saxe et al. 2013")
    title, label = "Half the step, half the distance from gradient flow", "relative distance at one time"
    yield log_log(title, "step size", label, series)


def relative(outputs: Float[Tensor, "S N C"], flow: Float[Tensor, "S N C"]) -> np.ndarray:
    """Return each network's distance (S,) from flow, relative to its size."""
    return ((outputs - flow).norm(dim=(1, 2)) / flow.norm(dim=(1, 2))).cpu().numpy()


GRADIENT_FLOW = Claim(
    id="gradient-flow",
    title="Small steps follow gradient flow",
    claim="Gradient descent by ever smaller steps follows one smooth path, gradient flow: half the step, half the distance.",
    paper=Paper(
        authors="Elkabetz and Cohen",
        year=2021,
        title="Continuous vs. Discrete Optimization of Deep Neural Networks",
        arxiv="2107.06608",
    ),
    published="The distance at a fixed time is proportional to the step, as for any smooth path.",
    method="Networks are trained to one time by fewer long and by more short steps. Gradient flow itself is solved by scipy's "
    "DOP853 with gradients from autograd, neither of which the training uses. Each slope in log-log passes within 0.05 of 1. "
    "In the lazy limit flow has a closed form with the kernel at the start; two linear layers have one for any start.",
    measure=measure,
)

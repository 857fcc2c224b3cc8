"""The twin in function space against explicit descent on the parameters of the linearized model."""

import pytest
import torch
from torch import Tensor

from regime import ToyConfig
from regime.toy import tasks
from regime.toy.network import Layer, Network
from regime.toy.training import Descent
from regime.toy.twin import Twin, predict

STEPS = 50


def explicit(net: Network, start: list[Layer], data: tasks.Data, descent: Descent, alpha: float, batches: list) -> Tensor:
    """F_lin on the probe points after descent on f(theta_0) + J_0 (theta - theta_0), by torch.func alone."""
    flat = [part for layer in start for part in layer]

    def function(x: Tensor):
        return lambda *parts: net.forward([Layer(*parts[k : k + 2]) for k in range(0, len(parts), 2)], x)[0]

    def linearized(x: Tensor, theta: list[Tensor]) -> Tensor:
        moved = tuple(now - then for now, then in zip(theta, flat, strict=True))
        f0, along = torch.func.jvp(function(x), tuple(flat), moved)
        return alpha * (f0 + along - f0)

    theta = [part.clone() for part in flat]
    velocity = [torch.zeros_like(part) for part in flat]
    for batch in batches:
        x, y = data.train.x[batch], data.train.y[batch]
        loss_gradient = alpha * (linearized(x, theta) - y) / len(batch)
        gradients = torch.func.vjp(function(x), *flat)[1](loss_gradient)
        velocity = [descent.momentum * v + g for v, g in zip(velocity, gradients, strict=True)]
        theta = [part - descent.learning_rate / alpha**2 * v for part, v in zip(theta, velocity, strict=True)]
    return linearized(data.probe.x, theta)


@pytest.mark.parametrize(("optimizer", "momentum"), [("gd", 0.0), ("sgd", 0.0), ("momentum", 0.9)])
@pytest.mark.parametrize("task", ["rings", "digits"])
def test_twin_equals_the_explicit_linearized_model(task: str, optimizer: str, momentum: float) -> None:
    config = ToyConfig(
        task=task, samples=20, test_samples=4, probe_samples=8, width=16, alpha=2.0, optimizer=optimizer, seeds=2
    )
    data = tasks.load(config, torch.device("cpu"), torch.float64)
    net = Network.of(config, data.train.x.shape[1], data.train.y.shape[1])
    start = net.init(config.seeds, 0, torch.device("cpu"), torch.float64)
    train, probe = (net.tape(start, part.x) for part in (data.train, data.probe))
    kernel = net.full_kernel(train, train)
    descent = Descent(0.05 if task == "rings" else 0.01, momentum)
    generator = torch.Generator().manual_seed(0)
    everything = torch.arange(20)
    batches = [torch.randperm(20, generator=generator)[:7] if optimizer == "sgd" else everything for _ in range(STEPS)]
    twin = Twin.begin(kernel, torch.zeros_like(train.outputs), data.train.y, descent)
    for batch in batches:
        twin.step(batch if optimizer == "sgd" else None)
    got = predict(net.full_kernel(probe, train), torch.zeros_like(probe.outputs), twin.coefficients)
    want = explicit(net, start, data, descent, config.alpha, batches)
    assert want.norm() > 0.1
    assert (got - want).norm() / want.norm() < 1e-8


def test_the_trace_kernel_would_not_do_for_ten_outputs() -> None:
    """The check above could not pass with a trace kernel: on digits it is far from the full one."""
    config = ToyConfig(task="digits", samples=20, test_samples=4, probe_samples=8, width=16, seeds=1)
    data = tasks.load(config, torch.device("cpu"), torch.float64)
    net = Network.of(config, 64, 10)
    tape = net.tape(net.init(1, 0, torch.device("cpu"), torch.float64), data.train.x)
    trace = sum(net.kernels(tape, tape).values())[0]
    full = net.full_kernel(tape, tape)[0]
    assert (torch.kron(trace, torch.eye(10, dtype=torch.float64)) - full).norm() / full.norm() > 0.05


def test_gradient_descent_with_small_steps_approaches_the_closed_form() -> None:
    """f_t = y + exp(-Theta t / N)(f_0 - y), with an error proportional to the step."""
    a = torch.randn(1, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel, y = a @ a.mT, torch.ones(6, 1, dtype=torch.float64)
    start = torch.zeros(1, 6, 1, dtype=torch.float64)
    errors = []
    for rate in (0.02, 0.01):
        twin = Twin.begin(kernel, start, y, Descent(rate, 0.0))
        for _ in range(round(2 / rate)):
            twin.step()
        want = y - torch.matrix_exp(-kernel[0] * 2 / 6) @ y
        errors.append((predict(kernel, start, twin.coefficients)[0] - want).norm().item())
    assert 1.8 < errors[0] / errors[1] < 2.2

"""S10's network by its moments: the same path as descent on the weights, and the test loss of many points."""

import torch

from regime.reproductions.polynomial import RATE, Network, Polynomial


def test_moments_move_as_the_weights_do() -> None:
    task = Polynomial.draw(2, 6, 20)
    alpha, epsilon, units = 0.7, 0.3, 9
    weights = torch.randn(2, 6, units, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    network = Network.of(weights.detach(), alpha, epsilon)
    for _ in range(5):
        h = task.x @ weights
        loss = (alpha * (h + epsilon / 2 * h**2).mean(2) - task.y).square().mean(1)
        residual = network(task.x) - task.y
        assert torch.allclose(residual.square().mean(1), loss)
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        weights = (weights - RATE * 6 * units / alpha**2 * gradient).detach().requires_grad_()
        network = network.stepped(task, residual)
    assert torch.allclose(network.mean, weights.mean(2))
    assert torch.allclose(network.second, weights @ weights.mT / units)


def test_the_test_loss_is_that_of_many_points() -> None:
    task = Polynomial.draw(1, 5, 8)
    random = torch.Generator().manual_seed(4)
    network = Network.of(torch.randn(1, 5, 3, generator=random, dtype=torch.float64), 0.8, 0.5)
    x = torch.randn(1, 200_000, 5, generator=random, dtype=torch.float64) / 5**0.5
    y = (x @ task.beta.unsqueeze(2)).squeeze(2).square() / 2
    assert torch.allclose((network(x) - y).square().mean(1), network.test_loss(task), rtol=0.03)

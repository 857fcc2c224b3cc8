"""Closed forms of constant-kernel training against explicit descent and matrix exponentials."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
import torch
from torch import Tensor

from regime.kernels.closed_form import gradient_flow, kernel_regression

N, M, C = 7, 4, 2


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Problem:
    """A linear model f(x) = f_0(x) + J(x) theta with its kernels; `rank` below N makes the train kernel singular."""

    def __init__(self, kind: str, rank: int = 40) -> None:
        self.y, self.f0, self.cross_f0 = normal(N, C, seed=1), normal(N, C, seed=2), normal(M, C, seed=3)
        j = normal(N + M, C, rank)
        if kind == "shared":  # each output has its own parameters and the same features
            features = j[:, 0]
            j = torch.einsum("np,cd->ncdp", features, torch.eye(C, dtype=torch.float64)).flatten(-2)
            kernel = features @ features.mT
        else:
            kernel = torch.einsum("ncp,mdp->nmcd", j, j)
        self.j, self.cross_j = j[:N].flatten(0, 1), j[N:].flatten(0, 1)
        self.kernel, self.cross = kernel[:N, :N], kernel[N:, :N]

    def descend(self, time: float, steps: int) -> tuple[Tensor, Tensor]:
        """Gradient descent on theta itself."""
        theta = torch.zeros(self.j.shape[1], dtype=torch.float64)
        for _ in range(steps):
            residual = self.f0.flatten() + self.j @ theta - self.y.flatten()
            theta = theta - time / steps * (self.j.mT @ residual) / N
        return self.f0 + (self.j @ theta).view(N, C), self.cross_f0 + (self.cross_j @ theta).view(M, C)

    def train(self, time: float | Tensor) -> Tensor:
        return gradient_flow(self.kernel, self.f0, self.y, time)

    def elsewhere(self, time: float | Tensor) -> Tensor:
        return gradient_flow(self.kernel, self.f0, self.y, time, cross_kernel=self.cross, cross_initial=self.cross_f0)


@pytest.mark.parametrize("kind", ["shared", "full"])
@pytest.mark.parametrize("rank", [40, 3])
def test_flow_equals_the_matrix_exponential(kind: str, rank: int) -> None:
    """Of df/dt = -Theta (f - y) / N on train and other points together: no inverse, no eigenvectors."""
    problem = Problem(kind, rank)
    for time in (0.0, 0.1, 3.0, 200.0):
        j = torch.cat([problem.j, problem.cross_j])
        size = len(j)
        generator = torch.zeros(size + 1, size + 1, dtype=torch.float64)
        generator[:size, : N * C] = -j @ problem.j.mT / N
        generator[:size, -1] = j @ (problem.j.mT @ problem.y.flatten()) / N
        state = torch.cat([problem.f0.flatten(), problem.cross_f0.flatten(), torch.ones(1, dtype=torch.float64)])
        want = torch.linalg.matrix_exp(generator * time) @ state
        assert (problem.train(time).flatten() - want[: N * C]).abs().max() < 1e-10
        assert (problem.elsewhere(time).flatten() - want[N * C : -1]).abs().max() < 1e-10


@pytest.mark.parametrize("kind", ["shared", "full"])
def test_descent_approaches_the_flow_in_proportion_to_its_step(kind: str) -> None:
    problem = Problem(kind)
    steps = torch.tensor([100, 200, 400, 800, 1600])
    errors = []
    for count in steps.tolist():
        train, cross = problem.descend(1.0, count)
        errors.append((train - problem.train(1.0)).norm() + (cross - problem.elsewhere(1.0)).norm())
    x, y = -steps.double().log(), torch.stack(errors).log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert abs(slope - 1) < 0.02
    assert errors[-1] < 0.01


def test_descent_in_function_space_with_the_twin_of_a_network() -> None:
    """The toys' own twin, stepping with a network's full kernel, against the closed form (S9)."""
    from regime import ToyConfig
    from regime.dynamics.losses import LOSSES
    from regime.dynamics.optimizers import Descent
    from regime.dynamics.twin import Twin, TwinPoints
    from regime.toy import tasks
    from regime.toy.network import Network

    config = ToyConfig(task="digits", samples=20, test_samples=4, probe_samples=8, width=32, seeds=1)
    data = tasks.draw_data(config, torch.device("cpu"), torch.float64)
    net = Network.of(config)
    start = net.init(1, 0, torch.device("cpu"), torch.float64)
    train, probe = (net.jacobian(start, part.x) for part in (data.train, data.probe))
    kernel, cross = net.full_kernel(train, train), net.full_kernel(probe, train)
    c = data.train.y.shape[1]
    full, full_cross = (k[0].unflatten(0, (-1, c)).unflatten(-1, (-1, c)).transpose(1, 2) for k in (kernel, cross))
    top = torch.linalg.eigvalsh(kernel[0])[-1].item() / config.samples
    time = 4 / top
    want = gradient_flow(full, train.outputs[0], data.train.y, time, cross_kernel=full_cross, cross_initial=probe.outputs[0])
    errors = []
    for steps in (200, 400, 800):
        twin = Twin(TwinPoints(train.outputs, kernel), data.train.y, LOSSES["mse"], Descent(time / steps))
        for _ in range(steps):
            twin.step()
        errors.append((twin.outputs(TwinPoints(probe.outputs, cross))[0] - want).norm() / want.norm())
    assert errors[0] < 1e-2
    assert abs(errors[0] / errors[1] - 2) < 0.02
    assert abs(errors[1] / errors[2] - 2) < 0.02


def test_interpolation_weights_are_those_of_kernel_regression() -> None:
    """Where the kernel is well conditioned; where it is singular they stay finite, and where it is no kernel they are nan."""
    from regime.kernels.closed_form import interpolation_weights

    a = torch.randn(3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel, y = a @ a.mT + torch.eye(12), torch.randn(3, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(interpolation_weights(kernel, y)[1], torch.linalg.solve(kernel, y))
    low = a[..., :4] @ a[..., :4].mT
    fitted = (low @ interpolation_weights(low, (low @ y.unsqueeze(-1)).squeeze(-1))[1].unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(fitted, (low @ y.unsqueeze(-1)).squeeze(-1), atol=1e-6)
    assert interpolation_weights(kernel - 100 * torch.eye(12), y).isnan().all()


@pytest.mark.parametrize("kind", ["shared", "full"])
def test_flow_is_a_semigroup(kind: str) -> None:
    problem = Problem(kind)
    train, cross = problem.train(2.0), problem.elsewhere(2.0)
    on = gradient_flow(problem.kernel, train, problem.y, 3.0)
    off = gradient_flow(problem.kernel, train, problem.y, 3.0, cross_kernel=problem.cross, cross_initial=cross)
    assert (on - problem.train(5.0)).abs().max() < 1e-12
    assert (off - problem.elsewhere(5.0)).abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["shared", "full"])
@pytest.mark.parametrize("rank", [40, 3])
def test_ends_of_the_flow(kind: str, rank: int) -> None:
    problem = Problem(kind, rank)
    assert torch.equal(problem.elsewhere(0.0), problem.cross_f0)
    assert (problem.train(0.0) - problem.f0).abs().max() < 1e-13
    limit = kernel_regression(problem.kernel, problem.cross, problem.y, initial=problem.f0, cross_initial=problem.cross_f0)
    assert (problem.elsewhere(inf) - limit).abs().max() < 1e-12
    theta = torch.linalg.lstsq(problem.j, (problem.y - problem.f0).flatten(), driver="gelsd").solution  # minimum norm
    assert (limit.flatten() - problem.cross_f0.flatten() - problem.cross_j @ theta).abs().max() < 1e-9
    assert (problem.train(inf).flatten() - problem.f0.flatten() - problem.j @ theta).abs().max() < 1e-9
    assert (problem.elsewhere(1e4) - limit).abs().max() < 1e-9


@pytest.mark.parametrize("kind", ["shared", "full"])
def test_on_the_training_points_both_forms_agree(kind: str) -> None:
    problem = Problem(kind, 3)
    times = torch.tensor([0.0, 1.0, inf], dtype=torch.float64)
    cross = gradient_flow(problem.kernel, problem.f0, problem.y, times, cross_kernel=problem.kernel, cross_initial=problem.f0)
    assert (cross - problem.train(times)).abs().max() < 1e-12


def test_tensors_of_times_give_their_shape() -> None:
    problem = Problem("full")
    times = torch.tensor([[0.0, 1.0, 2.0], [5.0, 100.0, inf]])
    train, cross = problem.train(times), problem.elsewhere(times)
    assert train.shape == (2, 3, N, C)
    assert cross.shape == (2, 3, M, C)
    for row in range(2):
        for column in range(3):
            time = times[row, column].item()
            assert (train[row, column] - problem.train(time)).abs().max() < 1e-13
            assert (cross[row, column] - problem.elsewhere(time)).abs().max() < 1e-13


def test_a_full_kernel_without_coupling_equals_the_shared_one() -> None:
    problem = Problem("shared")
    eye = torch.eye(C, dtype=torch.float64)
    full, cross = (torch.einsum("nm,cd->nmcd", k, eye) for k in (problem.kernel, problem.cross))
    got = gradient_flow(full, problem.f0, problem.y, 2.0, cross_kernel=cross, cross_initial=problem.cross_f0)
    assert (got - problem.elsewhere(2.0)).abs().max() < 1e-12
    ridge = kernel_regression(full, cross, problem.y, 0.3)
    assert (ridge - kernel_regression(problem.kernel, problem.cross, problem.y, 0.3)).abs().max() < 1e-12


def test_tiny_eigenvalues_move_as_slowly_as_they_should() -> None:
    """1 - exp(-lambda t) taken literally keeps three digits at lambda t = 1e-13 and none below 1e-16."""
    kernel = torch.diag(torch.tensor([1.0, 1e-13, 1e-30, 0.0], dtype=torch.float64))
    zero, y = torch.zeros(4, 1, dtype=torch.float64), torch.ones(4, 1, dtype=torch.float64)
    moved = gradient_flow(kernel, zero, y, 4.0, cross_kernel=torch.eye(4, dtype=torch.float64), cross_initial=zero).flatten()
    want = torch.tensor([1 - torch.exp(torch.tensor(-1.0, dtype=torch.float64)).item(), 1.0, 1.0, 1.0], dtype=torch.float64)
    assert ((moved - want) / want).abs().max() < 1e-12


def test_ridge_against_a_direct_solve_and_a_vanishing_one() -> None:
    problem = Problem("shared")
    eye = torch.eye(N, dtype=torch.float64)
    want = problem.cross @ torch.linalg.solve(problem.kernel + 0.7 * eye, problem.y)
    assert (kernel_regression(problem.kernel, problem.cross, problem.y, 0.7) - want).abs().max() < 1e-12
    exact = kernel_regression(problem.kernel, problem.cross, problem.y)
    assert (kernel_regression(problem.kernel, problem.cross, problem.y, 1e-10) - exact).abs().max() < 1e-8


def test_single_precision_comes_back_as_such() -> None:
    problem = Problem("shared")
    args = [part.float() for part in (problem.kernel, problem.f0, problem.y)]
    got = gradient_flow(*args, 2.0)
    assert got.dtype == torch.float32
    assert (got - problem.train(2.0)).abs().max() < 1e-5
    assert kernel_regression(args[0], problem.cross.float(), args[2]).dtype == torch.float32


GOOD = Problem("shared")
BAD = {
    "targets": [GOOD.y.flatten(), GOOD.y.long(), torch.full((N, C), torch.nan), None],
    "initial": [GOOD.f0[:3], GOOD.f0[:, :1], torch.full((N, C), torch.inf, dtype=torch.float64)],
    "train_kernel": [
        GOOD.kernel[:3],
        GOOD.kernel[:3, :3],
        GOOD.kernel.triu(),
        -GOOD.kernel,
        GOOD.kernel * torch.nan,
        torch.zeros(N, N, 3, 3, dtype=torch.float64),
        GOOD.kernel.to_sparse(),
    ],
    "cross_kernel": [GOOD.cross[:, :3], GOOD.cross.mT, GOOD.cross * torch.inf, torch.zeros(M, N, C, C, dtype=torch.float64)],
    "cross_initial": [GOOD.cross_f0[:2], GOOD.cross_f0 * torch.nan, None],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_bad_input_is_refused_by_name(field: str, value: Tensor | None) -> None:
    arguments = {
        "train_kernel": GOOD.kernel,
        "cross_kernel": GOOD.cross,
        "targets": GOOD.y,
        "initial": GOOD.f0,
        "cross_initial": GOOD.cross_f0,
    } | {field: value}
    with pytest.raises(ValueError, match=f"^{field}:"):
        gradient_flow(time=1.0, **arguments)
    with pytest.raises(ValueError, match=f"^{field}:"):
        kernel_regression(**arguments)


@pytest.mark.parametrize(("size", "fits"), [(0.9e-4, True), (1.1e-4, False)])
def test_what_may_be_rounding_is_relative_to_the_largest(size: float, fits: bool) -> None:
    """1e-4 of the largest entry, or eigenvalue, of a kernel of any scale."""
    skewed = 1000 * torch.eye(3, dtype=torch.float64)
    skewed[0, 1] = 1000 * size
    negative = torch.diag(torch.tensor([1000.0, 1.0, -1000 * size], dtype=torch.float64))
    for kernel, said in ((skewed, "differ by up to"), (negative, "an eigenvalue is -")):
        zero = torch.zeros(3, 1, dtype=torch.float64)
        if fits:
            assert gradient_flow(kernel, zero, zero, 1.0).abs().max() == 0
        else:
            with pytest.raises(ValueError, match=said):
                gradient_flow(kernel, zero, zero, 1.0)


def test_directions_near_the_stated_ridge_fade_and_less_so_the_second_time() -> None:
    """r = 10 D eps mean(diagonal), eps of the kernel's dtype; along an eigenvalue 4 r the fits lack 1/5 and 1/25."""
    from regime.kernels.closed_form import interpolation_weights

    residual = torch.ones(3, dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        ridge = 10 * 3 * torch.finfo(dtype).eps * 2
        first, second = interpolation_weights(torch.diag(torch.tensor([6.0, 4 * ridge, 0.0], dtype=dtype)), residual)
        assert first.tolist() == pytest.approx([1 / 6, 4 / 5 / (4 * ridge), 1 / ridge], rel=1e-4)
        assert second.tolist() == pytest.approx([1 / 6, 24 / 25 / (4 * ridge), 2 / ridge], rel=1e-4)


@pytest.mark.parametrize("time", [Fraction(1, 2), 10**30, np.float32(3.0)])
def test_times_are_any_numbers(time: object) -> None:
    assert torch.equal(GOOD.train(time), GOOD.train(float(time)))


@pytest.mark.parametrize("scale", [1e-8, 0.0])
def test_outputs_that_their_precision_does_not_hold_are_refused(scale: float) -> None:
    """They were infinite, or no numbers, without a word; with a ridge whose inverse is no number too."""
    kernel, cross, y = scale * torch.eye(2), torch.ones(1, 2), torch.ones(2, 1).half()
    with pytest.raises(ValueError, match=r"^targets: the outputs are not finite in torch\.float16"):
        kernel_regression(kernel, cross, y, ridge=0.0 if scale else 1e-320)


@pytest.mark.parametrize(
    "time", [-1.0, float("nan"), torch.tensor([1.0, -2.0]), torch.tensor(1j), torch.tensor(True), "1", 10**400]
)
def test_bad_times_are_refused(time: float | Tensor) -> None:
    with pytest.raises(ValueError, match=r"^time = "):
        GOOD.train(time)


@pytest.mark.parametrize("ridge", [-1e-3, inf, float("nan")])
def test_bad_ridges_are_refused(ridge: float) -> None:
    with pytest.raises(ValueError, match=r"^ridge = "):
        kernel_regression(GOOD.kernel, GOOD.cross, GOOD.y, ridge)

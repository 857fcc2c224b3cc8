"""S12: the flow's ends, and scikit-learn's fits of least norm against linear programming and the pseudoinverse."""

import numpy as np
import pytest
from scipy.optimize import linprog

from regime.reproductions.sparse import INPUTS, Problem, draw, flow, least_norms


def end(problem: Problem, scale: float) -> np.ndarray:
    steps = flow(problem, scale)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_the_fits_of_least_norm() -> None:
    (x, y), truth = draw(0)
    found = least_norms(Problem(x, y))
    assert np.allclose(found["L2"], np.linalg.pinv(x) @ y)
    solved = linprog(np.ones(2 * INPUTS), A_eq=np.hstack([x, -x]), b_eq=y)
    assert np.allclose(found["L1"], solved.x[:INPUTS] - solved.x[INPUTS:], atol=1e-8)
    assert np.allclose(found["L1"], truth, atol=1e-8)


@pytest.mark.parametrize(("scale", "name"), [(1e-6, "L1"), (100.0, "L2")])
def test_the_flow_ends_at_a_fit_of_least_norm(scale: float, name: str) -> None:
    problem, _ = draw(1)
    known = least_norms(problem)[name]
    assert np.linalg.norm(end(problem, scale) - known) < 1e-3 * np.linalg.norm(known)


def test_the_flow_is_that_of_descent_with_small_steps() -> None:
    problem, _ = draw(2)
    x, y = problem
    u, v = np.ones(INPUTS), np.ones(INPUTS)
    for _ in range(4000):
        pull = 2e-4 * 2 * x.T @ (x @ (u**2 - v**2) - y)
        u, v = u - pull * u, v + pull * v
    assert np.allclose(u**2 - v**2, end(problem, 1.0), atol=2e-3)

"""S12: where training starts decides which of many exact fits it finds: the one of least L2 norm, or of least L1 norm."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from regime.measures.intervals import mean_over_seeds
from regime.reproductions.claim import Claim, Figure, Found, Paper, Series, Step, finding, log_log
from regime.reproductions.widths import dots

INPUTS, SAMPLES, RELEVANT = 60, 30, 4
SCALES = [10.0**k for k in range(-6, 3)]
"""Sizes of the initial parameters, from rich to lazy."""
FITTED = 1e-8
"""Residual, relative to the targets, below which a fit is exact."""
TOLERANCE = 0.01
"""Distance, relative to a solution's norm, within which a fit counts as that solution."""
Vector = Float[np.ndarray, "i"]


class Problem(NamedTuple):
    """A regression with fewer samples than inputs, of which few matter."""

    x: Float[np.ndarray, "N i"]
    y: Float[np.ndarray, "N"]


def draw(seed: int) -> tuple[Problem, Vector]:
    """Return a regression with Gaussian inputs and no noise, and its true coefficients, +1 or -1 on RELEVANT inputs."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(INPUTS)
    truth[rng.permutation(INPUTS)[:RELEVANT]] = rng.choice([-1.0, 1.0], RELEVANT)
    x = rng.standard_normal((SAMPLES, INPUTS))
    return Problem(x, x @ truth), truth


def flow(problem: Problem, scale: float) -> Generator[Step, None, Vector]:
    """Return the coefficients at the end of gradient flow on ||f - y||^2 / 2 with f = (u^2 - v^2) x, from u = v = scale.

    The products u_i v_i stay scale^2 along the flow, so that a = log(u / scale) tells all: da/dt = -2 x^T (f - y), and the
    coefficients are 2 scale^2 sinh 2a. A small start waits long and then moves fast: scipy takes implicit steps (BDF).
    """
    from scipy.integrate import BDF

    x, y = problem

    def coefficients(a: Vector) -> Vector:
        return 2 * scale**2 * np.sinh(2 * a)

    def speed(_: float, a: Vector) -> Vector:
        return -2 * x.T @ (x @ coefficients(a) - y)

    def slope(_: float, a: Vector) -> Float[np.ndarray, "i i"]:
        return -8 * scale**2 * (x.T @ x) * np.cosh(2 * a)

    solver = BDF(speed, 0.0, np.zeros(INPUTS), np.inf, jac=slope, rtol=1e-6, atol=1e-9)
    while np.linalg.norm(x @ coefficients(solver.y) - y) > FITTED * np.linalg.norm(y):
        with np.errstate(over="ignore", invalid="ignore"):  # a step that is tried may be far too long
            solver.step()
        yield Step()
    return coefficients(solver.y)


def least_norms(problem: Problem) -> dict[str, Vector]:
    """Return scikit-learn's exact fits of least L1 norm, where the lasso's path ends, and of least L2 norm."""
    from sklearn.linear_model import LinearRegression, lars_path  # slow to import

    *_, path = lars_path(problem.x, problem.y, method="lasso", max_iter=10 * INPUTS)
    return {"L1": path[:, -1], "L2": LinearRegression(fit_intercept=False).fit(problem.x, problem.y).coef_}


def measure(full: bool) -> Iterator[Found]:
    """Measure how far fits from small and large starts are from the exact fits of least norm."""
    count = 40 if full else 6
    apart: dict[str, list[list[float]]] = {"L1": [], "L2": []}
    first = {}
    problems, norms = [draw(seed) for seed in range(count)], []
    yield Step(0.0, "the fits of least norm")
    for problem, _ in problems:
        norms.append(least_norms(problem))
        yield Step()
    for part, scale in enumerate(SCALES):
        yield Step(part / len(SCALES), f"{count} fits from parameters of size {scale:g}")
        for row in apart.values():
            row.append([])
        for (problem, _), known in zip(problems, norms, strict=True):
            found = yield from flow(problem, scale)
            first.setdefault(scale, found)
            for name, row in apart.items():
                row[-1].append(np.linalg.norm(found - known[name]) / np.linalg.norm(known[name]))
    table = {name: np.array(rows) for name, rows in apart.items()}
    small, large = f"parameters that start at {SCALES[0]:g}", f"parameters that start at {SCALES[-1]:g}"
    lasso, least = "scikit-learn's lars_path, the lasso without penalty", "scikit-learn's LinearRegression"
    to = "relative distance from the exact fit of least"
    ends = {name: (mean_over_seeds(rows[0]), mean_over_seeds(rows[-1])) for name, rows in table.items()}
    yield finding(f"{to} L1 norm, {small}", "0", ends["L1"][0], high=TOLERANCE, against=lasso)
    yield finding(f"{to} L2 norm, {large}", "0", ends["L2"][1], high=TOLERANCE, against=least)
    yield finding(f"{to} L1 norm, {large}", "far from 0", ends["L1"][1], low=0.1, against=lasso)
    yield finding(f"{to} L2 norm, {small}", "far from 0", ends["L2"][0], low=0.1, against=least)
    yield log_log(
        "A small start ends at the fit of least L1 norm, a large one at the fit of least L2 norm",
        "size of the initial parameters",
        "relative distance from the fit",
        [dots(f"of least {name} norm", SCALES, rows) for name, rows in table.items()],
    )
    places = [float(place) for place in range(INPUTS)]
    shown = {"the truth": problems[0][1], small: first[SCALES[0]], large: first[SCALES[-1]]}
    yield Figure(
        title="Both fit every sample, and only the small start finds which inputs matter",
        x="input",
        y="coefficient",
        series=[Series(name=name, x=places, y=values.tolist()) for name, values in shown.items()],
    )


SPARSE = Claim(
    id="S12",
    title="The start decides what is learned",
    claim="Where many exact fits exist, training from small parameters finds a sparse one, and from large parameters the one "
    "nearest to zero.",
    paper=Paper(
        authors="Woodworth et al.", year=2020, title="Kernel and Rich Regimes in Overparametrized Models", arxiv="2002.09277"
    ),
    published="large start: least L2 norm; small start: least L1 norm",
    method=f"A linear model whose coefficients are u^2 - v^2 learns {SAMPLES} samples of {INPUTS} inputs, of which {RELEVANT} "
    "matter. Gradient flow runs until the fit is exact. The fits of least norm come from scikit-learn. A distance passes "
    f"where its 95% interval over random problems lies below {TOLERANCE:g}, and far means above 0.1.",
    measure=measure,
)

"""S10's second part: the shipped transformer that learns addition, trained from scratch at three output scales."""

from collections.abc import Generator, Iterator
from itertools import product

import numpy as np
import torch
from torch.nn import functional

from regime.reproductions.claim import Found, Series, Step, exponent, finding, log_log

ALPHAS, SEEDS = (0.25, 0.5, 1.0), 8
LOW = 0.5
"""Train and test loss count as low below it; both start at log 59 = 4.1."""
EVERY = 10
"""Steps between two looks at the test loss."""
STEPS = 8000
Curve = list[tuple[int, float, float]]
"""Step, train loss, test loss."""


def learn(alpha: float, seed: int) -> Generator[Step, None, Curve]:
    """Train alpha times the logits by AdamW, its step divided by alpha, until the test loss is low.

    Raises:
        RuntimeError: it is not within STEPS steps.
    """
    from regime.models import modular

    model, (known, new) = modular.new_model(seed), modular.pairs()
    rate = modular.LEARNING_RATE / alpha
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=modular.WEIGHT_DECAY, betas=modular.BETAS)
    curve: Curve = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / modular.WARMUP)
        optimizer.zero_grad()
        loss = functional.cross_entropy(alpha * modular.logits(model, known.input_ids), known.answers)
        loss.backward()
        if step % EVERY == 0:
            with torch.no_grad():
                test = functional.cross_entropy(alpha * modular.logits(model, new.input_ids), new.answers).item()
            curve.append((step, loss.item(), test))
            if test < LOW:
                return curve
        optimizer.step()
        yield Step()
    raise RuntimeError(f"alpha = {alpha:g}, seed {seed}: the test loss did not fall in {STEPS} steps")


def fell(curve: Curve, column: int) -> float:
    """Return the first step at which a loss was low."""
    return next(float(row[0]) for row in curve if row[column] < LOW)


def scaled_addition() -> Iterator[Found]:
    """Measure how long a transformer waits between knowing its sums and getting others right, against its output scale."""
    curves: dict[float, list[Curve]] = {alpha: [] for alpha in ALPHAS}
    for part, (alpha, seed) in enumerate(product(ALPHAS, range(SEEDS))):
        yield Step(part / len(ALPHAS) / SEEDS, f"a transformer that learns addition, alpha = {alpha:g}, seed {seed}")
        curves[alpha].append((yield from learn(alpha, seed)))
    waits = np.array([[fell(curve, 2) - fell(curve, 1) for curve in row] for row in curves.values()])
    what = "transformer: exponent of the steps between the fall of the train and of the test loss, against alpha"
    yield finding(what, "positive", exponent(ALPHAS, waits), low=0.0)
    series = [
        Series(
            name=f"alpha = {alpha:g}, {name} loss",
            x=[row[0] for row in first[1:]],
            y=[row[column] for row in first[1:]],
            style=style,
        )
        for alpha, (first, *_) in curves.items()
        for name, column, style in (("test", 2, "line"), ("train", 1, "guide"))
    ]
    title = "How long a transformer waits that learns addition, by the scale of its outputs"
    yield log_log(title, "step", "loss", series)

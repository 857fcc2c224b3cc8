"""S10's second part: the shipped transformer that learns addition, trained from scratch at three output scales."""

from collections.abc import Generator, Iterator
from math import inf, isfinite, log10

import torch
from torch.nn import functional

from regime.measures.intervals import PointEstimate
from regime.reproductions.claim import Figure, Found, Series, Step, finding

ALPHAS = (0.25, 0.5, 1.0)
LOW = 0.5
"""Train and test loss count as low below it; both start at log 59 = 4.1."""
EVERY = 10
"""Steps between two looks at the test loss."""
STEPS = 6000
Curve = list[tuple[int, float, float]]
"""Step, train loss, test loss."""


def learn(alpha: float, steps: int = STEPS) -> Generator[Step, None, Curve]:
    """Train alpha times the logits by AdamW, its step divided by alpha, until the test loss is low or the steps are over."""
    from regime.models import modular

    model, (known, new) = modular.new_model(), modular.pairs()
    rate = modular.LEARNING_RATE / alpha
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=modular.WEIGHT_DECAY, betas=modular.BETAS)
    curve: Curve = []
    for step in range(steps):
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
                break
        optimizer.step()
        yield Step()
    return curve


def fell(curve: Curve, column: int) -> float:
    """Return the first step at which a loss was low, inf where it never was."""
    return next((float(row[0]) for row in curve if row[column] < LOW), inf)


def scaled_addition() -> Iterator[Found]:
    """Show how long a transformer waits between knowing its sums and getting others right, at three output scales."""
    curves = {}
    for part, alpha in enumerate(ALPHAS):
        yield Step(part / len(ALPHAS), f"a transformer that learns addition, alpha = {alpha:g}")
        curves[alpha] = yield from learn(alpha)
    waits = {alpha: fell(curve, 2) - fell(curve, 1) for alpha, curve in curves.items()}
    over = [alpha for alpha in ALPHAS if isfinite(waits[alpha])]
    for alpha in over[1:]:
        longer = log10(waits[alpha] / waits[over[0]])
        what = f"transformer, one seed: log10 of its wait at alpha = {alpha:g} over that at {over[0]:g}"
        yield finding(what, "positive", PointEstimate(longer, longer, longer))
    series = [
        Series(
            name=f"alpha = {alpha:g}, {name} loss",
            x=[row[0] for row in curve[1:]],
            y=[row[column] for row in curve[1:]],
            style=style,
        )
        for alpha, curve in curves.items()
        for name, column, style in (("test", 2, "line"), ("train", 1, "guide"))
    ]
    title = "How long a transformer waits that learns addition, by the scale of its outputs"
    yield Figure(title=title, x="step", y="loss", log_x=True, log_y=True, series=series)

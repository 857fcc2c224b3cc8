"""S1: how far the parameters move against width."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, law, measured_along, of_model, widths


def measure(full: bool) -> Iterator[Found]:
    """Fit parameter_movement against width, two layers, NTK parameterization."""
    series = []
    for part, activation in enumerate(("tanh", "relu")):
        yield Step(part / 2, f"{activation} networks of {len(widths(full))} widths")
        fields = {"depth": 1, "activation": activation, "seeds": 20 if full else 10}
        moved, configs = yield from measured_along("width", widths(full), {"moved": of_model("parameter_movement")}, **fields)
        slope = exponent(widths(full), moved["moved"])
        what = f"exponent of parameter_movement against width, two layers, {activation}, {STEP}"
        yield finding(what, "-0.50", slope, -0.55, -0.45, configs=configs)
        series += [dots(activation, widths(full), moved["moved"]), law(activation, widths(full), moved["moved"], -0.5)]
    yield log_log(
        "Wider networks move their parameters less, by the square root of the width", "width", "parameter_movement", series
    )


MOVEMENT = Claim(
    id="S1",
    title="Wide networks hardly move",
    claim="The wider a network, the less its parameters move while it learns: by one over the square root of the width.",
    paper=Paper(
        authors="Lee et al.",
        year=2019,
        title="Wide Neural Networks of Any Depth Evolve as Linear Models Under Gradient Descent",
        arxiv="1902.06720",
    ),
    published="-1/2",
    method=f"Two-layer networks in the NTK parameterization, trained to {LOSS:g} of their initial loss at each width. The "
    "slope in log-log is fitted seed by seed; it passes where its 95% interval lies within 0.05 of -0.50.",
    measure=measure,
)

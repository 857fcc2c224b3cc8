"""S4: how far the parameters move against the output scale alpha."""

from collections.abc import Iterator

from regime.reproductions.claim import Claim, Found, Paper, Step, exponent, finding, log_log
from regime.reproductions.widths import LOSS, STEP, dots, law, measured_along, of_model

WIDTH = 128


def measure(full: bool) -> Iterator[Found]:
    """Fit parameter_movement against alpha, from 1 up."""
    scales = [1.0, 2.0, 4.0, 8.0, 16.0, *([32.0, 64.0] if full else [])]
    series = []
    for part, activation in enumerate(("relu", "tanh")):
        yield Step(part / 2, f"{activation} networks at {len(scales)} scales")
        fields = {"width": WIDTH, "activation": activation, "seeds": 10 if full else 5}
        moved, configs = yield from measured_along("alpha", scales, {"moved": of_model("parameter_movement")}, **fields)
        what = f"exponent of parameter_movement against alpha from 1 up, width {WIDTH}, {activation}, {STEP}"
        yield finding(what, "-1", exponent(scales, moved["moved"]), -1.1, -0.9, configs=configs)
        series += [dots(activation, scales, moved["moved"]), law(activation, scales, moved["moved"], -1.0)]
    yield log_log("The larger the outputs are scaled, the less the parameters move", "alpha", "parameter_movement", series)


OUTPUT_SCALE = Claim(
    id="S4",
    title="A larger output scale is lazier",
    claim="Multiplying a network's output by a large number alpha makes it lazy at any width: its parameters move by one over "
    "alpha.",
    paper=Paper(authors="Chizat et al.", year=2018, title="On Lazy Training in Differentiable Programming", arxiv="1812.07956"),
    published="-1",
    method=f"Networks with two hidden layers of {WIDTH} units whose outputs, less those at the start, are multiplied by alpha; "
    f"trained to {LOSS:g} of their initial loss. The slope in log-log is fitted seed by seed; it passes where its 95% "
    "interval lies within 0.1 of -1.",
    measure=measure,
)
